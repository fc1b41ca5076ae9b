import Upstream

/// One worker's retry budgets, by cluster slot.
struct RetryBudgets {
    private var budgets: [RetryBudget] = []

    /// A request to the cluster has begun.
    mutating func started(_ cluster: Int, now: Int64) {
        makeRoom(for: cluster)
        budgets[cluster].requestStarted(now: now)
    }

    /// Takes a retry. False: there have been enough.
    mutating func take(_ cluster: Int, percent: Int, now: Int64) -> Bool {
        makeRoom(for: cluster)
        return budgets[cluster].take(percent: percent, now: now)
    }

    private mutating func makeRoom(for cluster: Int) {
        let missing = cluster + 1 - budgets.count
        if missing > 0 { budgets += repeatElement(RetryBudget(), count: missing) }
    }
}
