import Model
import Syscalls

/// A connection from a synthetic pod to the reserved destination, step by step. Blocks its thread.
struct ProbeConnection: ~Copyable {
    private let socket: Socket
    private var poller: Poller

    /// How long each of the two steps may take: one repetition of a lost SYN fits in.
    static let stepMilliseconds: Int64 = 2500
    /// An answer is shorter.
    private static let answerBytesMax = 256

    /// The step that failed, why, and where to look.
    enum Failure: Error, CustomStringConvertible {
        case notPossible(Errno)
        case unanswered
        case refused(Errno)
        case noAnswer
        case broken(Errno)
        case wrongAnswer

        var description: String {
            switch self {
            case .notPossible(let errno): "connect: \(errno): is there a way to the destination (ip rule, ip route)?"
            case .unanswered:
                "the SYN is not answered: a firewall of the host drops what is delivered locally, or answers to it, or a "
                    + "rule or route is missing: see the differences, and drops in nft list ruleset and iptables-save"
            case .refused(let errno):
                "the SYN is refused: \(errno): the rules did not find the listener, or a firewall of the host rejects"
            case .noAnswer:
                "connected, but no worker answers: does one hang (apusctl status), or are packets after the SYN dropped?"
            case .broken(let errno):
                "connected, but not answered: \(errno): is apusd of the same version as apusctl?"
            case .wrongAnswer: "connected, but it was not apusd that answered: who listens on the port of the rules?"
            }
        }
    }

    private init(socket: consuming Socket, poller: consuming Poller) {
        self.socket = socket
        self.poller = poller
    }

    /// Starts to connect.
    static func start(_ family: IPAddress.Family, from pod: borrowing SyntheticPod) throws(Failure) -> ProbeConnection {
        do throws(Errno) {
            let socket = try pod.socket(family)
            let poller = try Poller(capacity: 4)
            try poller.add(socket.descriptor, token: 0)
            try socket.connect(to: RuleProbe.destination(family))
            return ProbeConnection(socket: socket, poller: poller)
        } catch {
            throw .notPossible(error)
        }
    }

    /// Waits for the connection and for what it says.
    consuming func answer() throws(Failure) -> RuleProbe.Answer {
        guard wait(until: { $0.contains(.writable) || $0.contains(.error) }) else { throw .unanswered }
        if let errno = socket.takeError() { throw errno == .timedOut ? .unanswered : .refused(errno) }
        var bytes: [UInt8] = []
        while try !read(&bytes) {
            guard wait(until: { !$0.isDisjoint(with: [.readable, .peerClosed, .error]) }) else { throw .noAnswer }
        }
        guard let answer = RuleProbe.Answer(String(decoding: bytes, as: UTF8.self)) else { throw .wrongAnswer }
        return answer
    }

    /// Reads what is there; true at the end.
    private func read(_ bytes: inout [UInt8]) throws(Failure) -> Bool {
        while true {
            var piece = [UInt8](repeating: 0, count: Self.answerBytesMax)
            // The array's own memory, for the length of the call.
            let result = unsafe piece.withUnsafeMutableBytes { unsafe socket.read(into: $0) }
            switch result {
            case .bytes(let count): bytes += piece[..<count]
            case .wouldBlock: return false
            case .end: return true
            case .failed(let errno): throw .broken(errno)
            }
            guard bytes.count <= Self.answerBytesMax else { throw .wrongAnswer }
        }
    }

    /// Waits for an event that `isEnough`; false when the step's time is over.
    private mutating func wait(until isEnough: (Poller.Readiness) -> Bool) -> Bool {
        let deadline = Clock.monotonic() + Self.stepMilliseconds * 1_000_000
        while true {
            let rest = (deadline - Clock.monotonic()) / 1_000_000
            guard rest > 0 else { return false }
            let count = poller.wait(milliseconds: Int32(rest))
            for index in 0..<count where isEnough(poller.event(index).readiness) { return true }
        }
    }
}
