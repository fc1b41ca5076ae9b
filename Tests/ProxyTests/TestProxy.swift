import Loopback
import Model
import Testing

@testable import Proxy

/// A data plane in this process, built as `apusd` builds it.
final class TestProxy {
    let server: ProxyServer
    private var compiler: SnapshotCompiler
    private var taken: [ConnectionRecord] = []

    init(_ configuration: Configuration, workers: Int, descriptorLimit: Int) throws {
        let (shared, names) = (SharedState(), SlotNames())
        compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 0)
        server = try ProxyServer(
            snapshot, workers: workers, descriptorLimit: descriptorLimit, shared: shared, names: names)
        try server.openListeners()
    }

    /// Where a listener is bound.
    func address(_ name: String = "web") throws -> SocketAddress {
        try #require(server.listeners.first { $0.name == name }, "no listener \(name)").address
    }

    /// A client connected to a listener.
    func client(_ name: String = "web", receiveBuffer: Int32? = nil) throws -> Peer {
        try Peer(to: try address(name), receiveBuffer: receiveBuffer)
    }

    /// As apusd's reload does: what is refused leaves no trace.
    func apply(_ configuration: Configuration) async throws {
        var next = compiler
        let snapshot = try next.compile(configuration, oldestGenerationInUse: server.oldestGenerationInUse)
        try await server.apply(snapshot)
        compiler = next
    }

    /// Other endpoints for the first cluster, as discovery gives them.
    func replace(_ addresses: [SocketAddress]) async throws {
        let snapshot = try #require(server.snapshot)
        let update = try compiler.update(
            cluster: 1, to: addresses.map { Configuration.Endpoint(address: $0) }, of: snapshot,
            oldestGenerationInUse: server.oldestGenerationInUse, now: 1)
        if let update { await server.replaceEndpoints(update) }
    }

    /// Records of all finished connections, once there are `count` of them (or ten seconds later).
    func records(_ count: Int) async -> [ConnectionRecord] {
        _ = await eventually {
            for ring in server.recordRings { while let record = ring.pop() { taken.append(record) } }
            return taken.count >= count
        }
        return taken
    }

    /// A worker counter, over all workers.
    func sum(_ counter: WorkerCounter) -> Int {
        server.workerStatistics.map { $0.worker.value(slot: 0, counter: counter.rawValue) }.reduce(0, +)
    }

    /// A column of a listener's counters, over all workers.
    func sum(listener name: String, column: Int) -> Int {
        guard let slot = server.names.all(.listener).firstIndex(of: name) else { return -1 }
        return server.workerStatistics.map { $0.listeners.value(slot: slot, counter: column) }.reduce(0, +)
    }

    /// A cluster's counter, over all workers.
    func sum(cluster name: String = "servers", _ counter: ClusterCounter) -> Int {
        guard let slot = clusterSlot(name) else { return -1 }
        return server.workerStatistics.map { $0.clusters.value(slot: slot, counter: counter.rawValue) }.reduce(0, +)
    }

    func clusterSlot(_ name: String = "servers") -> Int? { server.names.all(.cluster).firstIndex(of: name) }
}

/// Runs `body` against a proxy. Afterwards everything that was counted up must have been counted down again.
func withProxy(
    _ configuration: Configuration, workers: Int = 1, descriptorLimit: Int = 20000,
    _ body: (TestProxy) async throws -> Void
) async throws {
    let proxy = try TestProxy(configuration, workers: workers, descriptorLimit: descriptorLimit)
    do {
        try await body(proxy)
    } catch {
        _ = await proxy.server.stop(within: .zero)
        throw error
    }
    _ = await proxy.server.stop(within: .zero)
    #expect(proxy.server.connectionCount == 0)
    #expect(proxy.sum(.connectionsActive) == 0)
    #expect(proxy.sum(.bufferedBytes) == 0)
    #expect(proxy.sum(.halfOpen) == 0)
    #expect(proxy.server.shared.bufferBytes.load(0) == 0)
    #expect(proxy.sum(.bugs) == 0)
    for slot in proxy.server.names.all(.cluster).indices {
        #expect(proxy.server.shared.clusterConnections.load(slot) == 0, "cluster slot \(slot)")
    }
    for slot in 0..<64 { #expect(proxy.server.shared.endpointConnections.load(slot) == 0, "endpoint slot \(slot)") }
    for slot in 0..<64 { #expect(proxy.server.shared.podConnections.load(slot) == 0, "pod slot \(slot)") }
    for place in 0..<64 { #expect(proxy.server.shared.podBufferBytes.load(place) == 0, "pod slot \(place - 1)") }
}

extension Configuration {
    /// A listener `web` on loopback for a cluster `servers` with these endpoints.
    static func web(
        to endpoints: [SocketAddress], on address: SocketAddress = SocketAddress(.loopbackV4, 0),
        _ change: (inout Configuration) -> Void = { _ in }
    ) -> Configuration {
        var configuration = Configuration(
            listeners: [Listener(name: "web", address: address, cluster: "servers")],
            clusters: [Cluster(name: "servers", discovery: .endpoints(endpoints.map { Endpoint(address: $0) }))])
        change(&configuration)
        return configuration
    }
}
