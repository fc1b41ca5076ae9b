import Model
import Testing
import Upstream

/// The share of an endpoint that is new, or healthy again, grows with time.
@Suite struct SlowStartTests {
    private static let second: Int64 = 1_000_000_000

    private func slow(
        _ policy: Configuration.Cluster.LoadBalancer, _ count: Int, checked: Bool = false
    ) -> Configuration.Cluster {
        cluster(policy, weights: Array(repeating: 1, count: count), checked: checked)
            .with { $0.slowStart = .seconds(30) }
    }

    @Test(arguments: policies)
    func theShareOfANewEndpointGrowsToItsOwn(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([slow(policy, 4)])
        let start = fixture.shares(of: 4000)
        #expect(start.allSatisfy { $0 > 500 }, "\(policy): no ramp at the start of the process: \(start)")
        try fixture.reload([slow(policy, 5)])
        var before = 0
        for (elapsed, least, most) in [(Int64(0), 20, 320), (15, 350, 950), (31, 600, 1500)] {
            var later = fixture
            later.now += elapsed * Self.second
            let share = later.shares(of: 5000)[4]
            #expect(share >= least && share <= most && share > before, "\(policy) after \(elapsed) s: \(share)")
            before = share
        }
    }

    @Test func itIsLinearForRandom() throws {
        var fixture = try Fixture([slow(.random, 3)])
        try fixture.replace(slow(.random, 4).endpoints)
        for tenth in Int64(1)...10 {
            var later = fixture
            later.now += tenth * 3 * Self.second
            // Refused picks go to all in proportion, so of weights 1, 1, 1 and f it gets f / (3 + f).
            let factor = Double(tenth) / 10
            let ideal = 20000 * factor / (3 + factor)
            let share = later.shares(of: 20000)[3]
            #expect(abs(Double(share) - ideal) < ideal / 10 + 100, "\(tenth): \(share), \(ideal)")
        }
    }

    /// A client that is hashed to the new endpoint moves over at one moment, and then stays.
    @Test(arguments: HashTableTests.hashing)
    func clientsMoveOverOnce(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([slow(policy, 3)])
        try fixture.reload([slow(policy, 4)])
        var moved: Set<Int> = []
        for _ in 0...31 {
            for client in 0..<300 {
                let isNew = fixture.address(client: fixture.hash(client)) == "10.0.0.3:80"
                #expect(isNew || !moved.contains(client), "client \(client) went back")
                if isNew { moved.insert(client) }
            }
            fixture.now += Self.second
        }
        #expect(moved.count > 40, "\(moved.count)")
    }

    @Test func endpointsThatAllBeginTogetherShareAlike() throws {
        var fixture = try Fixture([slow(.roundRobin, 1)])
        try fixture.reload([
            slow(.roundRobin, 1).with {
                $0.discovery = .endpoints(cluster(.random, weights: [1, 1], numbers: [8, 9]).endpoints)
            }
        ])
        #expect(fixture.shares(of: 100) == [50, 50], "none of the old ones is left to take more")
    }

    @Test func oneThatIsHealthyAgainBeginsAnew() throws {
        var fixture = try Fixture([slow(.roundRobin, 4, checked: true)])
        fixture.setHealth(false, 1)
        #expect(fixture.shares(of: 400)[1] == 0)
        let record = fixture.snapshot.clusters[Fixture.first]
        fixture.shared.beginRamp(endpointSlot: fixture.slot(1), record, now: fixture.now)
        fixture.setHealth(true, 1)
        #expect(fixture.shares(of: 4000)[1] < 300)
        fixture.now += 30 * Self.second
        #expect(fixture.shares(of: 4000)[1] == 1000)
    }

    @Test func whatIsTriedOrAloneDoesNotWait() throws {
        var fixture = try Fixture([slow(.roundRobin, 1)])
        try fixture.reload([slow(.roundRobin, 2)])
        var tried = TriedEndpoints()
        tried.insert(endpointSlot: fixture.slot(0))
        for _ in 0..<100 { #expect(fixture.pick(tried: tried) != .none) }
    }
}
