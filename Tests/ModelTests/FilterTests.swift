import Dispatch
import Synchronization
import Testing

@testable import Model

/// Filter machines: what they let through.
@Suite(.timeLimit(.minutes(1))) struct FilterTests {
    private static let second: Int64 = 1_000_000_000

    private func bucket(
        _ requests: Int, per: Duration = .seconds(1), burst: Int? = nil
    ) -> (RateLimitRecord, AtomicWords) {
        let words = AtomicWords(capacity: 8)
        words.reserve(3)
        return (RateLimitRecord(.init(requests: requests, per: per, burst: burst), slot: 3), words)
    }

    /// How many of `count` requests at once are let through.
    private func allowed(_ count: Int, _ record: RateLimitRecord, _ words: AtomicWords, at now: Int64) -> Int {
        (0..<count).count { _ in record.take(from: words, now: now) == .allowed }
    }

    @Test func aBurstAndThenTheRate() {
        let (record, words) = bucket(100, burst: 20)
        let start = 50 * Self.second
        #expect(allowed(100, record, words, at: start) == 20)
        #expect(record.take(from: words, now: start) == .refused(retryAfter: 10_000_000))
        #expect(record.take(from: words, now: start + 9_999_999) == .refused(retryAfter: 1))
        #expect(allowed(5, record, words, at: start + 10_000_000) == 1)
        #expect(allowed(5, record, words, at: start + 40_000_000) == 3)
        #expect(allowed(100, record, words, at: start + 3600 * Self.second) == 20, "a long pause gives one burst")
    }

    @Test func overTimeItIsTheRate() {
        let (record, words) = bucket(3, burst: 1)
        var count = 0
        for millisecond in 0..<10_000 {
            count += allowed(1, record, words, at: Self.second + Int64(millisecond) * 1_000_000)
        }
        // A third of a second is not a whole number of milliseconds.
        #expect((29...30).contains(count))
    }

    @Test(arguments: [(1, 86_400, 1), (10_000_000, 1, 10_000_000), (1, 86_400, 10_000_000), (10_000_000, 1, 1)])
    func extremesNeitherTrapNorStarve(requests: Int, seconds: Int64, burst: Int) {
        let (record, words) = bucket(requests, per: .seconds(seconds), burst: burst)
        #expect(record.take(from: words, now: 1) == .allowed)
        #expect(record.take(from: words, now: .max / 4) == .allowed)
    }

    /// After a reload the word may lie as far ahead as the old bucket allowed.
    @Test func aSlowerBucketOfThePastDoesNotLast() {
        let (slow, words) = bucket(1, per: .seconds(3600), burst: 10)
        #expect(allowed(11, slow, words, at: Self.second) == 10)
        let fast = RateLimitRecord(.init(requests: 10, burst: 1), slot: 3)
        #expect(allowed(1, fast, words, at: Self.second) == 0)
        #expect(allowed(1, fast, words, at: Self.second + 100_000_000) == 1)
    }

    @Test func threadsTakeFromOneBucket() {
        let (record, words) = bucket(1000, burst: 500)
        let total = Atomic<Int>(0)
        DispatchQueue.concurrentPerform(iterations: 4) { _ in
            var count = 0
            for _ in 0..<20_000 where record.take(from: words, now: Self.second) == .allowed { count += 1 }
            total.add(count, ordering: .relaxed)
        }
        #expect(total.load(ordering: .relaxed) == 500)
    }

    @Test func faultsMeetTheirShare() {
        let record = FaultRecord(
            .init(delayShare: 0.25, delay: .milliseconds(5), abortShare: 0.5, abortStatus: 502))
        var (delayed, aborted, both) = (0, 0, 0)
        for draw in 0..<10_000 as Range<UInt64> {
            let verdict = record.decide(random: draw &* 0x9e37_79b9_7f4a_7c15)
            #expect(verdict.delay == 0 || verdict.delay == 5_000_000)
            #expect(verdict.abortStatus == nil || verdict.abortStatus == 502)
            delayed += verdict.delay > 0 ? 1 : 0
            aborted += verdict.abortStatus != nil ? 1 : 0
            both += verdict.delay > 0 && verdict.abortStatus != nil ? 1 : 0
        }
        #expect(abs(delayed - 2500) < 200 && abs(aborted - 5000) < 200 && abs(both - 1250) < 200)
    }

    @Test func allAndNone() {
        let all = FaultRecord(.init(delayShare: 1, delay: .seconds(1), abortShare: 0))
        for random in [0, 1, .max, .max / 2] as [UInt64] {
            #expect(all.decide(random: random) == (1_000_000_000, nil))
        }
    }
}
