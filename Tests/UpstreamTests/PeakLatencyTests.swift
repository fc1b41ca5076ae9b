import Model
import Testing

@testable import Upstream

@Suite struct PeakLatencyTests {
    private static let ms: Int64 = 1_000_000
    private static let second: Int64 = 1_000_000_000

    @Test func aSlowAnswerCountsAtOnceAndIsForgottenSlowly() {
        var latency = PeakLatency()
        var now: Int64 = 5 * Self.second
        for _ in 0..<1000 {
            now += 10 * Self.ms
            latency.add(2 * Self.ms, now: now)
        }
        #expect(abs(latency.estimate(now: now, mean: 0) - 2e6) < 1e4)
        latency.add(100 * Self.ms, now: now)
        #expect(latency.estimate(now: now, mean: 0) == 1e8)
        for _ in 0..<1000 {
            now += 10 * Self.ms
            latency.add(2 * Self.ms, now: now)
        }
        let later = latency.estimate(now: now, mean: 2e6)
        #expect(later > 2.5e7 && later < 5e7, "after ten seconds about 1/e of it is left: \(later)")
    }

    @Test func anUnknownOneIsLikeTheOthersAndAnOldOneBecomesSo() {
        var latency = PeakLatency()
        #expect(latency.estimate(now: 7, mean: 3e6) == 3e6)
        #expect(latency.estimate(now: 7, mean: 0) == 1)
        latency.add(50 * Self.ms, now: Self.second)
        #expect(latency.estimate(now: 1000 * Self.second, mean: 3e6) < 4e6)
    }

    /// Servers with queues: requests go where they are answered soonest, the slow one gets little, the new one its share.
    @Test func requestsGoWhereTheyAreAnsweredSoonest() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var fixture = try Fixture([cluster(.peakEwma, weights: [1, 1, 1, 1])], seed: seed)
        var ends: [(at: Int64, slot: Int, latency: Int64)] = []
        func serve(_ fixture: inout Fixture, _ slow: Int, requests: Int) -> [Int] {
            var counts = fixture.endpoints().map { _ in 0 }
            for _ in 0..<requests {
                fixture.now += Self.ms / 2
                for end in ends where end.at <= fixture.now {
                    fixture.picker.requestFinished(endpointSlot: end.slot, latencyNanoseconds: end.latency, now: end.at)
                }
                ends.removeAll { $0.at <= fixture.now }
                guard case .endpoint(let endpoint, _) = fixture.pick() else { continue }
                let number = fixture.number(endpoint)
                counts[number] += 1
                let latency = number == slow ? 20 * Self.ms : 2 * Self.ms
                fixture.picker.requestStarted(endpointSlot: endpoint.slot)
                ends.append((fixture.now + latency, endpoint.slot, latency))
            }
            return counts
        }
        let slow = serve(&fixture, 2, requests: 4000)
        #expect(slow[2] < 300 && slow[0] > 900 && slow[1] > 900 && slow[3] > 900, "seed \(seed): \(slow)")
        let recovered = serve(&fixture, -1, requests: 80000)
        #expect(recovered[2] > 4000, "seed \(seed): it is found out that it is fast again: \(recovered)")
        try fixture.reload([cluster(.peakEwma, weights: [1, 1, 1, 1, 1])])
        let new = serve(&fixture, -1, requests: 5000)
        #expect(new[4] > 500 && new[4] < 2000, "seed \(seed): a fair start: \(new)")
    }

    @Test func loadCountsByWeight() throws {
        var fixture = try Fixture([cluster(.peakEwma, weights: [1, 3])])
        var open = [0, 0]
        for _ in 0..<400 {
            guard case .endpoint(let endpoint, _) = fixture.pick() else { continue }
            fixture.picker.requestStarted(endpointSlot: endpoint.slot)
            open[fixture.number(endpoint)] += 1
        }
        #expect(abs(open[0] - 100) < 20, "\(open)")
    }
}
