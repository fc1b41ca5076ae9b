import Model
import Testing

@testable import Upstream

/// Other endpoints for one cluster between two snapshots.
@Suite struct ReplacementTests {
    @Test(arguments: policies)
    func picksMeetTheNewOnesAtOnce(policy: Configuration.Cluster.LoadBalancer) throws {
        let other = cluster(policy, weights: [1, 1], name: "other", numbers: [50, 51])
        var fixture = try Fixture([cluster(policy, weights: [1, 1, 1]), other])
        _ = fixture.shares(of: 100)
        try fixture.replace(cluster(policy, weights: [1, 1, 1, 1], numbers: [1, 2, 7, 8]).endpoints)
        let shares = fixture.shares(of: 4000)
        #expect(shares.count == 4 && shares.allSatisfy { $0 > 500 }, "\(policy) \(shares)")
        #expect(fixture.shares(of: 1000, 2).allSatisfy { $0 > 200 }, "the other cluster is as it was")
        try fixture.replace([])
        #expect(fixture.pick() == .none)
        try fixture.replace(cluster(policy, weights: [1]).endpoints)
        #expect(fixture.address() == "10.0.0.0:80")
        // A reload that says the same goes on from there.
        let table = fixture.tables.table(slot: fixture.snapshot.clusters[Fixture.first].slot)
        try fixture.reload([cluster(policy, weights: [1]), other])
        #expect(fixture.tables.table(slot: fixture.snapshot.clusters[Fixture.first].slot) === table)
        #expect(fixture.address() == "10.0.0.0:80")
    }

    @Test func endpointsThatStayKeepSlotLoadAndVerdict() throws {
        var fixture = try Fixture([cluster(.leastRequest, weights: [1, 1, 1], checked: true)])
        let slots = (0..<3).map { fixture.slot($0) }
        for _ in 0..<9 { fixture.picker.requestStarted(endpointSlot: slots[1]) }
        fixture.setHealth(false, 2)
        try fixture.replace(cluster(.leastRequest, weights: [1, 1, 1, 1], numbers: [9, 2, 1, 0]).endpoints)
        #expect([3, 2, 1].map { fixture.slot($0) } == slots)
        let shares = fixture.shares(of: 3000)
        #expect(shares[1] == 0, "unhealthy")
        #expect(shares[2] < 600, "busy: \(shares)")
    }

    @Test func roundRobinGoesOnAmongThoseThatStay() throws {
        var fixture = try Fixture([cluster(.roundRobin, weights: [1, 1, 1, 1])])
        for round in 0..<10 {
            #expect(fixture.shares(of: 4) == [1, 1, 1, 1])
            // Another weight comes and goes; the four that stay keep their row.
            let extra = round % 2 == 0 ? cluster(.roundRobin, weights: [5], numbers: [90 + round]).endpoints : []
            try fixture.replace(cluster(.roundRobin, weights: [1, 1, 1, 1]).endpoints + extra)
            #expect(fixture.shares(of: 4 + 5 * extra.count)[..<4].allSatisfy { $0 == 1 }, "round \(round)")
            try fixture.replace(cluster(.roundRobin, weights: [1, 1, 1, 1]).endpoints)
        }
    }

    /// Slots against a model: never two endpoints with one, the same one while an endpoint stays, none given away while
    /// something is connected through it or a worker may know it.
    @Test func slotsAreNeverSharedNorTakenFromTheLiving() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        var fixture = try Fixture((0..<3).map { cluster(.random, weights: [], name: "c\($0)") })
        var known: [[SocketAddress: Int]] = [[:], [:], [:]]
        var connected: [Int: String] = [:]
        for step in 0..<500 {
            let index = random.below(3)
            let numbers = Set((0..<random.below(12)).map { _ in random.below(30) }).sorted()
            try fixture.replace(
                cluster(.random, weights: numbers.map { _ in 1 }, numbers: numbers).endpoints, Fixture.first + index)
            var now: [SocketAddress: Int] = [:]
            for endpoint in fixture.endpoints(Fixture.first + index) {
                let name = "\(index) \(endpoint.address)"
                if let before = known[index][endpoint.address] {
                    #expect(before == endpoint.slot, "seed \(seed), step \(step)")
                }
                #expect(connected[endpoint.slot].map { $0 == name } ?? true, "seed \(seed), step \(step): \(name)")
                now[endpoint.address] = endpoint.slot
                if random.below(8) == 0, connected[endpoint.slot] == nil {
                    connected[endpoint.slot] = name
                    fixture.shared.endpointConnections.add(1, at: endpoint.slot)
                }
            }
            known[index] = now
            let all = known.flatMap(\.values)
            #expect(Set(all).count == all.count, "seed \(seed), step \(step)")
            if let (slot, _) = connected.randomElement(using: &random), random.below(3) == 0 {
                connected[slot] = nil
                fixture.shared.endpointConnections.add(-1, at: slot)
            }
        }
    }

    /// Prints what replacing ten of 100,000 endpoints costs; asserts that it does not grow with the rest.
    @Test func costIsTheClustersOwn() throws {
        let clusters = (0..<2000).map { number in
            cluster(
                .roundRobin, weights: Array(repeating: 1, count: 10), name: "c\(number)",
                numbers: Array(number * 10..<number * 10 + 10))
        }
        func cost(_ clusters: [Configuration.Cluster]) throws -> Duration {
            var fixture = try Fixture(clusters)
            var best = Duration.seconds(10)
            for round in 0..<40 {
                let numbers = (0..<10).map { $0 + 100_000 + round % 2 * 5 }
                let endpoints = cluster(.roundRobin, weights: numbers.map { _ in 1 }, numbers: numbers).endpoints
                let time = try ContinuousClock().measure { try fixture.replace(endpoints) }
                _ = fixture.pick()
                // The first one copies the array of pointers, once in a generation.
                if round > 0 { best = min(best, time) }
            }
            return best
        }
        let (few, many) = (try cost(Array(clusters.prefix(20))), try cost(clusters))
        print("replacing ten endpoints: of 200 \(few), of 20,000 \(many)")
        #expect(many < few * 5 + .milliseconds(1))
    }
}
