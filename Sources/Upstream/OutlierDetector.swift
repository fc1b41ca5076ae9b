import Model

/// One worker's part of outlier detection that needs more than one attempt to judge: compares the endpoints of each
/// cluster with each other, and takes ejections back when their time is over. Clusters are shared out over the workers.
///
/// Envoy's rule: of the endpoints that had enough requests since the last comparison (and only if there are enough of
/// them), those are ejected whose success rate is below mean - factor x standard deviation. Requests are those of all
/// workers: each counts its own, and the owner sums.
///
/// A tick looks at a bounded number of endpoints and goes on there the next time. Time is passed in.
public struct OutlierDetector: Sendable {
    /// What an owner remembers of an endpoint: the counters at the last comparison.
    private struct Seen: Sendable, BitwiseCopyable {
        var successes: Int32 = 0, failures: Int32 = 0
    }

    /// A comparison under way.
    private struct Comparison: Sendable, BitwiseCopyable {
        var version: UInt64
        /// Endpoints looked at in this pass.
        var place = 0
        var hosts = 0.0, sum = 0.0, squares = 0.0
        /// Of the second pass: who is below is ejected. nil: the first pass, or nobody is.
        var bound: Double?
        var isSecondPass = false
    }

    /// More or fewer ejected endpoints were found than are counted.
    private struct Drift: Sendable, BitwiseCopyable {
        var difference = 0
        var since: Int64 = 0
    }

    private let shared: SharedState
    private let worker: Int, workers: Int
    private let outcomes: [CounterTable]
    /// By endpoint slot.
    private var seen: [Seen] = []
    /// By cluster slot: when it is compared next, when ejections are looked at next.
    private var comparisons: [Int64] = [], readmissions: [Int64] = []
    /// By cluster slot: how far its count has been from what was found, and since when.
    private var drifts: [Drift] = []
    /// The cluster slot that is looked at next, and what is under way there.
    private var next = 0
    private var comparison: Comparison?

    /// Endpoints, and clusters, in one tick.
    static let endpointsPerTick = 1024
    /// How exact the end of an ejection is.
    static let readmissionNanoseconds: Int64 = 200_000_000
    /// A count that has been wrong by the same number for so long, ten looks, is put right. Before that it may be an ejection
    /// under way, which is counted before it is seen: taking that back would let more be ejected than may be.
    private static let driftNanoseconds: Int64 = 2_000_000_000
    /// How often ejections are forgiven where nothing is compared.
    private static let intervalDefault: Int64 = 10_000_000_000

    /// The part of `worker` (0..<workers). `outcomes` are the counters of all workers (`WorkerStatistics.endpoints`).
    public init(shared: SharedState, worker: Int, outcomes: [CounterTable]) {
        self.shared = shared
        self.worker = worker
        workers = max(1, outcomes.count)
        self.outcomes = outcomes
    }

    /// Does what is due. Returns the slots of the clusters of which endpoints were ejected, one for each
    /// (`ClusterCounter.ejectionsSuccessRate`).
    public mutating func tick(_ picker: borrowing EndpointPicker, now: Int64) -> [Int] {
        var ejected: [Int] = []
        var budget = Self.endpointsPerTick
        let count = picker.views.count
        extend(to: count, now)
        for _ in 0..<min(count, Self.endpointsPerTick) where budget > 0 {
            if next >= count { next = 0 }
            if let cluster = picker.views[next]?[0], cluster.outlier != nil, isOwn(next) {
                readmit(cluster, now, &budget)
                guard compare(cluster, now, &budget, &ejected) else { break }
            }
            comparison = nil
            next += 1
        }
        return ejected
    }

    private func isOwn(_ slot: Int) -> Bool { HealthOwner.worker(endpointSlot: slot, workers: workers) == worker }

    private mutating func extend(to count: Int, _ now: Int64) {
        guard comparisons.count < count else { return }
        comparisons += repeatElement(now + Self.intervalDefault, count: count - comparisons.count)
        readmissions += repeatElement(now, count: count - readmissions.count)
        drifts += repeatElement(Drift(), count: count - drifts.count)
    }

    // MARK: readmission

    private mutating func readmit(_ cluster: ClusterTable.View, _ now: Int64, _ budget: inout Int) {
        let known = shared.clusterEjected.load(cluster.slot)
        guard known != 0, readmissions[cluster.slot] <= now else { return }
        readmissions[cluster.slot] = now + Self.readmissionNanoseconds
        budget -= cluster.endpoints.count
        var ejected = 0
        for index in cluster.endpoints.indices {
            let slot = cluster.endpoints[index].slot
            guard shared.endpointHealth.load(slot) & SharedState.ejected != 0 else { continue }
            if Ejection(word: shared.endpointEjections.load(slot)).untilMilliseconds > now / 1_000_000 {
                ejected += 1
            } else {
                if cluster.slowStart > 0 {
                    shared.beginRamp(endpointSlot: slot, clusterSlot: cluster.slot, cluster.slowStart, now: now)
                }
                shared.readmit(endpointSlot: slot, clusterSlot: cluster.slot)
            }
        }
        settle(cluster.slot, difference: ejected - shared.clusterEjected.load(cluster.slot), now)
    }

    /// A worker that had not heard yet that an endpoint is gone may have ejected it: nobody else takes that back.
    private mutating func settle(_ slot: Int, difference: Int, _ now: Int64) {
        guard difference != 0, difference == drifts[slot].difference else {
            drifts[slot] = Drift(difference: difference, since: now)
            return
        }
        guard now - drifts[slot].since >= Self.driftNanoseconds else { return }
        shared.clusterEjected.add(difference, at: slot)
        drifts[slot] = Drift()
    }

    // MARK: comparison

    /// Returns whether it is done with this cluster.
    private mutating func compare(
        _ cluster: ClusterTable.View, _ now: Int64, _ budget: inout Int, _ ejected: inout [Int]
    ) -> Bool {
        guard comparisons[cluster.slot] <= now, let record = cluster.outlier else { return true }
        var step = comparison ?? Comparison(version: cluster.version)
        // Other endpoints: what was summed up is of no use.
        if step.version != cluster.version { step = Comparison(version: cluster.version) }
        while budget > 0 {
            guard step.place < cluster.endpoints.count else {
                guard step.isSecondPass else {
                    step = secondPass(step, record)
                    continue
                }
                comparisons[cluster.slot] = now + (record.interval > 0 ? record.interval : Self.intervalDefault)
                return true
            }
            let slot = cluster.endpoints[step.place].slot
            step.place += 1
            budget -= 1
            if step.isSecondPass {
                if judge(slot, step, record, cluster, now) { ejected.append(cluster.slot) }
            } else if let rate = rate(slot, record) {
                step.hosts += 1
                step.sum += rate
                step.squares += rate * rate
            }
        }
        comparison = step
        return false
    }

    private func secondPass(_ step: Comparison, _ record: OutlierRecord) -> Comparison {
        var next = Comparison(version: step.version, isSecondPass: true)
        if record.interval > 0, step.hosts >= Double(max(2, record.endpointsMin)) {
            let mean = step.sum / step.hosts
            let deviation = max(0, step.squares / step.hosts - mean * mean).squareRoot()
            // Equal ones differ by rounding.
            next.bound = mean - record.factor * deviation - 1e-9
        }
        return next
    }

    /// Successes per attempt since the last comparison; nil: too few to tell.
    private func rate(_ slot: Int, _ record: OutlierRecord) -> Double? {
        guard record.interval > 0 else { return nil }
        let (successes, failures) = since(slot)
        guard successes + failures >= record.requestsMin else { return nil }
        return Double(successes) / Double(successes + failures)
    }

    private func since(_ slot: Int) -> (successes: Int, failures: Int) {
        let now = counts(slot)
        let before = slot < seen.count ? seen[slot] : Seen()
        // As differences of 32-bit numbers: right over any number of requests.
        return (
            Int(UInt32(bitPattern: now.successes &- before.successes)),
            Int(UInt32(bitPattern: now.failures &- before.failures))
        )
    }

    private func counts(_ slot: Int) -> Seen {
        var sum = Seen()
        for table in outcomes {
            sum.successes &+= Int32(
                truncatingIfNeeded: table.value(slot: slot, counter: EndpointCounter.successes.rawValue))
            sum.failures &+= Int32(
                truncatingIfNeeded: table.value(slot: slot, counter: EndpointCounter.failures.rawValue))
        }
        return sum
    }

    private mutating func judge(
        _ slot: Int, _ step: Comparison, _ record: OutlierRecord, _ cluster: ClusterTable.View, _ now: Int64
    ) -> Bool {
        let rate = rate(slot, record)
        if slot >= seen.count { seen += repeatElement(Seen(), count: slot + 1 - seen.count) }
        seen[slot] = counts(slot)
        if let bound = step.bound, let rate, rate < bound {
            return Ejection.eject(slot, of: cluster, shared, now: now)
        }
        let ejection = Ejection(word: shared.endpointEjections.load(slot))
        if ejection.count > 0, shared.endpointHealth.load(slot) & SharedState.ejected == 0 {
            shared.endpointEjections.store(ejection.forgiven.word, at: slot)
        }
        return false
    }
}
