import Testing

@testable import Proxy

/// Wall time around work becomes CPU time of the thread.
@Suite struct CPUScaleTests {
    private static let second: Int64 = 1_000_000_000

    /// A worker that measures 60 % of its time while it uses 80 % of a core: the sum follows the core's 80 %.
    @Test func theSumFollowsTheThread() {
        var scale = CPUScale(now: 0, cpu: 0)
        var sum = 0
        for turn in 1...10_000 {
            sum += scale.take(600_000)
            let now = Int64(turn) * 1_000_000
            if scale.isDue(now) { scale.measure(now: now, cpu: now / 10 * 8) }
        }
        // The first 50 ms have nothing to go by.
        #expect(sum > 7_950_000_000 && sum <= 8_000_000_000, "\(sum)")
    }

    @Test func timeInWhichTheThreadDidNotRunDoesNotCount() {
        var scale = CPUScale(now: 0, cpu: 0)
        _ = scale.take(Self.second)
        scale.measure(now: Self.second, cpu: Self.second / 4)
        #expect(scale.take(1000) == 250)
    }

    @Test func anIdleSecondSaysNothing() {
        var scale = CPUScale(now: 0, cpu: 0)
        _ = scale.take(Self.second / 2)
        scale.measure(now: Self.second, cpu: Self.second / 2)
        #expect(scale.factor == 1)
        _ = scale.take(1000)
        scale.measure(now: 2 * Self.second, cpu: Self.second / 2 + 5_000_000)
        #expect(scale.factor == 1)
        // Two milliseconds of work in a second with forty of turning for nothing.
        _ = scale.take(2_000_000)
        scale.measure(now: 3 * Self.second, cpu: Self.second / 2 + 47_000_000)
        #expect(scale.factor == 4)
    }
}
