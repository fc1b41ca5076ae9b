import Model

/// Slots of endpoints that a new snapshot, or other endpoints of one cluster, leave out. Made on the control side, looked at
/// by workers: connections to such an endpoint carry nothing new.
struct GoneEndpoints: Sendable {
    /// In order.
    private let slots: [UInt32]

    /// What `new` has no more that `old` (nil: nothing) had. Costs time in the number of endpoints of clusters that are not as
    /// they were.
    init(from old: Snapshot?, to new: Snapshot) {
        guard let old else {
            slots = []
            return
        }
        let indices = Dictionary(
            new.clusters.enumerated().map { ($1.slot, $0) }, uniquingKeysWith: { first, _ in first })
        var gone: [UInt32] = []
        for (index, cluster) in old.clusters.enumerated() {
            let set = indices[cluster.slot].map { new.endpoints(ofCluster: $0) }
            Self.add(old.endpoints(ofCluster: index), butFor: set, to: &gone)
        }
        slots = gone.sorted()
    }

    /// What other endpoints of one cluster leave out.
    init(_ update: EndpointUpdate) {
        var gone: [UInt32] = []
        Self.add(update.old, butFor: update.new, to: &gone)
        slots = gone.sorted()
    }

    var isEmpty: Bool { slots.isEmpty }

    func contains(_ slot: Int) -> Bool {
        guard let slot = UInt32(exactly: slot) else { return false }
        var (lower, upper) = (0, slots.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if slots[middle] < slot { lower = middle + 1 } else { upper = middle }
        }
        return lower < slots.count && slots[lower] == slot
    }

    private static func add(_ old: EndpointSet, butFor new: EndpointSet?, to gone: inout [UInt32]) {
        guard old !== new else { return }
        let stays = Set(new?.records.lazy.map(\.slot) ?? [])
        gone += old.records.lazy.filter { !stays.contains($0.slot) }.map { UInt32($0.slot) }
    }
}
