import Testing

@testable import Failover

private let second: Int64 = 1_000_000_000

/// Doubts about the rules excuse probes for a while, and no longer.
struct RuleTrustTests {
    @Test func withoutRulesNothingIsTheProxysFault() {
        var trust = RuleTrust()
        #expect(trust.isExcusing(now: 1000 * second))
        trust.installed(now: 0)
        trust.settled(now: second)
        #expect(!trust.isExcusing(now: second) && trust.isSettled)
        trust.gone()
        #expect(trust.isExcusing(now: 1000 * second))
    }

    @Test func aDoubtExcusesUntilItIsSettled() {
        var trust = RuleTrust()
        trust.installed(now: 0)
        #expect(trust.isExcusing(now: second))
        trust.settled(now: second)
        trust.doubt(now: 10 * second)
        #expect(trust.isExcusing(now: 10 * second + 1) && !trust.isSettled)
        trust.settled(now: 11 * second)
        #expect(!trust.isExcusing(now: 11 * second))
    }

    /// Rules that cannot be put right must not blind the guard.
    @Test func aDoubtThatStaysIsJudgedAllTheSame() {
        var trust = RuleTrust()
        trust.installed(now: 0)
        #expect(!trust.isExcusing(now: RuleTrust.patience))
        trust.settled(now: 20 * second)
        trust.doubt(now: 30 * second)
        for tenth in 0..<19 { trust.doubt(now: 30 * second + Int64(tenth) * second / 10) }
        #expect(!trust.isExcusing(now: 32 * second), "news of the same trouble")
    }

    /// Somebody who fights for the rules: each repair is undone at once.
    @Test func doubtsThatFollowEachOtherAreOne() {
        var trust = RuleTrust()
        trust.installed(now: 0)
        trust.settled(now: second)
        var excused = 0
        for tenth in 100..<200 {
            let now = Int64(tenth) * second / 10
            trust.doubt(now: now)
            if trust.isExcusing(now: now) { excused += 1 }
            trust.settled(now: now + second / 20)
        }
        #expect(excused == 20, "of 100 tenths of a second")
        trust.doubt(now: 100 * second)
        #expect(trust.isExcusing(now: 100 * second), "after a calm it is a doubt of its own")
    }
}
