import Model
import Synchronization

/// What balancers of all workers need of one snapshot: a table for each cluster. Tables of clusters that stay as they are
/// are those of the generation before.
///
/// A cluster whose endpoints are replaced between two snapshots gets another table here, for the next generation to go
/// on from; workers hear of it by an `EndpointChange`.
public final class ClusterTables: Sendable {
    let generation: UInt64
    /// As built, by cluster slot; nil: not in this generation.
    let views: [RecordView<ClusterTable.View>?]
    /// In the order of the configuration.
    let clusters: RecordView<ClusterRecord>
    let subsets: RecordView<SubsetRecord>
    /// One past the highest endpoint slot.
    let endpointSlotCount: Int
    /// Whether a cluster balances by latency.
    let usesLatencies: Bool
    /// By cluster slot. Those that have been replaced live on in their change until every worker has made it.
    private let tables: Mutex<[ClusterTable?]>

    /// Tables for `snapshot`. `previous`, when given, are those of the snapshot before, which lend what has not changed.
    public init(_ snapshot: Snapshot, reusing previous: ClusterTables? = nil) {
        generation = snapshot.generation
        clusters = snapshot.clusters.view
        subsets = snapshot.subsets.view
        endpointSlotCount = snapshot.endpointSlotCount
        usesLatencies = snapshot.clusters.contains { $0.loadBalancer == .peakEwma }
        let known = previous?.tables.withLock { $0 } ?? []
        let fresh = Set(snapshot.freshSlots.clusters)
        let slotCount = (snapshot.clusters.lazy.map(\.slot).max() ?? -1) + 1
        var tables = [ClusterTable?](repeating: nil, count: slotCount)
        for (index, record) in snapshot.clusters.enumerated() {
            let source = ClusterTable.Source(snapshot, index)
            let old = record.slot < known.count && !fresh.contains(record.slot) ? known[record.slot] : nil
            if let old, old.isGood(for: source) {
                tables[record.slot] = old
            } else {
                tables[record.slot] = ClusterTable(
                    source, version: snapshot.generation, since: old?.view[0].since ?? snapshot.generation,
                    reusing: old)
            }
        }
        views = tables.map { $0?.view }
        self.tables = Mutex(tables)
    }

    /// The table of the cluster with this slot.
    func table(slot: Int) -> ClusterTable? {
        tables.withLock { slot >= 0 && slot < $0.count ? $0[slot] : nil }
    }

    /// Takes up other endpoints of one cluster; takes time in their number. `snapshot` is what these tables were made for.
    public func change(_ update: EndpointUpdate, in snapshot: Snapshot) -> EndpointChange {
        let slot = snapshot.clusters[update.cluster].slot
        let old = table(slot: slot)
        let source = ClusterTable.Source(snapshot, update.cluster, update.new)
        let new = ClusterTable(
            source, version: update.generation, since: old?.view[0].since ?? snapshot.generation, reusing: old)
        tables.withLock { $0[slot] = new }
        return EndpointChange(old: old, new: new)
    }
}

/// Another table for one cluster, on its way to workers: keeps both alive until all of them have let go of it.
public final class EndpointChange: Sendable {
    let old: ClusterTable?
    let new: ClusterTable

    init(old: ClusterTable?, new: ClusterTable) {
        self.old = old
        self.new = new
    }

    /// One past the highest slot of its endpoints.
    var endpointSlotCount: Int { (new.source.set.records.lazy.map(\.slot).max() ?? -1) + 1 }
}

extension ClusterTable.Source {
    init(_ snapshot: Snapshot, _ index: Int, _ set: EndpointSet? = nil) {
        record = snapshot.clusters[index]
        self.set = set ?? snapshot.endpoints(ofCluster: index)
        labels = snapshot.subsetLabels[index] ?? []
        zone = snapshot.configuration.node.zone
    }
}
