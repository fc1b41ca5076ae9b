import Model
import Upstream

/// What a new snapshot, or other endpoints of one cluster, change about the health checks of one worker. Made on the
/// control side: looking at every endpoint after each reload is nothing a worker has the time for.
struct CheckPlan: Sendable, Equatable {
    /// An endpoint that was not checked before or is checked in another way.
    struct Change: Sendable, Equatable, BitwiseCopyable {
        let endpoint: EndpointRecord
        /// The cluster's index in the new snapshot.
        let cluster: UInt32
    }

    /// Slots of endpoints that are no longer checked.
    var gone: [UInt32] = []
    /// See `Change`.
    var changed: [Change] = []

    /// How many changes there are.
    var count: Int { gone.count + changed.count }

    /// The changes from `old` (nil: nothing is checked yet) to `new`, by worker. Costs time in the number of checked
    /// endpoints of clusters that are not as they were.
    static func plans(from old: Snapshot?, to new: Snapshot, workers: Int) -> [CheckPlan] {
        var plans = Array(repeating: CheckPlan(), count: workers)
        var before = old.map(Self.checkedBySlot) ?? [:]
        for (index, cluster) in new.clusters.enumerated() where cluster.healthCheck != nil {
            let former = before.removeValue(forKey: cluster.slot)
            let set = new.endpoints(ofCluster: index)
            if let former, former.check == cluster.healthCheck {
                change(from: former.set, to: set, cluster: index, &plans)
            } else {
                change(from: nil, to: set, cluster: index, &plans)
                end(former?.set, butFor: set, &plans)
            }
        }
        for former in before.values { end(former.set, butFor: nil, &plans) }
        return plans
    }

    /// The changes that other endpoints of one cluster make, by worker.
    static func plans(for update: EndpointUpdate, in snapshot: Snapshot, workers: Int) -> [CheckPlan] {
        var plans = Array(repeating: CheckPlan(), count: workers)
        guard snapshot.clusters[update.cluster].healthCheck != nil else { return plans }
        change(from: update.old, to: update.new, cluster: update.cluster, &plans)
        return plans
    }

    /// What a cluster checked before.
    private struct Former {
        let check: HealthCheckRecord
        let set: EndpointSet
    }

    private static func checkedBySlot(_ snapshot: Snapshot) -> [Int: Former] {
        var checked: [Int: Former] = [:]
        for (index, cluster) in snapshot.clusters.enumerated() {
            guard let check = cluster.healthCheck else { continue }
            checked[cluster.slot] = Former(check: check, set: snapshot.endpoints(ofCluster: index))
        }
        return checked
    }

    /// Those that come and those that go; an endpoint that stays is checked as before.
    private static func change(
        from old: EndpointSet?, to new: EndpointSet, cluster: Int, _ plans: inout [CheckPlan]
    ) {
        guard old !== new else { return }
        let known = Dictionary(
            old?.records.map { ($0.slot, $0.address) } ?? [], uniquingKeysWith: { first, _ in first })
        for endpoint in new.records where known[endpoint.slot] != endpoint.address {
            let worker = HealthOwner.worker(endpointSlot: endpoint.slot, workers: plans.count)
            plans[worker].changed.append(Change(endpoint: endpoint, cluster: UInt32(cluster)))
        }
        end(old, butFor: new, &plans)
    }

    private static func end(_ old: EndpointSet?, butFor new: EndpointSet?, _ plans: inout [CheckPlan]) {
        guard let old else { return }
        let stays = Set(new?.records.lazy.map(\.slot) ?? [])
        for endpoint in old.records where !stays.contains(endpoint.slot) {
            plans[HealthOwner.worker(endpointSlot: endpoint.slot, workers: plans.count)].gone.append(
                UInt32(endpoint.slot))
        }
    }
}
