import Model
import Synchronization

/// Gives pod x cluster pairs their series slots, for all workers. Asked once per pair and worker.
final class PairRegistry: Sendable {
    /// Takes what is past the limit.
    static let otherSlot = 0

    private struct State {
        var slots: [UInt64: Int] = [:]
        var series = [PairSeries(slot: PairRegistry.otherSlot, pod: nil, cluster: nil)]
        var limit: Int
    }

    private let state: Mutex<State>

    init(limit: Int) { state = Mutex(State(limit: min(limit, SlotLimits.pairs))) }

    static func key(pod: Int, cluster: Int) -> UInt64 { UInt64(pod) << 32 | UInt64(cluster) }

    func slot(pod: Int, cluster: Int) -> Int {
        state.withLock { state in
            let key = Self.key(pod: pod, cluster: cluster)
            if let slot = state.slots[key] { return slot }
            guard state.series.count < state.limit else { return Self.otherSlot }
            let slot = state.series.count
            state.slots[key] = slot
            state.series.append(PairSeries(slot: slot, pod: pod, cluster: cluster))
            return slot
        }
    }

    /// Slots of all pairs with one of these pods or clusters.
    func slots(pods: [Int], clusters: [Int]) -> [Int] {
        guard !pods.isEmpty || !clusters.isEmpty else { return [] }
        let (pods, clusters) = (Set(pods), Set(clusters))
        return series.compactMap { series in
            guard let pod = series.pod, let cluster = series.cluster else { return nil }
            return pods.contains(pod) || clusters.contains(cluster) ? series.slot : nil
        }
    }

    func setLimit(_ limit: Int) { state.withLock { $0.limit = min(limit, SlotLimits.pairs) } }

    var series: [PairSeries] { state.withLock { $0.series } }
}
