import Model
import Upstream

/// What a new snapshot changes about the health checks of one worker. Made on the control side: looking at every
/// endpoint after each reload is nothing a worker has the time for.
struct CheckPlan: Sendable, Equatable {
    /// Slots of endpoints that are no longer checked.
    var gone: [UInt32] = []
    /// Endpoints, by index in the new snapshot, that were not checked before or are checked in another way.
    var changed: [UInt32] = []

    /// How many changes there are.
    var count: Int { gone.count + changed.count }

    /// The changes from `old` (nil: nothing is checked yet) to `new`, by worker. Costs time in the number of endpoints
    /// that are checked.
    static func plans(from old: Snapshot?, to new: Snapshot, workers: Int) -> [CheckPlan] {
        var plans = Array(repeating: CheckPlan(), count: workers)
        var known = old.map { Self.checkedBySlot($0) } ?? []
        for cluster in new.clusters where cluster.healthCheck != nil {
            for index in cluster.endpoints.indices {
                let slot = new.endpoints[index].slot
                let before = slot < known.count ? Int(known[slot]) : -1
                if before >= 0 { known[slot] = -1 }
                if let old, before >= 0, isSame(index, cluster, new, as: before, old) { continue }
                plans[HealthOwner.worker(endpointSlot: slot, workers: workers)].changed.append(UInt32(index))
            }
        }
        for slot in known.indices where known[slot] >= 0 {
            plans[HealthOwner.worker(endpointSlot: slot, workers: workers)].gone.append(UInt32(slot))
        }
        return plans
    }

    private static func isSame(
        _ index: Int, _ cluster: ClusterRecord, _ new: Snapshot, as before: Int, _ old: Snapshot
    ) -> Bool {
        let former = old.clusters[old.endpoints[before].cluster]
        return former.slot == cluster.slot && former.healthCheck == cluster.healthCheck
            && old.endpoints[before].address == new.endpoints[index].address
    }

    /// By endpoint slot: the index of the endpoint that has it and is checked; -1 for none.
    private static func checkedBySlot(_ snapshot: Snapshot) -> [Int32] {
        var indices: [Int32] = []
        for cluster in snapshot.clusters where cluster.healthCheck != nil {
            for index in cluster.endpoints.indices {
                let slot = snapshot.endpoints[index].slot
                if slot >= indices.count { indices += repeatElement(-1, count: slot + 1 - indices.count) }
                indices[slot] = Int32(index)
            }
        }
        return indices
    }
}
