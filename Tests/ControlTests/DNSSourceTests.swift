import Loopback
import Model
import Testing

@testable import Control

/// Discovery with a real name server on loopback.
@Suite(.timeLimit(.minutes(2))) struct DNSSourceTests {
    private static let name = Configuration.DNSName(host: "cart.test", port: 8080)

    private func texts(_ endpoints: [Configuration.Endpoint]?) -> [String]? {
        endpoints?.map { "\($0.address)" }
    }

    /// Goes on until the name has these addresses. On the way there may be others: the server may be told something new
    /// between the questions for A and AAAA of one lookup.
    private func wait(
        for expected: [String], _ source: DNSSource, sourceLocation: SourceLocation = #_sourceLocation
    ) async {
        var seen: [[String]] = []
        let isReached = await eventually {
            seen.append(texts(await source.follow([Self.name], within: .zero)[Self.name]) ?? [])
            return seen.last == expected
        }
        #expect(isReached, "\(expected), but \(Set(seen))", sourceLocation: sourceLocation)
    }

    @Test func addressesOfBothFamiliesAreFoundAndChangesAreTold() async throws {
        let server = NameServer(.addresses(["10.0.0.2", "10.0.0.1", "fd01::1"], ttl: 1))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        let known = await source.follow([Self.name], within: .seconds(20))
        #expect(texts(known[Self.name])?.contains("10.0.0.1:8080") == true)
        await wait(for: ["10.0.0.1:8080", "10.0.0.2:8080", "[fd01::1]:8080"], source)
        server.say(.addresses(["10.0.0.3"], ttl: 1))
        // A stream, so that a change that is not told would be waited for in vain.
        for await update in source.updates where texts(update.endpoints) == ["10.0.0.3:8080"] {
            #expect(update.name == Self.name)
            break
        }
        #expect((board.all["cart.test"]?.successes ?? 0) >= 2)
        source.follow(only: [])
    }

    @Test(arguments: [NameServer.Answer.noSuchName, .failure])
    func whatWasFoundStaysWhenTheServerNoLongerKnows(failure: NameServer.Answer) async throws {
        let server = NameServer(.addresses(["10.0.0.1"], ttl: 1))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        _ = await source.follow([Self.name], within: .seconds(20))
        server.say(failure)
        while (board.all["cart.test"]?.failures ?? 0) < 2 { try await Task.sleep(for: .milliseconds(10)) }
        #expect(board.all["cart.test"]?.problem != nil)
        let known = await source.follow([Self.name], within: .zero)
        #expect(texts(known[Self.name]) == ["10.0.0.1:8080"])
        server.say(.addresses(["10.0.0.9"], ttl: 60))
        await wait(for: ["10.0.0.9:8080"], source)
        source.follow(only: [])
    }

    /// One family: SERVFAIL or no answer at all. The other: a change.
    @Test(arguments: [NameServer.Answer.failure, .silence], [true, false])
    func aFamilyThatFailsKeepsWhatItHadAndHoldsTheOtherNotUp(failure: NameServer.Answer, isV6: Bool) async {
        let server = NameServer(.addresses(["10.0.0.1", "fd01::1"], ttl: 1))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        _ = await source.follow([Self.name], within: .seconds(20))
        await wait(for: ["10.0.0.1:8080", "[fd01::1]:8080"], source)
        let changed = NameServer.Answer.addresses(["10.0.0.2", "fd01::2"], ttl: 1)
        server.say(v4: isV6 ? changed : failure, v6: isV6 ? failure : changed)
        await wait(for: isV6 ? ["10.0.0.2:8080", "[fd01::1]:8080"] : ["10.0.0.1:8080", "[fd01::2]:8080"], source)
        #expect(await eventually { (board.all["cart.test"]?.parts ?? 0) > 0 })
        #expect(board.all["cart.test"]?.problem?.hasPrefix(isV6 ? "AAAA: " : "A: ") == true)
        server.say(changed)
        await wait(for: ["10.0.0.2:8080", "[fd01::2]:8080"], source)
        source.follow(only: [])
    }

    @Test func aFamilyThatHasNoAddressLosesThem() async {
        let server = NameServer(.addresses(["10.0.0.1", "fd01::1"], ttl: 0))
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        _ = await source.follow([Self.name], within: .seconds(20))
        await wait(for: ["10.0.0.1:8080", "[fd01::1]:8080"], source)
        server.say(v4: .addresses(["10.0.0.1"], ttl: 0), v6: .noSuchName)
        await wait(for: ["10.0.0.1:8080"], source)
        source.follow(only: [])
    }

    @Test func aTimeToLiveOfZeroIsNoFlood() async {
        let server = NameServer(.addresses(["10.0.0.1"], ttl: 0))
        let board = DiscoveryBoard()
        let source = DNSSource(board: board, servers: server.address)
        let (clock, start) = (ContinuousClock(), ContinuousClock.now)
        _ = await source.follow([Self.name], within: .seconds(20))
        #expect(await eventually { (board.all["cart.test"]?.successes ?? 0) >= 3 })
        let seconds = Int((clock.now - start) / .seconds(1))
        // Two questions a lookup; a lookup a second, and what c-ares asks again on a machine that is slow.
        #expect(server.questions >= 6 && server.questions <= 8 * (seconds + 2), "\(server.questions) in \(seconds) s")
        source.follow(only: [])
    }

    @Test func whatDoesNotFitIsAskedForByTCP() async {
        let many = (1...200).map { "10.0.1.\($0)" }
        let server = NameServer(.truncated(many + ["fd01::1"], ttl: 60))
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        let known = await source.follow([Self.name], within: .seconds(20))
        #expect(known[Self.name]?.isEmpty == false && server.streams > 0)
        await wait(for: many.map { "\($0):8080" } + ["[fd01::1]:8080"], source)
        source.follow(only: [])
    }

    @Test func aSilentServerHoldsNobodyUp() async {
        let server = NameServer(.silence)
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        let clock = ContinuousClock()
        let start = clock.now
        let known = await source.follow([Self.name], within: .milliseconds(300))
        #expect(known.isEmpty && clock.now - start < .seconds(20))
        source.follow(only: [])
    }

    @Test func withoutNamesNothingIsAsked() async {
        let server = NameServer(.failure)
        let source = DNSSource(board: DiscoveryBoard(), servers: server.address)
        #expect(await source.follow([]).isEmpty)
        #expect(server.questions == 0)
    }
}
