import Model
import Testing

@testable import Upstream

/// Requests that clients give up: a burst is free, a flood is not, and time heals it.
struct AbandonedRequestsTests {
    private static let second: Int64 = 1_000_000_000

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func aFloodIsOverAndHeals() throws {
        let (client, other) = (try address("10.0.0.1"), try address("fd00::2"))
        var requests = AbandonedRequests(seed: 7)
        #expect(!requests.isOver(client, now: 1))
        for _ in 0..<AbandonedRequests.burst { requests.note(client, now: 1) }
        #expect(!requests.isOver(client, now: 1))
        for _ in 0..<AbandonedRequests.perSecond { requests.note(client, now: 1) }
        #expect(requests.isOver(client, now: 1) && !requests.isOver(other, now: 1))
        #expect(requests.isOver(client, now: Self.second / 2))
        #expect(!requests.isOver(client, now: Self.second + 1))
    }

    /// However many there were, the client may ask again after some seconds.
    @Test func nobodyIsRefusedForEver() throws {
        let client = try address("10.0.0.1")
        var requests = AbandonedRequests(seed: 7)
        for _ in 0..<1_000_000 { requests.note(client, now: 1) }
        let healed = AbandonedRequests.refusedSecondsMax * Self.second
        #expect(requests.isOver(client, now: healed - Self.second) && !requests.isOver(client, now: healed + 1))
    }

    /// A rate below the limit never ends.
    @Test func whatIsUsualIsFree() throws {
        let client = try address("10.0.0.1")
        var requests = AbandonedRequests(seed: 7)
        var now: Int64 = 1
        for _ in 0..<100_000 {
            requests.note(client, now: now)
            #expect(!requests.isOver(client, now: now))
            now += Self.second / (AbandonedRequests.perSecond - 1)
        }
    }
}
