import Model

/// An endpoint's ejections, as one word of `SharedState.endpointEjections`: when the last one ends, and how many there were
/// without enough good time between them.
public struct Ejection: Sendable, BitwiseCopyable, Equatable {
    /// Monotonic milliseconds at which the last one ends.
    public let untilMilliseconds: Int64
    /// Ejections in a row; one is forgiven for every interval without.
    public let count: Int

    private static let countMax = 0xffff

    /// From the word.
    public init(word: Int) {
        untilMilliseconds = Int64(word >> 16)
        count = word & Self.countMax
    }

    private init(until: Int64, count: Int) {
        untilMilliseconds = until
        self.count = min(count, Self.countMax)
    }

    var word: Int { Int(untilMilliseconds) << 16 | count }

    /// One more, from `now` on (monotonic nanoseconds): the Nth lasts N times as long as the first.
    func next(_ record: OutlierRecord, now: Int64) -> Ejection {
        let count = min(count + 1, Self.countMax)
        let (product, overflow) = record.baseEjection.multipliedReportingOverflow(by: Int64(count))
        let time = overflow ? record.ejectionMax : min(product, record.ejectionMax)
        return Ejection(until: (now + time) / 1_000_000 + 1, count: count)
    }

    /// One fewer.
    var forgiven: Ejection { Ejection(until: untilMilliseconds, count: max(0, count - 1)) }

    /// Ejects an endpoint of a cluster, unless it is, or as many are as may be. Returns whether it did.
    static func eject(_ slot: Int, of cluster: ClusterTable.View, _ shared: SharedState, now: Int64) -> Bool {
        guard let record = cluster.outlier,
            shared.eject(endpointSlot: slot, clusterSlot: cluster.slot, ejectedMax: cluster.ejectedMax)
        else { return false }
        // After the bit: whoever reads an old word meanwhile readmits it early, and the next failure ejects it again.
        let next = Ejection(word: shared.endpointEjections.load(slot)).next(record, now: now)
        shared.endpointEjections.store(next.word, at: slot)
        return true
    }
}

/// How an attempt fared, as outlier detection sees it.
public enum EndpointOutcome: Sendable, BitwiseCopyable, Equatable {
    /// An answer below 500 (of a tunnel: the connect).
    case success
    /// Anything that is the endpoint's fault.
    case failure(EndpointFailure)
}

/// What went wrong.
public enum EndpointFailure: Sendable, BitwiseCopyable, Equatable {
    /// No connection, a broken one, no answer in time, an answer of 500 or more.
    case connect, reset, timeout, status5xx
}

extension EndpointPicker {
    /// An attempt with the endpoint has ended. Returns whether that ejected it, for the caller to count
    /// (`ClusterCounter.ejectionsConsecutive`). Nothing for clusters without outlier detection.
    @discardableResult
    public func report(endpointSlot slot: Int, clusterSlot: Int, _ outcome: EndpointOutcome, now: Int64) -> Bool {
        guard slot >= 0, clusterSlot >= 0, clusterSlot < views.count, let cluster = views[clusterSlot]?[0],
            let record = cluster.outlier
        else { return false }
        let isSuccess = outcome == .success
        let counter: EndpointCounter = isSuccess ? .successes : .failures
        outcomes?.add(1, slot: slot, counter: counter.rawValue)
        if isSuccess {
            // Mostly zero already: a store would take the line from the other workers.
            if shared.endpointFailures.load(slot) != 0 { shared.endpointFailures.store(0, at: slot) }
            return false
        }
        guard shared.endpointFailures.add(1, at: slot) >= record.consecutiveFailures else { return false }
        guard Ejection.eject(slot, of: cluster, shared, now: now) else { return false }
        shared.endpointFailures.store(0, at: slot)
        return true
    }
}
