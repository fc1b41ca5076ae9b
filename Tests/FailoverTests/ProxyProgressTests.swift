import Testing

@testable import Failover

private let second: Int64 = 1_000_000_000

/// What tells a dead proxy from a starved one.
struct ProxyProgressTests {
    /// It uses CPU time and does not turn; the other one turns.
    @Test func aWorkerThatSpinsGetsNowhere() {
        var progress = ProxyProgress()
        var latest: Int64?
        for tick in 1...100 {
            let now = Int64(tick) * second / 10
            progress.heard([0: 7, 1: tick], now: now)
            latest = progress.latest(used: ["0": UInt64(tick)], now: now)
        }
        #expect(latest == second / 10)
    }

    @Test func allThatTurnGetOnHoweverSlowly() {
        var progress = ProxyProgress()
        var latest: Int64?
        for tick in 1...100 {
            let now = Int64(tick) * second / 10
            progress.heard([0: tick / 30, 1: tick / 20], now: now)
            latest = progress.latest(used: ["0": 0], now: now)
        }
        #expect(latest == 9 * second)
    }

    /// Starved of CPU: its admin API does not answer either.
    @Test func withoutAnAnswerCPUTimeCounts() {
        var progress = ProxyProgress()
        #expect(progress.latest(used: ["0": 5], now: second) == second)
        #expect(progress.latest(used: ["0": 5], now: 2 * second) == nil, "stopped")
        progress.heard([0: 1], now: 3 * second)
        #expect(progress.latest(used: ["0": 6], now: 4 * second) == 3 * second)
        let stale = 3 * second + ProxyProgress.freshness
        #expect(progress.latest(used: ["0": 7], now: stale) == stale)
    }

    /// Silent, and with CPU time that would have done for an answer: counted by the worker that had the most of it.
    @Test func timeIsOnlyCountedUntilTheNextAnswer() {
        var progress = ProxyProgress()
        func used(_ one: Int64, _ two: Int64) -> [String: UInt64] { ["0": UInt64(one), "1": UInt64(two)] }
        _ = progress.latest(used: used(7 * second, 0), now: second)
        #expect(progress.spun == 0, "what came before says nothing")
        _ = progress.latest(used: used(8 * second, second / 2), now: 2 * second)
        #expect(progress.spun == second)
        progress.heard([0: 1, 1: 1], now: 3 * second)
        #expect(progress.spun == 0)
        _ = progress.latest(used: used(8 * second, 4 * second), now: 9 * second)
        #expect(progress.spun == 7 * second / 2)
        _ = progress.latest(used: ["2": 99], now: 10 * second)
        #expect(progress.spun == 0, "another process")
    }

    @Test func anotherProcessBeginsAnew() {
        var progress = ProxyProgress()
        progress.heard([0: 9, 1: 9], now: second)
        progress.heard([0: 9], now: 2 * second)
        #expect(progress.latest(used: ["0": 0], now: 2 * second) == 2 * second)
    }

    @Test func answersAreRead() {
        let body = """
            {"ready":false,"reasons":["worker 1: no progress for 3.0 s"],"warnings":[],"workers":[\
            {"worker":0,"heartbeatAgeMilliseconds":3,"turns":70},{"worker":1,"turns":0}]}
            """
        let head = "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\n\r\n"
        #expect(HeartbeatProbe.turns(Array((head + body).utf8)) == [0: 70, 1: 0])
        for cut in [0, 20, head.utf8.count, head.utf8.count + 40] {
            #expect(HeartbeatProbe.turns(Array((head + body).utf8.prefix(cut))) == nil)
        }
    }
}
