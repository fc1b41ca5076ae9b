/// A token bucket as a virtual schedule (GCRA): one word, the time at which the bucket would be full again. All workers
/// of the process take from the same word, `SharedState.rateBuckets` at `slot`, without a lock.
public struct RateLimitRecord: Sendable, BitwiseCopyable, Equatable {
    /// The outcome for one request.
    public enum Outcome: Sendable, Equatable {
        /// It goes on.
        case allowed
        /// It does not; after this many nanoseconds the next one may.
        case refused(retryAfter: Int64)
    }

    /// The word's place; stable over reloads by the place in the configuration.
    public let slot: Int
    /// Nanoseconds per request on average, and how far ahead of it a burst may run.
    public let interval, tolerance: Int64
    /// What a refused request is answered.
    public let status: Int

    /// Keeps sums of times far from overflow.
    private static let toleranceMax: Int64 = 400 * 86400 * 1_000_000_000
    private static let clockSkewMax: Int64 = 1_000_000_000

    /// What the configuration says.
    public init(_ limit: Configuration.LocalRateLimit, slot: Int) {
        self.slot = slot
        status = limit.status
        interval = max(1, limit.per.nanoseconds / Int64(max(1, limit.requests)))
        let (product, overflow) = interval.multipliedReportingOverflow(by: Int64(max(1, limit.burst) - 1))
        tolerance = overflow ? Self.toleranceMax : min(product, Self.toleranceMax)
    }

    /// Takes one token. `now` is monotonic nanoseconds. Exact under concurrency.
    public func take(from words: AtomicWords, now: Int64) -> Outcome {
        while true {
            let word = words.load(slot)
            var full = max(Int64(word), now)
            let fullMax = now + tolerance + interval
            // A word from far ahead belongs to a slower bucket that this place had before a reload. (A little ahead is a
            // worker whose turn began later.)
            if full > fullMax + Self.clockSkewMax {
                guard words.compareExchange(expected: word, desired: Int(fullMax), at: slot) else { continue }
                full = fullMax
            }
            guard full - now <= tolerance else { return .refused(retryAfter: full - now - tolerance) }
            if words.compareExchange(expected: word, desired: Int(full + interval), at: slot) { return .allowed }
        }
    }
}
