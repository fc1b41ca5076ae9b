import DNS
import Model
import Testing

@testable import Control

/// One family is answered and the other is not, or not in the same way: what an operator has in the end.
@Suite struct DNSFamilyTests {
    private static let second: Int64 = 1_000_000_000
    private let a1 = IPAddress(v4: 0x0a00_0001), a2 = IPAddress(v4: 0x0a00_0002)
    private let b1 = IPAddress(high: 0xfd01 << 48, low: 1), b2 = IPAddress(high: 0xfd01 << 48, low: 2)
    private var random = SystemRandomNumberGenerator()
    private var schedule = DNSSchedule()
    private var now: Int64 = 0

    init() {
        schedule.follow(["a"], now: 0)
    }

    /// A lookup at the next time that is due. Returns the addresses in use.
    private mutating func look(_ v4: DNSAnswer, _ v6: DNSAnswer) -> [IPAddress]? {
        now += schedule.delay(now) ?? 0
        #expect(schedule.due(now) == ["a"])
        var answers: [(DNSFamily, DNSAnswer)] = [(.v4, v4), (.v6, v6)]
        if Bool.random(using: &random) { answers.reverse() }
        for (family, answer) in answers {
            _ = schedule.answered("a", family, answer, now: now, random: &random)
        }
        return schedule.addresses("a")
    }

    private func found(_ addresses: IPAddress...) -> DNSAnswer { .addresses(addresses, ttl: 60) }

    @Test mutating func aFailureKeepsItsFamilyAndNoOther() {
        #expect(look(found(a1), found(b1)) == [a1, b1])
        #expect(look(found(a2), .failed("timeout")) == [a2, b1], "v4 is what was answered, v6 what was known")
        let status = schedule.statuses["a"]
        #expect(status?.parts == 1 && status?.failures == 0 && status?.lastSuccess == now)
        #expect(status?.problem == "AAAA: timeout")
        #expect(schedule.delay(now).map { $0 <= DNSSchedule.retryMin } == true, "before the minute is over")
        #expect(look(.failed("refused"), found(b2)) == [a2, b2])
        #expect(look(.failed("refused"), .failed("timeout")) == [a2, b2])
        #expect(schedule.statuses["a"]?.problem == "A: refused, AAAA: timeout")
        #expect(look(found(a1), found(b1)) == [a1, b1])
        #expect(schedule.statuses["a"]?.problem == nil)
    }

    @Test mutating func aFamilyGoesOnlyWhereTheOtherWasFound() {
        #expect(look(found(a1), found(b1)) == [a1, b1])
        #expect(look(found(a1), .none) == [a1], "it has no v6 any more")
        #expect(look(found(a1), found(b1)) == [a1, b1])
        #expect(look(.none, .failed("timeout")) == [a1, b1], "nothing was found: nothing changes")
        #expect(look(.none, .none) == [a1, b1])
        #expect(look(.none, found(b1)) == [b1])
        #expect(schedule.statuses["a"]?.problem == nil)
    }

    @Test mutating func whatWasFoundFirstDoesNotWaitForATimeout() {
        #expect(schedule.due(0) == ["a"])
        #expect(schedule.answered("a", .v4, found(a1), now: 0, random: &random) == nil)
        #expect(schedule.halves(DNSSchedule.halfNanoseconds - 1).isEmpty, "both at once if it can be")
        #expect(schedule.delay(0) == DNSSchedule.halfNanoseconds && !schedule.isSettled("a"))
        let half = schedule.halves(DNSSchedule.halfNanoseconds)
        #expect(half.map(\.addresses) == [[a1]] && schedule.isSettled("a"))
        #expect(schedule.due(3 * Self.second).isEmpty, "the lookup is still under way")
        let late = schedule.answered("a", .v6, found(b1), now: 4 * Self.second, random: &random)
        #expect(late == [a1, b1])
    }

    @Test mutating func aHalfThatFailsIsNotPutIntoUse() {
        #expect(look(found(a1), found(b1)) == [a1, b1])
        now += schedule.delay(now) ?? 0
        #expect(schedule.due(now) == ["a"])
        #expect(schedule.answered("a", .v6, .none, now: now, random: &random) == nil)
        #expect(schedule.halves(now + Self.second).isEmpty && schedule.addresses("a") == [a1, b1])
        #expect(schedule.answered("a", .v6, found(b2), now: now, random: &random) == nil, "a question is answered once")
        #expect(schedule.answered("a", .v4, found(a1), now: now, random: &random) == [a1])
    }

    @Test mutating func aFamilyThatAlwaysFailsIsAskedForLessAndLessOften() {
        var pauses: [Int64] = []
        for _ in 0..<12 {
            #expect(look(.addresses([a1], ttl: 3600), .failed("timeout")) == [a1])
            pauses.append(schedule.delay(now) ?? 0)
        }
        #expect(pauses[0] <= DNSSchedule.retryMin && pauses[11] >= DNSSchedule.retryMax / 2, "\(pauses)")
    }
}
