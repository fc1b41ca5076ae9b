import Model

/// The verdict on one endpoint that is checked actively: results go in, changes of the verdict come out.
///
/// An endpoint is healthy until proven otherwise, and the first result decides at once (as in HAProxy: a cluster works
/// from its first moment, and a dead endpoint costs one check to notice). After that it takes `unhealthyAfter` failures
/// or `healthyAfter` successes in a row. A reload keeps the machine and gives it the new numbers.
public struct HealthMachine: Sendable, BitwiseCopyable {
    /// The verdict.
    public private(set) var isHealthy = true
    private var check: HealthCheckRecord
    private var hasResult = false
    /// Results in a row that contradict the verdict.
    private var contradictions = 0

    /// A new verdict.
    public enum Verdict: Sendable, BitwiseCopyable, Equatable {
        case healthy, unhealthy
    }

    /// A machine for an endpoint that has not been checked yet.
    public init(_ check: HealthCheckRecord) { self.check = check }

    /// Goes on with other times and thresholds.
    public mutating func adopt(_ check: HealthCheckRecord) { self.check = check }

    /// A check has passed. Returns the verdict if it changed.
    public mutating func passed() -> Verdict? { result(healthy: true, needed: check.healthyAfter) }

    /// A check has failed or timed out. Returns the verdict if it changed.
    public mutating func failed() -> Verdict? { result(healthy: false, needed: check.unhealthyAfter) }

    private mutating func result(healthy: Bool, needed: Int) -> Verdict? {
        let decidesAtOnce = !hasResult
        hasResult = true
        guard healthy != isHealthy else {
            contradictions = 0
            return nil
        }
        contradictions += 1
        guard decidesAtOnce || contradictions >= needed else { return nil }
        contradictions = 0
        isHealthy = healthy
        return healthy ? .healthy : .unhealthy
    }

    /// Nanoseconds until the first check: anywhere within one interval, so that checks never come in bursts.
    public func firstCheckDelay(random: inout SmallRandom) -> Int64 {
        Int64(random.below(Int(interval)))
    }

    /// Nanoseconds from the end of a check that took `elapsed` to the start of the next: one interval from start to
    /// start, give or take 10 % at random, so that checks that fell into step fall out of it again.
    public func nextCheckDelay(elapsed: Int64, random: inout SmallRandom) -> Int64 {
        let jitter = Int64(random.below(Int(interval / 5 + 1))) - interval / 10
        return max(Self.delayMin, interval + jitter - max(elapsed, 0))
    }

    /// Held where adding jitter cannot overflow.
    private var interval: Int64 { min(max(check.interval, 1), .max / 2) }

    /// A check that outlasts its interval is followed by a pause of one millisecond at least.
    private static let delayMin: Int64 = 1_000_000
}

/// Which worker checks an endpoint: each is checked once per process.
public enum HealthOwner {
    /// A worker in `0..<workers`. The same over reloads, because the endpoint's slot is.
    public static func worker(endpointSlot: Int, workers: Int) -> Int {
        Int(StableHash.mix(UInt64(truncatingIfNeeded: endpointSlot) &+ 1) % UInt64(max(workers, 1)))
    }
}
