import Model
import Testing

@testable import Control

/// Discovery with a real name server on loopback.
@Suite(.timeLimit(.minutes(1))) struct DNSSourceTests {
    private static let name = Configuration.DNSName(host: "cart.test", port: 8080)

    private func texts(_ endpoints: [Configuration.Endpoint]?) -> [String]? {
        endpoints?.map { "\($0.address)" }
    }

    @Test func addressesOfBothFamiliesAreFoundAndChangesAreTold() async throws {
        let server = NameServer(.addresses(["10.0.0.2", "10.0.0.1", "fd01::1"], ttl: 1))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        let known = await source.follow([Self.name], within: .seconds(10))
        #expect(texts(known[Self.name]) == ["10.0.0.1:8080", "10.0.0.2:8080", "[fd01::1]:8080"])
        server.say(.addresses(["10.0.0.3"], ttl: 1))
        var updates = source.updates.makeAsyncIterator()
        let first = try #require(await updates.next())
        #expect(first.name == Self.name && first.endpoints == known[Self.name])
        let second = try #require(await updates.next(), "asked for again when the second is over")
        #expect(texts(second.endpoints) == ["10.0.0.3:8080"])
        #expect((board.all["cart.test"]?.successes ?? 0) >= 2)
        source.follow(only: [])
    }

    @Test(arguments: [NameServer.Answer.noSuchName, .failure])
    func whatWasFoundStaysWhenTheServerNoLongerKnows(failure: NameServer.Answer) async throws {
        let server = NameServer(.addresses(["10.0.0.1"], ttl: 1))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        _ = await source.follow([Self.name], within: .seconds(10))
        server.say(failure)
        while (board.all["cart.test"]?.failures ?? 0) < 2 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(board.all["cart.test"]?.problem != nil)
        let known = await source.follow([Self.name], within: .zero)
        #expect(texts(known[Self.name]) == ["10.0.0.1:8080"])
        server.say(.addresses(["10.0.0.9"], ttl: 60))
        var updates = source.updates.makeAsyncIterator()
        _ = await updates.next()
        #expect(texts(await updates.next()?.endpoints) == ["10.0.0.9:8080"])
        source.follow(only: [])
    }

    @Test func aSilentServerHoldsNobodyUp() async {
        let server = NameServer(.silence)
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        let clock = ContinuousClock()
        let start = clock.now
        let known = await source.follow([Self.name], within: .milliseconds(300))
        #expect(known.isEmpty && clock.now - start < .seconds(5))
        source.follow(only: [])
    }

    @Test func withoutNamesNothingIsAsked() async {
        let server = NameServer(.failure)
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        #expect(await source.follow([]).isEmpty)
        #expect(server.questions == 0)
    }
}
