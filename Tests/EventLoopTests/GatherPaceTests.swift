import Testing

@testable import EventLoop

private let millisecond: Int64 = 1_000_000

@Suite struct GatherPaceTests {
    /// Streams that end evenly over `time`, measured each quarter of a millisecond.
    private func run(
        _ pace: inout GatherPace, from start: Int64, for time: Int64, perMillisecond rate: Int,
        duration: (Int) -> Int64
    ) {
        var count = 0
        for now in stride(from: start, to: start + time, by: Int(millisecond / 4)) {
            for _ in 0..<(rate / 4) {
                pace.ended(after: duration(count))
                count += 1
            }
            _ = pace.measure(now: now)
        }
    }

    @Test(arguments: [Int64(300_000), 600_000, 1_200_000])
    func aSixthOfWhatStreamsTake(duration: Int64) {
        var pace = GatherPace(delayMax: 400_000, now: 0)
        run(&pace, from: 0, for: 200 * millisecond, perMillisecond: 80) { _ in duration }
        #expect(abs(pace.delay - duration / 6) < duration / 60, "\(pace.delay)")
    }

    @Test func noMoreThanItMay() {
        var pace = GatherPace(delayMax: 400_000, now: 0)
        run(&pace, from: 0, for: 200 * millisecond, perMillisecond: 80) { _ in 100 * millisecond }
        #expect(pace.delay == 400_000)
    }

    /// What is slow does not slow down what is quick.
    @Test func theFastestQuarterCounts() {
        var pace = GatherPace(delayMax: 10 * millisecond, now: 0)
        run(&pace, from: 0, for: 400 * millisecond, perMillisecond: 80) { $0 % 3 == 0 ? 600_000 : 50 * millisecond }
        #expect((80_000...120_000).contains(pace.delay), "\(pace.delay)")
    }

    @Test func nothingForAFew() {
        var pace = GatherPace(delayMax: 400_000, now: 0)
        // Four in a millisecond: a pause of 400 us would bring one or two.
        run(&pace, from: 0, for: 2000 * millisecond, perMillisecond: 4) { _ in 20 * millisecond }
        #expect(pace.delay == 0)
    }

    @Test func nothingThatIsNotWorthAWakeUp() {
        var pace = GatherPace(delayMax: 400_000, now: 0)
        run(&pace, from: 0, for: 200 * millisecond, perMillisecond: 800) { _ in 120_000 }
        #expect(pace.delay == 0)
    }

    @Test func itEndsWithTheLoad() {
        var pace = GatherPace(delayMax: 400_000, now: 0)
        run(&pace, from: 0, for: 200 * millisecond, perMillisecond: 80) { _ in millisecond }
        #expect(pace.delay > 0)
        // Streams of the last part of a window are left; after them there is none.
        _ = pace.measure(now: 203 * millisecond)
        let isNews = pace.delay > 0
        let hasEnded = pace.measure(now: 206 * millisecond)
        #expect(hasEnded == isNews && pace.delay == 0)
        let isNewsAgain = pace.measure(now: 209 * millisecond)
        #expect(!isNewsAgain)
    }

    @Test func neverWhereItIsOff() {
        var pace = GatherPace(delayMax: 0, now: 0)
        run(&pace, from: 0, for: 200 * millisecond, perMillisecond: 80) { _ in 100 * millisecond }
        #expect(pace.delay == 0)
    }

    /// Whatever ends, and whenever: no trap, no pause beyond the limit.
    @Test func anythingGoes() {
        var random = Generator(state: 7)
        var pace = GatherPace(delayMax: 10 * millisecond, now: 0)
        var now: Int64 = 0
        for _ in 0..<100_000 {
            pace.ended(
                after: Int64.random(in: 0...Int64.max / 2, using: &random) >> Int64.random(in: 0...62, using: &random))
            now += Int64.random(in: 0...4 * millisecond, using: &random)
            _ = pace.measure(now: now)
            #expect(0...10 * millisecond ~= pace.delay)
        }
    }
}
