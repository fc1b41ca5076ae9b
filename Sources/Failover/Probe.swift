import Model
import Syscalls

/// One connection that asks a worker to answer, from its SYN to its end. Never blocks.
final class Probe {
    /// How it ended.
    enum Result {
        /// By this worker.
        case answered(RuleProbe.Answer)
        /// Nobody listens.
        case refused
        /// It was reset after its handshake: taken, and not served.
        case reset
        /// Nothing follows from it: it broke off, or could not be made.
        case inconclusive
        /// Somebody else answered.
        case foreign
    }

    /// What it is for.
    enum Purpose: Hashable {
        /// The local proxy, from a source port.
        case local(IPAddress.Family, ProbePorts.Choice)
        /// A remote, by name.
        case remote(String)
    }

    let purpose: Purpose
    let started: Int64
    private let socket: Socket
    private var bytes: [UInt8] = []
    private var isConnected = false
    private static let answerBytesMax = 256

    /// Starts to connect.
    init(
        _ purpose: Purpose, _ socket: consuming Socket, to destination: SocketAddress, _ poller: borrowing Poller,
        token: UInt64, now: Int64
    ) throws(Errno) {
        try poller.add(socket.descriptor, token: token)
        try socket.connect(to: destination)
        // Nothing of it may stay behind: its port is used again at once.
        socket.resetOnClose()
        self.purpose = purpose
        self.socket = socket
        started = now
    }

    /// Takes what has come; nil: it goes on.
    func advance(_ readiness: Poller.Readiness) -> Result? {
        if !isConnected {
            if let errno = socket.takeError() { return Self.result(errno) }
            isConnected = !readiness.isDisjoint(with: [.writable, .readable])
        }
        return read()
    }

    static func result(_ errno: Errno) -> Result {
        switch errno {
        case .connectionRefused: .refused
        case .reset: .reset
        default: .inconclusive
        }
    }

    /// Reads to the end, which comes right after the line.
    func read() -> Result? {
        while true {
            var piece = [UInt8](repeating: 0, count: Self.answerBytesMax)
            // The array's own memory, for the length of the call.
            let result = unsafe piece.withUnsafeMutableBytes { unsafe socket.read(into: $0) }
            switch result {
            case .bytes(let count): bytes += piece[..<count]
            case .wouldBlock: return nil
            case .end:
                return RuleProbe.Answer(String(decoding: bytes, as: UTF8.self)).map { .answered($0) } ?? .foreign
            case .failed(let errno): return Self.result(errno)
            }
            guard bytes.count <= Self.answerBytesMax else { return .foreign }
        }
    }
}
