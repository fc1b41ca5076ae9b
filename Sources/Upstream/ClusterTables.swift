import Model

/// What balancers of all workers need of one snapshot, in flat arrays: endpoints grouped by weight, and the lookup
/// tables of ringHash and maglev.
///
/// Built off the workers, immutable. Building costs time in the number of endpoints, plus the hash tables of clusters
/// whose endpoints changed: the others are shared with the generation before. What a worker would have to find out for
/// every cluster after a reload is found out here, once: where the state of what stays lies, and who is healthy.
public final class ClusterTables: Sendable {
    /// A cluster. Its endpoints have the indices `lower..<upper` in the snapshot, and `members` holds a permutation of
    /// them at the same places.
    struct Cluster: Sendable, BitwiseCopyable {
        let slot: Int
        let policy: Configuration.Cluster.LoadBalancer
        let isChecked: Bool
        let lower, upper: UInt32
        let firstGroup, endGroup: UInt32
        /// Fewer healthy endpoints than this: panic.
        let healthyMin: UInt32
        /// The generation in which the cluster got its slot: state from before is another cluster's.
        let since: UInt64
        /// When these tables were made: the epoch of `SharedState.clusterHealthEpochs`, and how many were healthy.
        let healthEpoch: Int
        let healthy: UInt32
    }

    /// Endpoints of one cluster with one weight: places in `members`.
    struct Group: Sendable, BitwiseCopyable {
        let weight: Int
        let lower: UInt32
        var upper: UInt32
        /// When these tables were made, so many were healthy: they come first in `members`.
        var healthy: UInt32 = 0
        /// Where workers keep its state: the same place for as long as the cluster has a group of this weight.
        var state: UInt32 = 0
        /// The generation in which it got that place: state from before is another group's.
        var since: UInt64 = 0

        var places: Range<Int> { Int(lower)..<Int(upper) }
    }

    struct Endpoint: Sendable, BitwiseCopyable {
        let slot: UInt32
        let weight: UInt32
    }

    let generation: UInt64
    let clusters: [Cluster]
    let groups: [Group]
    /// Endpoint indices by group, in their order in the configuration.
    let order: [UInt32]
    /// The same, in each group the healthy ones first. Shares its memory with `order` while all are healthy.
    let members: [UInt32]
    let endpoints: [Endpoint]
    let records: RecordTable<EndpointRecord>
    /// By cluster index; `.none` for policies without a table. They point into `hashTables`.
    let views: [HashTable.View]
    /// By cluster slot; -1: not in this generation.
    private let indexBySlot: [Int32]
    /// One past the highest endpoint slot, and the highest place of a group's state.
    let endpointSlotCount, groupStateCount: Int
    /// One past the highest cluster slot.
    var clusterSlotCount: Int { indexBySlot.count }
    private let hashTables: [HashTable?]
    /// Whether a cluster balances by latency.
    let usesLatencies: Bool

    /// Tables for `snapshot`, with health as it is now in `shared`. `previous`, when given, are those of the snapshot
    /// before, which lend what has not changed.
    public init(_ snapshot: Snapshot, shared: SharedState, reusing previous: ClusterTables? = nil) {
        generation = snapshot.generation
        records = snapshot.endpoints
        endpoints = snapshot.endpoints.map {
            // Validation keeps weights in 1...1000; a zero would be an endpoint that is never picked, silently.
            Endpoint(slot: UInt32($0.slot), weight: UInt32(clamping: max(1, $0.weight)))
        }
        endpointSlotCount = (snapshot.endpoints.lazy.map(\.slot).max() ?? -1) + 1
        var order = Array(0..<UInt32(endpoints.count))
        var groups: [Group] = []
        let ranges = snapshot.clusters.map { [endpoints] record in
            let first = groups.count
            Self.appendGroups(record.endpoints.indices, endpoints, &order, &groups)
            return first..<groups.count
        }
        var places = StatePlaces(snapshot, previous)
        var members = order
        clusters = zip(snapshot.clusters, ranges).map { [endpoints] record, range in
            // Before health is looked at: a verdict that comes meanwhile makes workers look again.
            let epoch = shared.clusterHealthEpochs.loadAcquiring(record.slot)
            for group in range {
                let isHealthy = { (member: UInt32) in
                    record.healthCheck == nil || shared.endpointHealth.load(Int(endpoints[Int(member)].slot)) == 0
                }
                groups[group].healthy = UInt32(
                    HealthOrder.apply(to: &members, groups[group].places, order: order, isHealthy: isHealthy))
            }
            return Cluster(
                record, groups: range, since: places.carry(slot: record.slot, range, &groups), healthEpoch: epoch,
                healthy: groups[range].reduce(0) { $0 + $1.healthy })
        }
        usesLatencies = snapshot.clusters.contains { $0.loadBalancer == .peakEwma }
        groupStateCount = places.assign(&groups)
        self.order = order
        self.members = members
        self.groups = groups
        hashTables = snapshot.clusters.map { [endpoints] in Self.hashTable($0, snapshot, endpoints, previous) }
        views = hashTables.map { $0?.view ?? .none }
        indexBySlot = Self.indexBySlot(clusters)
    }

    private static func indexBySlot(_ clusters: [Cluster]) -> [Int32] {
        var indices = [Int32](repeating: -1, count: (clusters.map(\.slot).max() ?? -1) + 1)
        for (index, cluster) in clusters.enumerated() { indices[cluster.slot] = Int32(index) }
        return indices
    }

    /// Orders one cluster's members by weight, lightest first, and appends a group for each weight.
    private static func appendGroups(
        _ range: Range<Int>, _ endpoints: [Endpoint], _ members: inout [UInt32], _ groups: inout [Group]
    ) {
        guard let first = range.first else { return }
        if range.contains(where: { endpoints[$0].weight != endpoints[first].weight }) {
            let sorted = range.sorted { (endpoints[$0].weight, $0) < (endpoints[$1].weight, $1) }
            for (place, index) in zip(range, sorted) { members[place] = UInt32(index) }
        }
        let start = groups.count
        for place in range {
            let weight = Int(endpoints[Int(members[place])].weight)
            if groups.count == start || groups[groups.count - 1].weight != weight {
                groups.append(Group(weight: weight, lower: UInt32(place), upper: UInt32(place)))
            }
            groups[groups.count - 1].upper += 1
        }
    }

    private static func hashTable(
        _ record: ClusterRecord, _ snapshot: Snapshot, _ endpoints: [Endpoint], _ previous: ClusterTables?
    ) -> HashTable? {
        guard record.loadBalancer == .ringHash || record.loadBalancer == .maglev, !record.endpoints.isEmpty else {
            return nil
        }
        let members = record.endpoints.indices.map {
            HashTable.Member(
                hash: StableHash.of(snapshot.endpoints[$0].address), weight: Int(endpoints[$0].weight))
        }
        let seed: UInt64 = record.loadBalancer == .ringHash ? 1 : 2
        let fingerprint = members.reduce(seed) {
            StableHash.combine(StableHash.combine($0, $1.hash), UInt64($1.weight))
        }
        if let old = previous?.hashTable(slot: record.slot), old.fingerprint == fingerprint,
            old.memberCount == members.count
        {
            return old
        }
        return record.loadBalancer == .ringHash
            ? HashTable(ring: members, fingerprint: fingerprint) : HashTable(maglev: members, fingerprint: fingerprint)
    }

    /// The cluster with this slot.
    func cluster(slot: Int) -> Cluster? { index(slot: slot).map { clusters[$0] } }

    /// The table of the cluster with this slot.
    func hashTable(slot: Int) -> HashTable? { index(slot: slot).flatMap { hashTables[$0] } }

    private func index(slot: Int) -> Int? {
        guard slot >= 0, slot < indexBySlot.count, indexBySlot[slot] >= 0 else { return nil }
        return Int(indexBySlot[slot])
    }
}

extension ClusterTables.Cluster {
    fileprivate init(_ record: ClusterRecord, groups: Range<Int>, since: UInt64, healthEpoch: Int, healthy: UInt32) {
        self.since = since
        self.healthEpoch = healthEpoch
        self.healthy = healthy
        slot = record.slot
        policy = record.loadBalancer
        isChecked = record.healthCheck != nil
        lower = record.endpoints.lower
        upper = record.endpoints.upper
        firstGroup = UInt32(groups.lowerBound)
        endGroup = UInt32(groups.upperBound)
        // "Share below the threshold" as a count; the epsilon keeps 7 % of 100 from becoming 8 by rounding.
        let threshold = (0...1).contains(record.panicThreshold) ? record.panicThreshold : 0
        healthyMin = UInt32(max(0, (threshold * Double(record.endpoints.count) - 1e-9).rounded(.up)))
    }

    var count: Int { Int(upper) - Int(lower) }
    var range: Range<Int> { Int(lower)..<Int(upper) }
    var groups: Range<Int> { Int(firstGroup)..<Int(endGroup) }
}
