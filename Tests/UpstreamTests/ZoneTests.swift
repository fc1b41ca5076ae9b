import Model
import Testing
import Upstream

/// Zone preference: as little traffic between zones as lets every endpoint have what its weight says.
@Suite struct ZoneTests {
    private static let drawing: [Configuration.Cluster.LoadBalancer] = [.roundRobin, .leastRequest, .random, .peakEwma]

    /// Endpoints of these zones, in this order.
    private func zoned(
        _ policy: Configuration.Cluster.LoadBalancer, _ zones: [String?], weights: [Int]? = nil
    ) -> Configuration.Cluster {
        cluster(policy, weights: weights ?? zones.map { _ in 1 }, checked: true, panicThreshold: 0.2)
            .with { $0.isZoneAware = true }.withEndpoints { $1.zone = zones[$0] }
    }

    @Test(arguments: drawing)
    func aZoneThatHasItsPartServesItsOwn(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([zoned(policy, ["a", "a", "b", "b", "c", "c"])], zone: "b")
        let shares = fixture.shares(of: 6000)
        #expect(shares[2] > 2700 && shares[3] > 2700, "\(policy) \(shares)")
        #expect(shares[0] + shares[1] + shares[4] + shares[5] == 0, "\(policy) \(shares)")
    }

    @Test(arguments: drawing)
    func whatItCannotCarrySpillsOver(policy: Configuration.Cluster.LoadBalancer) throws {
        // A third of the clients are in zone b, which has a sixth of the weight: half of them stay.
        var fixture = try Fixture([zoned(policy, ["a", "a", "a", "b", "c", "c"])], zone: "b")
        let shares = fixture.shares(of: 12000)
        #expect(abs(shares[3] - 6000) < 400, "\(policy) \(shares)")
        // Zone a has more than its part, zone c exactly its part: all of the rest goes to a.
        #expect(shares[4] + shares[5] < 100, "\(policy) \(shares)")
    }

    /// Hosts of all zones together give every endpoint its share, whatever zones look like.
    @Test func allZonesTogetherAreFair() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        for _ in 0..<10 {
            let names = ["a", "b", "c", "d"]
            let count = 4 + random.below(8)
            let zones = (0..<count).map { $0 < 4 ? names[$0] : names[random.below(4)] }
            let weights = zones.map { _ in 1 + random.below(4) }
            var sum = zones.map { _ in 0 }
            for zone in names {
                var fixture = try Fixture(
                    [zoned(.roundRobin, zones, weights: weights)], seed: random.next(), zone: zone)
                for (index, share) in fixture.shares(of: 20000).enumerated() { sum[index] += share }
            }
            let total = weights.reduce(0, +)
            for (share, weight) in zip(sum, weights) {
                let ideal = 80000 * weight / total
                #expect(abs(share - ideal) < ideal / 10 + 50, "seed \(seed): \(zones) \(weights) \(sum)")
            }
        }
    }

    @Test func unhealthyEndpointsOfTheOwnZoneAreMadeUpForByOthers() throws {
        var fixture = try Fixture([zoned(.roundRobin, ["a", "a", "b", "b"])], zone: "a")
        #expect(fixture.shares(of: 1000)[2...].reduce(0, +) == 0)
        fixture.setHealth(false, 0)
        // One of three healthy ones for half of the clients: two thirds of them.
        let shares = fixture.shares(of: 9000)
        #expect(shares[0] == 0 && abs(shares[1] - 6000) < 400 && abs(shares[2] - 1500) < 300, "\(shares)")
        fixture.setHealth(false, 1)
        let none = fixture.shares(of: 1000)
        #expect(none[2] + none[3] == 1000, "\(none)")
    }

    @Test func inPanicAndWithoutZonesNobodyIsPreferred() throws {
        var fixture = try Fixture([zoned(.roundRobin, ["a", "b", "b", "b"]).with { $0.panicThreshold = 1 }], zone: "b")
        fixture.setHealth(false, 3)
        let panic = fixture.shares(of: 4000)
        #expect(panic.allSatisfy { abs($0 - 1000) < 200 }, "\(panic)")
        // A host in a zone without endpoints spreads over those that have more than their part.
        var elsewhere = try Fixture([zoned(.random, ["a", "b"])], zone: "z")
        let shares = elsewhere.shares(of: 4000)
        #expect(shares.allSatisfy { abs($0 - 2000) < 300 }, "\(shares)")
    }

    @Test func aTriedLocalEndpointLeadsToOtherZones() throws {
        var fixture = try Fixture([zoned(.roundRobin, ["a", "b", "b"])], zone: "a")
        var tried = TriedEndpoints()
        tried.insert(endpointSlot: fixture.slot(0))
        for _ in 0..<10 {
            guard case .endpoint(let endpoint, _) = fixture.pick(tried: tried) else {
                Issue.record("nothing is left")
                return
            }
            #expect(fixture.number(endpoint) > 0)
        }
    }
}
