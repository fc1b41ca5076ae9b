import Glibc
import Lab
import Model
import Synchronization

/// Requests from a pod, each on a connection of its own, at a steady pace whatever becomes of them: a hang holds up those
/// that have begun, and the next ones begin all the same.
final class SteadyTraffic: Sendable {
    /// One request.
    struct Request: Sendable {
        var start: ContinuousClock.Instant
        /// nil: it is still under way.
        var end: ContinuousClock.Instant?
        /// The client's address, once it is connected: what a proxy's log line is found by.
        var client: SocketAddress?
        /// nil: it has been answered, or is under way.
        var failure: String?
    }

    /// From one request to the next.
    static let pace = Duration.milliseconds(10)
    /// A request without an answer for this long has failed.
    static let patience = Duration.milliseconds(500)

    private let client: Node
    private let target: SocketAddress
    private let state = Mutex<(requests: [Request], isStopped: Bool)>(([], false))

    /// Begins at once.
    init(from client: Node, to target: SocketAddress) {
        self.client = client
        self.target = target
        _ = Background { [self] in keepPace() }
    }

    /// All requests so far, in the order in which they began.
    var requests: [Request] { state.withLock(\.requests) }

    /// No further ones begin.
    func stop() { state.withLock { $0.isStopped = true } }

    private func keepPace() {
        var next = ContinuousClock.now
        while !state.withLock(\.isStopped) {
            let number = state.withLock { state in
                state.requests.append(Request(start: .now))
                return state.requests.count - 1
            }
            _ = Background { [self] in make(number) }
            next = max(next + Self.pace, .now)
            usleep(UInt32(max(.zero, next - .now) / .microseconds(1)))
        }
    }

    private func make(_ number: Int) {
        var address: SocketAddress?
        var failure: String?
        do {
            let connection = try KeepAlive(to: target, from: client, timeout: Self.patience)
            address = try connection.localAddress
            // The client ends it, so that its kernel keeps the port from the next ones for a while.
            _ = try connection.get()
            connection.close()
        } catch {
            failure = "\(error)"
        }
        state.withLock { state in
            state.requests[number].end = .now
            state.requests[number].client = address
            state.requests[number].failure = failure
        }
    }
}
