import Model
import Testing

@testable import Proxy

/// What a worker remembers of destinations: for how long, and of how many.
struct SpokenProtocolsTests {
    private static let second: Int64 = 1_000_000_000
    private let shop = SocketAddress(IPAddress(v4: 0x0a60_0001), 80)
    private let database = SocketAddress(IPAddress(v4: 0x0a60_0001), 3306)

    @Test func onlyClientsThatWereSeenToSpeakFirstAreWaitedFor() {
        var protocols = SpokenProtocols()
        #expect(!protocols.awaitsClients(shop, now: Self.second))
        protocols.learn(.http1, at: shop, now: Self.second)
        protocols.learn(.serverFirst, at: database, now: Self.second)
        #expect(protocols.awaitsClients(shop, now: Self.second))
        #expect(!protocols.awaitsClients(database, now: Self.second))
        let learned = protocols.learned(of: database, now: 3 * Self.second)
        #expect(learned == LearnedProtocol(latest: .serverFirst, age: 2 * Self.second, awaitsClients: false))
    }

    @Test(arguments: [SpokenProtocol.tls, .http1, .http2, .bytes])
    func aServerThatSpeaksFirstIsNeverMadeToWaitTwice(spoken: SpokenProtocol) {
        var protocols = SpokenProtocols()
        protocols.learn(spoken, at: shop, now: Self.second)
        protocols.learn(.serverFirst, at: shop, now: 2 * Self.second)
        #expect(!protocols.awaitsClients(shop, now: 3 * Self.second))
        // Clients that speak first there, too, do not change that.
        protocols.learn(spoken, at: shop, now: 4 * Self.second)
        #expect(!protocols.awaitsClients(shop, now: 5 * Self.second))
        #expect(protocols.learned(of: shop, now: 5 * Self.second)?.latest == spoken)
    }

    @Test func bothVerdictsAreForgottenWhenTheyAreNotSeenAnyMore() {
        var protocols = SpokenProtocols()
        let later = Self.second + SpokenProtocols.lifetime
        protocols.learn(.http1, at: shop, now: Self.second)
        #expect(protocols.awaitsClients(shop, now: later - 1))
        #expect(!protocols.awaitsClients(shop, now: later))
        #expect(protocols.learned(of: shop, now: later) == nil)
        // A server spoke first once; since then only clients did.
        protocols.learn(.serverFirst, at: database, now: Self.second)
        protocols.learn(.tls, at: database, now: later)
        #expect(protocols.awaitsClients(database, now: later))
    }

    @Test func itHoldsABoundedNumberAndForgetsWhatWasNotUsed() {
        var protocols = SpokenProtocols()
        protocols.learn(.http1, at: shop, now: Self.second)
        var known = 0
        for number in 0..<100_000 {
            let now = Self.second * Int64(2 + number)
            let address = SocketAddress(IPAddress(v4: UInt32(number)), UInt16(truncatingIfNeeded: number % 7 + 1))
            protocols.learn(.bytes, at: address, now: now)
            #expect(protocols.awaitsClients(address, now: now))
        }
        let end = Self.second * 100_002
        for number in 0..<100_000 {
            let address = SocketAddress(IPAddress(v4: UInt32(number)), UInt16(truncatingIfNeeded: number % 7 + 1))
            if protocols.learned(of: address, now: end) != nil { known += 1 }
        }
        // Ten minutes of one a second; the table has places for a few thousand.
        #expect(known > 500 && known <= 600, "\(known)")
        #expect(protocols.learned(of: shop, now: end) == nil)
    }
}
