import Lab
import Model
import Testing

@testable import Proxy

/// A data plane of this process inside a lab host, with timers that a test can wait for: `apusd`'s own are 90 s.
final class InProcessProxy {
    let server: ProxyServer
    /// Where its listener `web` is, for the host's pods.
    let address: SocketAddress

    /// Listens on the host's address and forwards to `target`.
    init(on host: Node, to target: SocketAddress, _ options: ConnectionOptions) throws {
        let configuration = Configuration(
            listeners: [.init(name: "web", address: SocketAddress(host.v4, 0), cluster: "servers")],
            clusters: [.init(name: "servers", discovery: .endpoints([.init(address: target)]))])
        let (shared, names) = (SharedState(), SlotNames())
        var compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        // Threads are born in the namespace of the thread that makes them, and sockets in their thread's.
        server = try host.namespace.enter {
            let server = try ProxyServer(
                snapshot, workers: 1, descriptorLimit: 1024, shared: shared, names: names, options: options)
            try server.openListeners()
            return server
        }
        address = try #require(server.listeners.first).address
    }

    /// Waits for the record of the next connection that ends.
    func record(within limit: Duration) throws -> ConnectionRecord {
        try #require(eventually(within: limit) { server.recordRings[0].pop() }, "no connection has ended")
    }

    /// A column of the worker's own counters.
    func sum(_ counter: WorkerCounter) -> Int {
        server.workerStatistics[0].worker.value(slot: 0, counter: counter.rawValue)
    }
}

/// Runs `body` against a proxy in `host`.
func withProxy(
    on host: Node, to target: SocketAddress, _ options: ConnectionOptions, _ body: (InProcessProxy) throws -> Void
) async throws {
    let proxy = try InProcessProxy(on: host, to: target, options)
    do {
        try body(proxy)
    } catch {
        _ = await proxy.server.stop(within: .zero)
        throw error
    }
    _ = await proxy.server.stop(within: .zero)
}
