import Model
import Upstream

/// A configuration of clusters, compiled generation after generation, and one worker's picker on it.
struct Fixture {
    let shared = SharedState()
    var compiler: SnapshotCompiler
    var snapshot: Snapshot
    var tables: ClusterTables
    var picker: EndpointPicker
    var random: SmallRandom
    /// Kept alive, as workers and the control side do between them.
    var changes: [EndpointChange] = []
    /// Monotonic time, nanoseconds.
    var now: Int64 = 1_000_000_000_000

    /// The index of the first configured cluster (0 is `passthrough`).
    static let first = 1
    static let check = Configuration.HealthCheck()

    private let zone: String?
    private let routes: [Configuration.RouteTable]

    /// `subsets` are label sets that routes name, of the first cluster: subset 0, 1, ...
    init(
        _ clusters: [Configuration.Cluster], seed: UInt64 = 1, zone: String? = nil, subsets: [[String: String]] = []
    ) throws {
        self.zone = zone
        let targets = subsets.map { Configuration.Target(cluster: "c", labels: $0) }
        let rule = Configuration.Rule(action: .forward(Configuration.Forwarding(targets: targets)))
        let host = Configuration.VirtualHost(domains: [.any], rules: [rule])
        routes = subsets.isEmpty ? [] : [Configuration.RouteTable(name: "r", virtualHosts: [host])]
        compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        let node = Configuration.Node(name: "n", zone: zone)
        snapshot = try compiler.compile(
            Configuration(node: node, routes: routes, clusters: clusters), oldestGenerationInUse: 0)
        tables = ClusterTables(snapshot)
        picker = EndpointPicker(shared: shared)
        picker.adopt(tables)
        random = SmallRandom(seed: seed)
    }

    mutating func reload(_ clusters: [Configuration.Cluster]) throws {
        snapshot = try compiler.compile(
            Configuration(node: .init(name: "n", zone: zone), routes: routes, clusters: clusters),
            oldestGenerationInUse: snapshot.generation, now: now)
        tables = ClusterTables(snapshot, reusing: tables)
        picker.adopt(tables)
    }

    mutating func pick(
        _ cluster: Int = first, clientHash: UInt64 = 0, tried: TriedEndpoints = TriedEndpoints(), subset: Int32 = -1
    ) -> Pick {
        picker.pick(cluster: cluster, hash: clientHash, tried: tried, subset: subset, now: now, random: &random)
    }

    /// The address picked, as text; nil: none.
    mutating func address(_ cluster: Int = first, client: UInt64 = 0) -> String? {
        guard case .endpoint(let endpoint, _) = pick(cluster, clientHash: client) else { return nil }
        return "\(endpoint.address)"
    }

    /// How often each endpoint of a cluster (by its number there) is picked in `count` picks.
    mutating func shares(of count: Int, _ cluster: Int = first, subset: Int32 = -1) -> [Int] {
        let endpoints = endpoints(cluster)
        var shares = [Int](repeating: 0, count: endpoints.count)
        let numbers = Dictionary(uniqueKeysWithValues: endpoints.enumerated().map { ($1.slot, $0) })
        for number in 0..<count {
            guard case .endpoint(let endpoint, _) = pick(cluster, clientHash: hash(number), subset: subset) else {
                continue
            }
            if let number = numbers[endpoint.slot] { shares[number] += 1 }
        }
        return shares
    }

    /// The endpoint slot of endpoint `number` of a cluster.
    func slot(_ number: Int, _ cluster: Int = first) -> Int {
        snapshot.endpoints(ofCluster: cluster).records[number].slot
    }

    /// A cluster's endpoints, in their order in the configuration.
    func endpoints(_ cluster: Int = first) -> [EndpointRecord] {
        Array(snapshot.endpoints(ofCluster: cluster).records)
    }

    /// An endpoint's number in the cluster; -1: it is not of this cluster.
    func number(_ endpoint: EndpointRecord, _ cluster: Int = first) -> Int {
        endpoints(cluster).firstIndex(of: endpoint) ?? -1
    }

    /// Other endpoints for a cluster, between two snapshots, as discovery gives them.
    mutating func replace(_ endpoints: [Configuration.Endpoint], _ cluster: Int = first) throws {
        let update = try compiler.update(
            cluster: cluster, to: endpoints, of: snapshot, oldestGenerationInUse: snapshot.generation, now: now)
        guard let update else { return }
        changes.append(tables.change(update, in: snapshot))
        snapshot.apply(update)
        picker.adopt(changes[changes.count - 1])
    }

    func setHealth(_ isHealthy: Bool, _ number: Int, _ cluster: Int = first) {
        shared.setHealth(
            isHealthy: isHealthy, endpointSlot: slot(number, cluster), clusterSlot: snapshot.clusters[cluster].slot)
    }

    /// The hash of the client 172.16.0.0 + `number`.
    func hash(_ number: Int) -> UInt64 { clientHash(of: IPAddress(v4: 0xac10_0000 + UInt32(number))) }
}

/// A cluster of endpoints 10.0.0.0 + number, port 80, with these weights.
func cluster(
    _ policy: Configuration.Cluster.LoadBalancer, weights: [Int], name: String = "c", numbers: [Int]? = nil,
    checked: Bool = false, panicThreshold: Double = 0.5
) -> Configuration.Cluster {
    let numbers = numbers ?? Array(weights.indices)
    return Configuration.Cluster(
        name: name,
        discovery: .endpoints(
            zip(numbers, weights).map {
                Configuration.Endpoint(
                    address: SocketAddress(IPAddress(v4: 0x0a00_0000 + UInt32($0)), 80), weight: $1)
            }), loadBalancer: policy, healthCheck: checked ? Fixture.check : nil, panicThreshold: panicThreshold)
}

/// All policies.
let policies = Configuration.Cluster.LoadBalancer.allCases

extension Configuration.Cluster {
    /// With a change.
    func with(_ change: (inout Configuration.Cluster) -> Void) -> Configuration.Cluster {
        var cluster = self
        change(&cluster)
        return cluster
    }

    /// With the endpoints changed one by one, by number.
    func withEndpoints(_ change: (Int, inout Configuration.Endpoint) -> Void) -> Configuration.Cluster {
        guard case .endpoints(var endpoints) = discovery else { return self }
        for index in endpoints.indices { change(index, &endpoints[index]) }
        return with { $0.discovery = .endpoints(endpoints) }
    }

    var endpoints: [Configuration.Endpoint] {
        guard case .endpoints(let endpoints) = discovery else { return [] }
        return endpoints
    }
}
