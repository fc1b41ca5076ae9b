import Model

/// What balancers need of one cluster's endpoints: grouped by weight (and zone), with the lookup table of ringHash and
/// maglev, and the same for each of the cluster's subsets.
///
/// Built off the workers, immutable, shared between generations for as long as nothing of it changes. Building costs time
/// in the number of the cluster's endpoints.
public final class ClusterTable: Sendable {
    /// Endpoints of one part, zone and weight: places in `View.order`.
    struct Group: Sendable, BitwiseCopyable {
        let weight: Int
        let lower, upper: UInt32
        /// Of part, zone and weight: what a worker knows of a group goes on under it.
        let key: UInt64

        var count: Int { Int(upper) - Int(lower) }
        var places: Range<Int> { Int(lower)..<Int(upper) }
    }

    /// Endpoints of one part in one zone; all of them where zones do not matter.
    struct Zone: Sendable, BitwiseCopyable {
        let firstGroup, endGroup: UInt32
        /// The zone of this host.
        let isLocal: Bool

        var groups: Range<Int> { Int(firstGroup)..<Int(endGroup) }
    }

    /// The cluster as a whole (number 0), or one of its subsets.
    struct Part: Sendable, BitwiseCopyable {
        let firstZone, endZone: UInt32
        let count: Int
        /// Fewer healthy endpoints than this: panic.
        let healthyMin: Int

        var zones: Range<Int> { Int(firstZone)..<Int(endZone) }
    }

    /// All of it as bare bits. Whoever keeps one keeps its table.
    struct View: Sendable, BitwiseCopyable {
        let slot: Int
        let policy: Configuration.Cluster.LoadBalancer
        let hasVerdicts: Bool
        let slowStart: Int64
        let outlier: OutlierRecord?
        /// Endpoints ejected at once, at most.
        let ejectedMax: Int
        /// Another one for every table: what a worker has worked out for one is not true of another.
        let version: UInt64
        /// The generation in which the cluster got its slot: state from before is another cluster's.
        let since: UInt64
        let endpoints: RecordView<EndpointRecord>
        /// Indices into `endpoints` by part, zone and weight.
        let order: RecordView<UInt32>
        let parts: RecordView<Part>
        let zones: RecordView<Zone>
        let groups: RecordView<Group>
        let hash: HashTable.View
        /// By subset, for policies that hash: a bit for each endpoint.
        let subsetBits: RecordView<UInt64>

        var wordsPerSubset: Int { (endpoints.count + 63) / 64 }

        /// Whether an endpoint is of a part.
        func isMember(_ endpoint: Int, of part: Int) -> Bool {
            part == 0 || subsetBits[(part - 1) * wordsPerSubset + endpoint / 64] & (1 << UInt64(endpoint % 64)) != 0
        }
    }

    /// What it was built from.
    struct Source: Sendable {
        let record: ClusterRecord
        let set: EndpointSet
        /// Of its subsets, by number.
        let labels: [[String: String]]
        /// This host's.
        let zone: String?
    }

    let source: Source
    let hash: HashTable?
    private let order: RecordTable<UInt32>
    private let parts: RecordTable<Part>
    private let zones: RecordTable<Zone>
    private let groups: RecordTable<Group>
    private let subsetBits: RecordTable<UInt64>
    private let content: RecordTable<View>

    /// One record.
    var view: RecordView<View> { content.view }

    init(_ source: Source, version: UInt64, since: UInt64, reusing previous: ClusterTable? = nil) {
        self.source = source
        var builder = ClusterTableBuilder(source)
        builder.build()
        hash = HashTable.table(source, reusing: previous?.hash)
        order = RecordTable(builder.order)
        parts = RecordTable(builder.parts)
        zones = RecordTable(builder.zones)
        groups = RecordTable(builder.groups)
        subsetBits = RecordTable(hash == nil ? [] : builder.subsetBits())
        let (record, count) = (source.record, source.set.records.count)
        content = RecordTable([
            View(
                slot: record.slot, policy: record.loadBalancer, hasVerdicts: record.hasVerdicts,
                slowStart: record.slowStart, outlier: record.outlierDetection,
                ejectedMax: record.outlierDetection.map { Self.ejectedMax($0, of: count) } ?? 0, version: version,
                since: since, endpoints: source.set.records.view, order: order.view, parts: parts.view,
                zones: zones.view, groups: groups.view, hash: hash?.view ?? .none, subsetBits: subsetBits.view)
        ])
    }

    /// One of two or more always may be ejected, unless none may; a single endpoint never: there is no other.
    private static func ejectedMax(_ record: OutlierRecord, of count: Int) -> Int {
        guard count > 1, record.maxEjected > 0 else { return 0 }
        return max(1, Int(Double(count) * record.maxEjected + 1e-9))
    }

    /// Whether it is what would be built from `other`.
    func isGood(for other: Source) -> Bool {
        source.set === other.set && source.labels == other.labels && source.record.isBalanced(as: other.record)
            && (!other.record.isZoneAware || source.zone == other.zone)
    }
}

extension ClusterRecord {
    /// Whether what balancing looks at is the same.
    fileprivate func isBalanced(as other: ClusterRecord) -> Bool {
        slot == other.slot && loadBalancer == other.loadBalancer && panicThreshold == other.panicThreshold
            && hasVerdicts == other.hasVerdicts && slowStart == other.slowStart && isZoneAware == other.isZoneAware
            && outlierDetection == other.outlierDetection
    }
}
