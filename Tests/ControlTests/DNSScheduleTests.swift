import DNS
import Model
import Testing

@testable import Control

/// When names are looked up, and that nothing takes back what was found.
@Suite struct DNSScheduleTests {
    private static let second: Int64 = 1_000_000_000
    private let one = [IPAddress(v4: 0x0a00_0001)], two = [IPAddress(v4: 0x0a00_0001), IPAddress(v4: 0x0a00_0002)]
    private var random = SystemRandomNumberGenerator()

    private mutating func answer(
        _ schedule: inout DNSSchedule, _ answer: DNSAnswer, _ now: Int64, _ host: String = "a"
    ) -> [IPAddress]? {
        #expect(schedule.due(now).contains(host))
        return both(&schedule, host, answer, now)
    }

    /// Answers the lookup under way: of v4 so, and that there is no address of v6.
    private mutating func both(
        _ schedule: inout DNSSchedule, _ host: String, _ answer: DNSAnswer, _ now: Int64
    ) -> [IPAddress]? {
        var other = answer
        if case .addresses = answer { other = .none }
        let first = schedule.answered(host, .v6, other, now: now, random: &random)
        let second = schedule.answered(host, .v4, answer, now: now, random: &random)
        #expect(first == nil, "half of it waits")
        return second
    }

    @Test mutating func aNameIsAskedForAgainWhenItsTimeIsOver() {
        var schedule = DNSSchedule()
        schedule.follow(["a"], now: 0)
        #expect(schedule.due(0) == ["a"] && schedule.due(0).isEmpty, "asked once")
        #expect(both(&schedule, "a", .addresses(one, ttl: 30), 0) == one)
        #expect(schedule.due(29 * Self.second).isEmpty)
        let delay = schedule.delay(0) ?? 0
        #expect(delay >= 30 * Self.second && delay <= 33 * Self.second, "\(delay)")
        #expect(answer(&schedule, .addresses(one, ttl: 30), 33 * Self.second) == nil, "the same again is no change")
        #expect(answer(&schedule, .addresses(two, ttl: 30), 70 * Self.second) == two)
    }

    @Test mutating func lifetimesAreBounded() {
        for (ttl, least, most) in [(0, 1, 2), (Int.max / 2_000_000_000, 3600, 3960)] {
            var schedule = DNSSchedule()
            schedule.follow(["a"], now: 0)
            _ = answer(&schedule, .addresses(one, ttl: ttl), 0)
            let delay = schedule.delay(0) ?? 0
            #expect(delay >= Int64(least) * Self.second && delay <= Int64(most) * Self.second, "\(ttl): \(delay)")
        }
    }

    @Test(arguments: [DNSAnswer.none, .failed("timeout")])
    mutating func whatWasFoundStaysWhenDNSFails(failure: DNSAnswer) {
        var schedule = DNSSchedule()
        schedule.follow(["a"], now: 0)
        _ = answer(&schedule, .addresses(two, ttl: 1), 0)
        var (now, pauses) = (2 * Self.second, [Int64]())
        for _ in 0..<12 {
            #expect(answer(&schedule, failure, now) == nil)
            let pause = schedule.delay(now) ?? 0
            pauses.append(pause)
            now += pause
        }
        #expect(schedule.addresses("a") == two)
        #expect(pauses[0] <= DNSSchedule.retryMin && pauses[0] > 0)
        #expect(pauses[11] >= DNSSchedule.retryMax / 2 && pauses[11] <= DNSSchedule.retryMax, "\(pauses)")
        let status = schedule.statuses["a"]
        #expect(status?.failures == 12 && status?.successes == 1 && status?.lastSuccess == 0 && status?.problem != nil)
        #expect(answer(&schedule, .addresses(two, ttl: 1), now) == nil, "no change")
        #expect(schedule.statuses["a"]?.problem == nil)
    }

    @Test mutating func namesThatAreGoneAreForgotten() {
        var schedule = DNSSchedule()
        schedule.follow(["a", "b"], now: 0)
        #expect(Set(schedule.due(0)) == ["a", "b"])
        schedule.follow(["b", "c"], now: 1)
        #expect(both(&schedule, "a", .addresses(one, ttl: 1), 1) == nil)
        #expect(schedule.due(1) == ["c"])
        #expect(both(&schedule, "b", .addresses(one, ttl: 1), 1) == one)
        #expect(schedule.statuses.keys.sorted() == ["b", "c"])
    }

    @Test mutating func lookupsAtOnceAreBounded() {
        var schedule = DNSSchedule()
        schedule.follow(Set((0..<1000).map { "host-\($0)" }), now: 0)
        var asked = 0
        while asked < 1000 {
            let due = schedule.due(0)
            #expect(!due.isEmpty && due.count <= DNSSchedule.askedMax && schedule.due(0).isEmpty)
            for host in due { _ = both(&schedule, host, .none, 0) }
            asked += due.count
        }
        #expect(asked == 1000, "each once")
    }
}
