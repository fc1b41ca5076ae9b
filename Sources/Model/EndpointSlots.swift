/// The slots of all clusters' endpoints: which are in use, and which may be given away. A pure value, owned by the
/// snapshot compiler.
///
/// The rules are those of `SlotTable`: an endpoint is known by (cluster, address), one that goes and comes back gets its
/// slot again unless that was given away meanwhile, and a slot is given away only when no worker can know it any more and
/// nothing is connected through it. But what is known lies with its cluster, so that changing one cluster's endpoints
/// costs time in their number only, and an unchanged cluster costs none.
struct EndpointSlots: Sendable {
    /// The endpoints of the cluster with one slot.
    private struct Cluster: Sendable {
        var set: EndpointSet
        /// Slots of endpoints that are gone.
        var retired: [SocketAddress: UInt32] = [:]
        /// Bits of `SharedState.endpointHealth` that somebody keeps up to date.
        var verdicts = 0
    }

    private struct Retirement: Sendable {
        let slot: UInt32
        let cluster: Int32
        let address: SocketAddress
        let generation: UInt64
    }

    private let shared: SharedState
    private var clusters: [Cluster?] = []
    /// In the order of retirement, from `head` on. Some have come back.
    private var queue: [Retirement] = []
    private var head = 0
    /// By slot: the generation that knew it last, 0 for one in use.
    private var retiredSince: [UInt64] = []
    /// Retired since somebody asked; some may have come back.
    private var gone: [UInt32] = []

    init(shared: SharedState) { self.shared = shared }

    /// One past the highest slot given so far.
    var count: Int { retiredSince.count }

    /// Slots of the endpoints that have gone since the last time. One that is back already may be among them.
    mutating func takeGone() -> [UInt32] {
        defer { gone = [] }
        return gone
    }

    /// What a change of a cluster's endpoints comes with.
    struct Context {
        /// The generation that has them first.
        let generation: UInt64
        /// Of anything that workers hold.
        let oldestGenerationInUse: UInt64
        /// Monotonic nanoseconds.
        let now: Int64
        /// The cluster's slot means another cluster than before.
        let isFresh: Bool
    }

    /// The endpoints of a cluster from this generation on; nil: there are no slots left.
    mutating func update(
        _ endpoints: [Configuration.Endpoint], of record: ClusterRecord, _ context: Context
    ) -> EndpointSet? {
        let slot = record.slot
        if clusters.count <= slot { clusters += Array(repeating: nil, count: slot + 1 - clusters.count) }
        if context.isFresh { forget(slot, context) }
        var cluster = clusters[slot] ?? Cluster(set: .none)
        clusters[slot] = nil
        defer { clusters[slot] = cluster }
        if cluster.set.endpoints != endpoints {
            guard let set = replace(&cluster, with: endpoints, record, context) else { return nil }
            cluster.set = set
        }
        settleVerdicts(&cluster, record)
        if record.slowStart > 0 || record.hasOutlierDetection {
            for endpoint in cluster.set.records { shared.reserve(endpointSlot: endpoint.slot, for: record) }
        }
        return cluster.set
    }

    /// The cluster has gone: its endpoints have too.
    mutating func remove(cluster slot: Int, _ context: Context) {
        guard slot < clusters.count, var cluster = clusters[slot] else { return }
        clusters[slot] = nil
        for record in cluster.set.records { retire(record, &cluster, slot, context.generation) }
        cluster.set = .none
        cluster.verdicts = 0
        clusters[slot] = cluster
    }

    /// The slot is another cluster's now: what the old one's endpoints had is nobody's any more.
    private mutating func forget(_ slot: Int, _ context: Context) {
        remove(cluster: slot, context)
        clusters[slot] = nil
    }

    private mutating func replace(
        _ cluster: inout Cluster, with endpoints: [Configuration.Endpoint], _ record: ClusterRecord,
        _ context: Context
    ) -> EndpointSet? {
        var known = Dictionary(
            cluster.set.records.map { ($0.address, $0.slot) }, uniquingKeysWith: { first, _ in first })
        // Not at the start, nor when all are new: then there is nobody whose share could be larger meanwhile.
        let isRunning = endpoints.contains { known[$0.address] != nil }
        var records: [EndpointRecord] = []
        records.reserveCapacity(endpoints.count)
        for endpoint in endpoints {
            let slot: Int
            if let stays = known.removeValue(forKey: endpoint.address) {
                slot = stays
            } else {
                guard let given = take(endpoint.address, &cluster, context) else { return nil }
                slot = given
                shared.reserve(endpointSlot: slot, for: record)
                if isRunning { shared.beginRamp(endpointSlot: slot, record, now: context.now) }
            }
            records.append(EndpointRecord(slot: slot, address: endpoint.address, weight: endpoint.weight))
        }
        for endpoint in cluster.set.records where known[endpoint.address] != nil {
            retire(endpoint, &cluster, record.slot, context.generation)
        }
        return EndpointSet(endpoints, records)
    }

    /// Without a check nobody would ever take back an old verdict.
    private func settleVerdicts(_ cluster: inout Cluster, _ record: ClusterRecord) {
        let verdicts =
            (record.healthCheck == nil ? 0 : SharedState.failedCheck)
            | (record.outlierDetection == nil ? 0 : SharedState.ejected)
        defer { cluster.verdicts = verdicts }
        guard cluster.verdicts & ~verdicts != 0 || verdicts == 0 else { return }
        for endpoint in cluster.set.records { shared.clearVerdicts(endpointSlot: endpoint.slot, keeping: verdicts) }
        if verdicts & SharedState.ejected == 0 { shared.clusterEjected.store(0, at: record.slot) }
    }
}

// MARK: - slots

extension EndpointSlots {
    private mutating func take(_ address: SocketAddress, _ cluster: inout Cluster, _ context: Context) -> Int? {
        if let own = cluster.retired.removeValue(forKey: address) {
            retiredSince[Int(own)] = 0
            return Int(own)
        }
        guard let slot = takeRetired(context, &cluster) ?? takeNew() else { return nil }
        retiredSince[slot] = 0
        shared.reserveEndpoint(slot)
        return slot
    }

    /// One pass over the queue at most: what is not idle goes to its end, to be asked about again when the workers are a
    /// generation further.
    private mutating func takeRetired(_ context: Context, _ current: inout Cluster) -> Int? {
        while head < queue.count, queue[head].generation < context.oldestGenerationInUse {
            let entry = queue[head]
            head += 1
            guard retiredSince[Int(entry.slot)] == entry.generation else { continue }
            guard shared.endpointConnections.load(Int(entry.slot)) == 0 else {
                append(entry, context.oldestGenerationInUse)
                continue
            }
            // The one at hand is out of the table while it is changed.
            if clusters[Int(entry.cluster)] == nil {
                if current.retired[entry.address] == entry.slot { current.retired[entry.address] = nil }
            } else if clusters[Int(entry.cluster)]?.retired[entry.address] == entry.slot {
                clusters[Int(entry.cluster)]?.retired[entry.address] = nil
            }
            return Int(entry.slot)
        }
        return nil
    }

    private mutating func takeNew() -> Int? {
        guard retiredSince.count < SlotLimits.endpoints else { return nil }
        retiredSince.append(0)
        return retiredSince.count - 1
    }

    private mutating func retire(
        _ record: EndpointRecord, _ cluster: inout Cluster, _ clusterSlot: Int, _ generation: UInt64
    ) {
        cluster.retired[record.address] = UInt32(record.slot)
        gone.append(UInt32(record.slot))
        shared.readmit(endpointSlot: record.slot, clusterSlot: clusterSlot)
        append(
            Retirement(
                slot: UInt32(record.slot), cluster: Int32(clusterSlot), address: record.address,
                generation: generation), generation - 1)
    }

    /// Endpoints that come and go would make the queue grow for ever.
    private mutating func append(_ entry: Retirement, _ generation: UInt64) {
        retiredSince[Int(entry.slot)] = max(generation, 1)
        queue.append(
            Retirement(
                slot: entry.slot, cluster: entry.cluster, address: entry.address, generation: max(generation, 1)))
        guard queue.count > 2 * retiredSince.count + 64 else { return }
        queue = queue[head...].filter { retiredSince[Int($0.slot)] == $0.generation }
        head = 0
    }
}
