import Model
import Syscalls

/// One connection of a drill, to its end. Blocks its thread.
struct DrillConnection: ~Copyable {
    /// What came of it.
    enum Outcome: String {
        /// A worker of a proxy answered.
        case answered
        /// It was established.
        case connected
        case refused
        case unanswered = "no answer"
    }

    private static let milliseconds: Int64 = 3000

    /// Dials from a socket that is bound already, or needs no binding.
    static func dial(_ socket: consuming Socket, to destination: SocketAddress) -> (
        outcome: Outcome, nanoseconds: Int64
    ) {
        let start = Clock.monotonic()
        let outcome = (try? run(socket, to: destination, until: start + milliseconds * 1_000_000)) ?? .refused
        return (outcome, Clock.monotonic() - start)
    }

    private static func run(
        _ socket: consuming Socket, to destination: SocketAddress, until deadline: Int64
    ) throws(Errno) -> Outcome {
        var poller = try Poller(capacity: 4)
        let isProbe =
            destination.port == RuleProbe.port
            && destination.address == RuleProbe.destination(destination.address.family).address
        let probe = try Probe(
            .remote(""), socket, to: destination, poller, token: 0, now: Clock.monotonic())
        while true {
            let rest = (deadline - Clock.monotonic()) / 1_000_000
            guard rest > 0 else { return .unanswered }
            guard poller.wait(milliseconds: Int32(rest)) > 0 else { continue }
            let readiness = poller.event(0).readiness
            if !isProbe, readiness.contains(.writable), readiness.isDisjoint(with: [.error, .hangup]) {
                return .connected
            }
            switch probe.advance(readiness) {
            case nil: continue
            case .answered: return .answered
            case .foreign: return .connected
            case .refused, .inconclusive: return .refused
            }
        }
    }
}
