import Admin
import FoundationEssentials
import Model
import Syscalls

/// One question to the local proxy's admin API, from its SYN to its end: how many turns each worker has made. Never blocks,
/// so a process that does not answer costs nothing but the answer.
final class HeartbeatProbe {
    /// How it ended.
    enum Result: Equatable {
        /// Turns by worker.
        case turns([Int: Int])
        case failed
    }

    let token: UInt64
    let started: Int64
    private let socket: Socket
    private var bytes: [UInt8] = []
    private var isSent = false

    /// An answer has a hundred bytes for each worker.
    private static let bytesMax = 256 << 10
    private static let request = Array("GET /ready HTTP/1.1\r\nhost: apus-guard\r\nconnection: close\r\n\r\n".utf8)

    /// Starts to connect.
    init(to address: SocketAddress, _ poller: borrowing Poller, token: UInt64, now: Int64) throws(Errno) {
        let socket = try Socket(family: address.address.family)
        try poller.add(socket.descriptor, token: token)
        try socket.connect(to: address)
        self.socket = socket
        self.token = token
        started = now
    }

    /// Takes what has come; nil: it goes on.
    func advance(_ readiness: Poller.Readiness) -> Result? {
        if !isSent {
            if socket.takeError() != nil { return .failed }
            guard readiness.contains(.writable) else { return nil }
            // A new connection has room for a hundred bytes; the array's own memory, for the length of the call.
            let result = unsafe Self.request.withUnsafeBytes { unsafe socket.write($0) }
            guard case .bytes(Self.request.count) = result else { return .failed }
            isSent = true
        }
        return read()
    }

    private func read() -> Result? {
        var piece = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= Self.bytesMax {
            // The array's own memory, for the length of the call.
            switch unsafe piece.withUnsafeMutableBytes({ unsafe socket.read(into: $0) }) {
            case .bytes(let count): bytes += piece[..<count]
            case .wouldBlock: return nil
            case .end: return Self.turns(bytes).map { .turns($0) } ?? .failed
            case .failed: return .failed
            }
        }
        return .failed
    }

    /// What an answer of `GET /ready` says; nil: it is none.
    static func turns(_ bytes: [UInt8]) -> [Int: Int]? {
        let gap = Array("\r\n\r\n".utf8)
        guard let end = bytes.firstRange(of: gap)?.upperBound,
            let view = try? JSONDecoder().decode(ReadinessView.self, from: Data(bytes[end...]))
        else { return nil }
        return Dictionary(view.workers.map { ($0.worker, $0.turns) }) { first, _ in first }
    }
}
