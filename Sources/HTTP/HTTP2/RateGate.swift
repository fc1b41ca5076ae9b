/// Lets things pass at a rate, after a burst (GCRA): one word of state, the time at which all that has passed is paid for.
struct RateGate: BitwiseCopyable, Sendable {
    var paid: Int64 = 0

    /// Whether one more may pass at `now`, in nanoseconds.
    @inline(__always) mutating func passes(_ rate: HTTP2Limits.Rate, now: Int64) -> Bool {
        let interval = Self.interval(rate)
        paid = max(paid, now) &+ interval
        return paid &- now <= interval &* Int64(max(rate.burst, 0))
    }

    @inline(__always) private static func interval(_ rate: HTTP2Limits.Rate) -> Int64 {
        1_000_000_000 / Int64(max(rate.perSecond, 1))
    }
}
