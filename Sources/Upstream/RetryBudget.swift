/// How much of a cluster's traffic may be retries, on one worker: a share of the requests of the last ten seconds, and a
/// few more, so that a cluster with little traffic has some too. When everything fails, retries must not multiply it.
///
/// A pure value of a few words, one for each cluster and worker: the share is of the worker's own requests, so the sum over
/// workers is the share of all.
public struct RetryBudget: BitwiseCopyable, Sendable {
    /// Requests and retries of the period under way and of the one before.
    private var requests: UInt32 = 0, requestsBefore: UInt32 = 0
    private var retries: UInt32 = 0, retriesBefore: UInt32 = 0
    private var periodStart: Int64 = 0

    /// What is looked back at is one to two of these: ten seconds at most.
    static let periodNanoseconds: Int64 = 5_000_000_000
    /// Retries in that time whatever the traffic.
    public static let retriesMin = 20

    /// A budget of which nothing is used.
    public init() {}

    /// A request (not a retry) has begun.
    public mutating func requestStarted(now: Int64) {
        turn(now)
        if requests < .max { requests += 1 }
    }

    /// Takes a retry out of the budget of `percent` (0...100) of recent requests. False: it is used up.
    public mutating func take(percent: Int, now: Int64) -> Bool {
        turn(now)
        let share = (Int(requests) + Int(requestsBefore)) * max(0, percent) / 100
        guard Int(retries) + Int(retriesBefore) < Self.retriesMin + share else { return false }
        retries += 1
        return true
    }

    private mutating func turn(_ now: Int64) {
        let elapsed = now - periodStart
        guard elapsed >= Self.periodNanoseconds else { return }
        let isNext = elapsed < 2 * Self.periodNanoseconds
        requestsBefore = isNext ? requests : 0
        retriesBefore = isNext ? retries : 0
        (requests, retries) = (0, 0)
        periodStart = isNext ? periodStart + Self.periodNanoseconds : now
    }
}
