import Testing

@testable import Model

@Suite struct LatencyHistogramTests {
    @Test func bucketsFollowOneAnotherAndIncludeTheirUpperBounds() throws {
        var lower = 0
        for bucket in 0..<(LatencyHistogram.bucketCount - 1) {
            let upper = try #require(LatencyHistogram.upperBound(bucket))
            #expect(upper > lower)
            #expect(LatencyHistogram.bucket(Int64(lower + 1)) == bucket, "\(lower + 1) ns")
            #expect(LatencyHistogram.bucket(Int64(upper)) == bucket, "\(upper) ns")
            // From 1 us on a bucket is an eighth of its lower bound wide, so its middle is off by a sixteenth.
            if lower >= 1024 { #expect((upper - lower) * 8 <= lower, "\(bucket)") }
            lower = upper
        }
        #expect(lower == 1 << 37, "the last bound: 137 s")
        #expect(LatencyHistogram.upperBound(LatencyHistogram.bucketCount - 1) == nil)
    }

    @Test(arguments: [Int64.min, -1, 0, 1, 127, 128])
    func whatIsNothingOrLessIsInTheFirstBucket(nanoseconds: Int64) {
        #expect(LatencyHistogram.bucket(nanoseconds) == 0)
    }

    @Test(arguments: [1 << 37 + 1, 3_600_000_000_000, Int64.max] as [Int64])
    func whatIsLongerThanTheLastBoundIsInTheLastBucket(nanoseconds: Int64) {
        #expect(LatencyHistogram.bucket(nanoseconds) == LatencyHistogram.bucketCount - 1)
    }

    /// Against the exact quantiles of the same durations, for distributions of very different shapes.
    @Test(arguments: [1, 2, 3, 4, 5] as [UInt64])
    func quantilesAreRightToASixteenth(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        for count in [1, 2, 10, 999, 20_000] {
            var histogram = LatencyHistogram()
            // Uniform in the logarithm: 1 us to 70 s, most of it short.
            let durations = (0..<count).map { _ in
                Int64(1024) << Int64(random.next() % 26) + Int64(random.next() % 1024)
            }.sorted()
            for duration in durations { histogram.add(nanoseconds: duration) }
            #expect(histogram.count == count)
            #expect(histogram.sumNanoseconds == durations.reduce(0) { $0 + Int($1) })
            for quantile in [0.0, 0.01, 0.5, 0.9, 0.99, 0.999, 1] {
                let rank = max(1, Int((quantile * Double(count)).rounded(.up)))
                let exact = Double(durations[rank - 1])
                let estimate = Double(try #require(histogram.quantile(quantile)))
                #expect(abs(estimate - exact) <= exact / 16 + 1, "seed \(seed), \(count), p\(quantile)")
            }
        }
    }

    @Test func nothingHasNoQuantile() { #expect(LatencyHistogram().quantile(0.5) == nil) }

    @Test func theCoarseBoundsAreExact() {
        var histogram = LatencyHistogram()
        for exponent in LatencyHistogram.coarseExponents {
            histogram.add(nanoseconds: 1 << Int64(exponent))
            histogram.add(nanoseconds: 1 << Int64(exponent) + 1)
        }
        for (index, exponent) in LatencyHistogram.coarseExponents.enumerated() {
            #expect(histogram.count(upTo: exponent) == 2 * index + 1, "2^\(exponent)")
        }
    }
}

/// A generator with a seed, so that a failure can be repeated.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var bits = state
        bits = (bits ^ bits >> 30) &* 0xbf58_476d_1ce4_e5b9
        bits = (bits ^ bits >> 27) &* 0x94d0_49bb_1331_11eb
        return bits ^ bits >> 31
    }
}
