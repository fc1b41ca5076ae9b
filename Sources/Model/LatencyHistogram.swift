/// How long things took: counts by buckets whose width grows with the duration, so that a quantile is right to 1/16 from
/// 1 us to 137 s.
///
/// Eight equal buckets for each power of two nanoseconds from 1,024 on, eight of 128 ns below, and one past the last. A
/// bucket includes its upper bound. Workers count into columns of a counter table (`bucket`); this value is what
/// readers make of them, and adds up over workers and things.
public struct LatencyHistogram: Sendable, Equatable {
    /// How many fell into each bucket.
    public private(set) var counts: [Int]
    /// The sum of all durations, nanoseconds.
    public private(set) var sumNanoseconds: Int

    /// Buckets, the one past the last power of two included.
    public static var bucketCount: Int { 225 }
    private static let unitShift: UInt64 = 7
    private static let exponentEnd = 37

    /// Nothing counted.
    public init() {
        counts = Array(repeating: 0, count: Self.bucketCount)
        sumNanoseconds = 0
    }

    /// Adds a duration, for readers that have durations and no counters.
    public mutating func add(nanoseconds: Int64) {
        add(1, bucket: Self.bucket(nanoseconds))
        addSum(Int(max(0, nanoseconds)))
    }

    /// Adds to the count of one bucket.
    public mutating func add(_ count: Int, bucket: Int) { counts[bucket] &+= count }

    /// Adds to the sum of durations.
    public mutating func addSum(_ nanoseconds: Int) { sumNanoseconds &+= nanoseconds }

    /// How many durations.
    public var count: Int { counts.reduce(0, &+) }

    /// The bucket of a duration; what is negative counts as nothing.
    public static func bucket(_ nanoseconds: Int64) -> Int {
        // Minus one: a bucket includes its upper bound, as Prometheus has it.
        let units = UInt64(bitPattern: max(1, nanoseconds) &- 1) >> unitShift
        if units < 8 { return Int(truncatingIfNeeded: units) }
        let exponent = 63 &- units.leadingZeroBitCount
        let place = Int(truncatingIfNeeded: units >> UInt64(truncatingIfNeeded: exponent &- 3)) & 7
        return min((exponent &- 2) &* 8 &+ place, bucketCount &- 1)
    }

    /// The longest duration of a bucket, nanoseconds; nil for the last, which has no bound.
    public static func upperBound(_ bucket: Int) -> Int? {
        guard bucket < bucketCount - 1 else { return nil }
        return upperUnits(bucket) << Int(unitShift)
    }

    private static func upperUnits(_ bucket: Int) -> Int {
        bucket < 8 ? bucket + 1 : (bucket & 7 + 9) << (bucket >> 3 - 1)
    }

    /// The duration, nanoseconds, that the share `quantile` (0...1) of all durations did not exceed, to 1/16; nil when
    /// there are none. Past the last bound: that bound.
    public func quantile(_ quantile: Double) -> Int? {
        let total = count
        guard total > 0 else { return nil }
        let rank = min(max(1, Int((quantile * Double(total)).rounded(.up))), total)
        var seen = 0
        for (bucket, count) in counts.enumerated() {
            seen += count
            if seen >= rank { return Self.middle(bucket) }
        }
        return nil
    }

    private static func middle(_ bucket: Int) -> Int {
        guard let upper = upperBound(bucket) else { return 1 << exponentEnd }
        let lower = bucket == 0 ? 0 : (upperBound(bucket - 1) ?? 0)
        return (lower + upper) / 2
    }

    /// Bounds for those who want few, as powers of two of a nanosecond: 131 us to 69 s. Each is a bound of a bucket here
    /// too, so nothing is shared out by guess.
    public static let coarseExponents = [17, 18, 19] + Array(20...30) + [32, 34, 36]

    /// How many durations lie at or below 2^`exponent` nanoseconds, 10...37.
    public func count(upTo exponent: Int) -> Int { counts[..<((exponent - 9) * 8)].reduce(0, &+) }
}
