import Model
import Syscalls

/// One connection of a drill, to its end. Blocks its thread.
enum DrillConnection {
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

    /// A proxy that cannot reach the server resets a connection that the kernel has established already.
    private static let proofMilliseconds: Int64 = 300

    /// Dials from a socket that is bound already, or needs no binding. The time is that of the answer, or of the
    /// handshake.
    static func dial(
        _ socket: consuming Socket, to destination: SocketAddress
    ) -> (outcome: Outcome, nanoseconds: Int64) {
        let start = Clock.monotonic()
        do throws(Errno) {
            return try run(socket, to: destination, start)
        } catch {
            return (.refused, Clock.monotonic() - start)
        }
    }

    private static func run(
        _ socket: consuming Socket, to destination: SocketAddress, _ start: Int64
    ) throws(Errno) -> (outcome: Outcome, nanoseconds: Int64) {
        var poller = try Poller(capacity: 4)
        let isProbe = destination == RuleProbe.destination(destination.address.family)
        let probe = try Probe(.remote(""), socket, to: destination, poller, token: 0, now: start)
        var deadline = start + milliseconds * 1_000_000
        var established: Int64?
        while true {
            let now = Clock.monotonic()
            guard now < deadline else {
                return established.map { (.connected, $0 - start) } ?? (.unanswered, now - start)
            }
            guard poller.wait(milliseconds: Int32((deadline - now + 999_999) / 1_000_000)) > 0 else { continue }
            let readiness = poller.event(0).readiness
            switch probe.advance(readiness) {
            case .answered: return (.answered, Clock.monotonic() - start)
            case .foreign: return (.connected, (established ?? Clock.monotonic()) - start)
            case .refused, .reset, .inconclusive: return (.refused, Clock.monotonic() - start)
            case nil:
                guard !isProbe, established == nil, readiness.contains(.writable) else { continue }
                established = Clock.monotonic()
                deadline = Clock.monotonic() + proofMilliseconds * 1_000_000
            }
        }
    }
}
