import Model
import Synchronization

@testable import Admin

/// A proxy with real snapshots and counters and no traffic.
final class FakeProxy: ProxyInspecting {
    let shared = SharedState()
    let names = SlotNames()
    let workerStatistics: [WorkerStatistics]
    let http2Violations: [HTTP2ViolationCount] = []
    private let state: Mutex<State>

    struct State {
        var compiler: SnapshotCompiler
        var snapshot: Snapshot?
        var phase = ProxyPhase.serving
        var connections: [ConnectionView] = []
        var missingWorkers: [Int] = []
        var pairSeries: [PairSeries] = []
        var learned: [LearnedProtocol] = []
    }

    init(_ configuration: Configuration? = nil, workers: Int = 2) throws {
        workerStatistics = (0..<workers).map { _ in WorkerStatistics() }
        state = Mutex(State(compiler: SnapshotCompiler(shared: shared, names: names)))
        if let configuration { try publish(configuration) }
        beat(at: Int.max / 2)
    }

    func publish(_ configuration: Configuration) throws {
        try state.withLock {
            $0.snapshot = try $0.compiler.compile(configuration, oldestGenerationInUse: $0.snapshot?.generation ?? 0)
        }
    }

    func set(_ change: (inout State) -> Void) { state.withLock { change(&$0) } }

    /// Sets every worker's heartbeat.
    func beat(at milliseconds: Int) {
        for index in workerStatistics.indices { beat(worker: index, at: milliseconds) }
    }

    func beat(worker: Int, at milliseconds: Int) {
        let table = workerStatistics[worker].worker
        let counter = WorkerCounter.heartbeatMilliseconds.rawValue
        table.add(milliseconds - table.value(slot: 0, counter: counter), slot: 0, counter: counter)
    }

    func podSlot(_ name: String) -> Int { names.all(.pod).firstIndex(of: name) ?? -1 }
    func clusterSlot(_ name: String) -> Int { names.all(.cluster).firstIndex(of: name) ?? -1 }

    // MARK: ProxyInspecting

    var snapshot: Snapshot? { state.withLock(\.snapshot) }
    var phase: ProxyPhase { state.withLock(\.phase) }
    var pairSeries: [PairSeries] { state.withLock(\.pairSeries) }
    var listeners: [ListenerView] {
        [ListenerView(name: "outbound", address: SocketAddress(.loopbackV4, 15001), workers: 2, slot: 0)]
    }
    func connections(limit: Int) async -> ConnectionList {
        state.withLock {
            ConnectionList(
                connections: Array($0.connections.prefix(limit)), missingWorkers: $0.missingWorkers,
                truncated: $0.connections.count > limit)
        }
    }
    func learned(of destination: SocketAddress) async -> [LearnedProtocol] { state.withLock(\.learned) }
    func drain() { set { $0.phase = .draining } }
}

extension IPAddress {
    /// An address that the test knows to be one.
    static func known(_ text: String) -> IPAddress { IPAddress(text) ?? .anyV4 }
}

extension SocketAddress {
    static func known(_ text: String) -> SocketAddress { SocketAddress(text) ?? SocketAddress(.anyV4, 0) }
}

extension Configuration {
    /// Two pods on this host, one of them dual-stack; a checked cluster, and one with a local pod as its endpoint.
    static func sample() -> Configuration {
        let cart = Pod(
            name: "shop/cart", uid: "u1", addresses: [.known("10.1.0.2"), .known("fd01::2")],
            tables: PodTables(
                outbound: [
                    TableEntry(
                        cidrs: [CIDR("10.96.0.0/12")].compactMap(\.self), ports: [PortRange(80)],
                        action: .cluster("web")),
                    TableEntry(ports: [PortRange(5432)], action: .cluster("postgres")),
                    TableEntry(ports: [PortRange(25)], action: .deny),
                ], connectionsMax: 100))
        let web = Pod(
            name: "shop/web", addresses: [.known("10.1.0.3")],
            tables: PodTables(inbound: [
                TableEntry(cidrs: [CIDR("10.1.0.2/32")].compactMap(\.self), ports: [PortRange(9090)], action: .deny)
            ]))
        return Configuration(
            node: Node(name: "node-a"),
            interception: Interception(
                podCIDRs: [CIDR("10.1.0.0/24"), CIDR("fd01::/64")].compactMap(\.self),
                excludeCIDRs: [CIDR("169.254.0.0/16")].compactMap(\.self), excludeInboundPorts: [PortRange(10250)]),
            pods: [cart, web],
            listeners: [Listener(name: "edge", address: SocketAddress(.loopbackV4, 8080), cluster: "postgres")],
            clusters: [
                Cluster(
                    name: "postgres",
                    discovery: .endpoints([
                        Endpoint(address: .known("10.2.0.3:5432"), weight: 3),
                        Endpoint(address: .known("10.2.0.4:5432")),
                    ]), healthCheck: HealthCheck(), connectionsMax: 50),
                Cluster(name: "web", discovery: .endpoints([Endpoint(address: .known("10.1.0.3:8080"))])),
            ])
    }
}
