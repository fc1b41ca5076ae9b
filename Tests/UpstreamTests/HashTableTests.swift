import Model
import Testing

@testable import Upstream

@Suite struct HashTableTests {
    static let hashing: [Configuration.Cluster.LoadBalancer] = [.ringHash, .maglev]

    private func owners(_ fixture: inout Fixture, clients: Int = 10000) -> [String?] {
        (0..<clients).map { fixture.address(client: fixture.hash($0)) }
    }

    @Test(arguments: hashing)
    func aClientKeepsItsEndpointInEveryProcessAndOrder(policy: Configuration.Cluster.LoadBalancer) throws {
        var one = try Fixture([cluster(policy, weights: [1, 2, 3], numbers: [1, 2, 3])], seed: 1)
        var other = try Fixture([cluster(policy, weights: [3, 1, 2], numbers: [3, 1, 2])], seed: 2)
        #expect(owners(&one, clients: 500) == owners(&other, clients: 500))
    }

    @Test func clientHashesNeverChange() throws {
        // Changing these moves every client of every hashing cluster on upgrade.
        let v4 = try #require(IPAddress("10.1.0.2"))
        let v6 = try #require(IPAddress("fd01::2"))
        #expect([clientHash(of: v4), clientHash(of: v6)] == [0x48b9_2417_f836_9ac2, 0x0193_8faf_2bc8_bc57])
    }

    @Test(arguments: hashing)
    func onlyTheLeaversClientsMove(policy: Configuration.Cluster.LoadBalancer) throws {
        for count in [2, 5, 20, 100] {
            let weights = Array(repeating: 1, count: count)
            var fixture = try Fixture([cluster(policy, weights: weights)])
            let before = owners(&fixture)
            let left = "10.0.0.1:80"
            let numbers = (0..<count).filter { $0 != 1 }
            try fixture.reload([cluster(policy, weights: Array(weights.dropLast()), numbers: numbers)])
            let after = owners(&fixture)
            let strangers = zip(before, after).count { $0 != left && $0 != $1 }
            // A ring moves nobody else; Maglev trades a few for its evenness.
            let bound = policy == .ringHash ? 0 : 10000 * 15 / 100
            #expect(strangers <= bound, "\(policy), \(count) endpoints: \(strangers) moved without need")
            // And they come back when it does.
            try fixture.reload([cluster(policy, weights: weights)])
            #expect(owners(&fixture) == before)
        }
    }

    @Test(arguments: hashing)
    func anUnhealthyEndpointMovesItsOwnClientsOnly(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: Array(repeating: 1, count: 10), checked: true)])
        let before = owners(&fixture)
        fixture.setHealth(false, 4)
        let after = owners(&fixture)
        #expect(zip(before, after).allSatisfy { $0 == $1 || $0 == "10.0.0.4:80" })
        let heirs = Set(zip(before, after).filter { $0 != $1 }.map(\.1))
        #expect(heirs.count > 5, "its clients spread over many: \(heirs)")
        fixture.setHealth(true, 4)
        #expect(owners(&fixture) == before)
    }

    @Test func maglevSharesAreEven() throws {
        for count in [3, 40, 41, 200] {
            var fixture = try Fixture([cluster(.maglev, weights: Array(repeating: 1, count: count))])
            let shares = fixture.shares(of: 2000 * count)
            // Two standard deviations of the draw of clients are 4.5 %; five of them 11 %, and 1 % of the table.
            #expect(shares.allSatisfy { abs($0 - 2000) < 250 }, "\(count): \(shares.min() ?? 0)...\(shares.max() ?? 0)")
        }
    }

    @Test(arguments: hashing)
    func hugeWeightsAndCountsStayBounded(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: Array(repeating: 1000, count: 300) + [1])])
        let shares = fixture.shares(of: 30000)
        #expect(shares[..<300].allSatisfy { $0 > 20 }, "\(policy): \(shares.min() ?? 0)")
    }
}
