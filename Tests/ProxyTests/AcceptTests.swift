import Dispatch
import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// Listeners of one worker beside each other.
    @Suite(.timeLimit(.minutes(1))) struct AcceptTests {
        /// A listener with a long queue and one with a single connection: that one does not wait for the queue's end.
        @Test func listenersTakeTurns() async throws {
            let (flooded, quiet) = (try Server { _ in }, try Server.greeter("x"))
            let two = Configuration.web(to: [flooded.address]) { configuration in
                configuration.clusters.append(
                    .init(name: "quiet", discovery: .endpoints([.init(address: quiet.address)])))
                configuration.listeners.append(
                    .init(name: "quiet", address: SocketAddress(.loopbackV4, 0), cluster: "quiet"))
            }
            try await withProxy(two) { proxy in
                let (web, other) = (try proxy.address(), try proxy.address("quiet"))
                var behind = 0
                for _ in 0..<5 {
                    // Both queues fill while the worker looks after something else.
                    let gate = Pause()
                    proxy.server.contexts[0].mailbox.send(.list(limit: 0) { _, _ in gate.wait() })
                    let flood = try (0..<400).map { _ in try Peer(to: web) }
                    let late = try Peer(to: other)
                    let before = proxy.sum(listener: "web", column: ListenerCounter.connections.rawValue)
                    gate.open()
                    #expect(try late.receive(asLongAs: "x") == "x")
                    let accepted = proxy.sum(listener: "web", column: ListenerCounter.connections.rawValue) - before
                    if accepted < flood.count { behind += 1 }
                    for peer in flood { peer.reset() }
                }
                #expect(behind == 5, "the late connection was served before the whole flood in \(behind) of 5 rounds")
            }
        }
    }
}

/// Holds a thread until it is let go.
private final class Pause: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func wait() { semaphore.wait() }
    func open() { semaphore.signal() }
}
