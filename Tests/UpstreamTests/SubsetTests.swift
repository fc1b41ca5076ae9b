import Model
import Testing
import Upstream

/// Routes with labels: only endpoints that have them, with health, panic and cursors of their own.
@Suite struct SubsetTests {
    private func versions(
        _ policy: Configuration.Cluster.LoadBalancer, _ versions: [String], panicThreshold: Double = 0.5
    ) -> Configuration.Cluster {
        cluster(policy, weights: versions.map { _ in 1 }, checked: true, panicThreshold: panicThreshold)
            .withEndpoints { $1.labels = ["version": versions[$0], "tier": "web"] }
    }

    @Test(arguments: policies)
    func onlyMembersArePicked(policy: Configuration.Cluster.LoadBalancer) throws {
        let cluster = versions(policy, ["v1", "v2", "v1", "v2", "v1", "v3"])
        var fixture = try Fixture(
            [cluster], subsets: [["version": "v1"], ["version": "v2", "tier": "web"], ["version": "none"]])
        let first = fixture.shares(of: 3000, subset: 0)
        #expect([0, 2, 4].allSatisfy { first[$0] > 400 } && first[1] + first[3] + first[5] == 0, "\(policy) \(first)")
        let second = fixture.shares(of: 2000, subset: 1)
        #expect([1, 3].allSatisfy { second[$0] > 400 } && second[1] + second[3] == 2000, "\(policy) \(second)")
        #expect(fixture.pick(subset: 2) == .none)
        #expect(fixture.pick(subset: 3) == .none, "no such subset")
        #expect(fixture.shares(of: 6000).allSatisfy { $0 > 400 }, "the cluster as a whole")
    }

    @Test(arguments: policies)
    func healthAndPanicAreTheSubsetsOwn(policy: Configuration.Cluster.LoadBalancer) throws {
        let cluster = versions(policy, ["v1", "v1", "v1", "v2", "v2", "v2", "v2", "v2"])
        var fixture = try Fixture([cluster], subsets: [["version": "v1"]])
        fixture.setHealth(false, 0)
        let one = fixture.shares(of: 1000, subset: 0)
        #expect(one[0] == 0 && one[1] > 200 && one[2] > 200, "\(policy) \(one)")
        fixture.setHealth(false, 1)
        // One of three: panic in the subset, while the cluster has six of eight.
        let panic = fixture.shares(of: 3000, subset: 0)
        #expect(panic[..<3].allSatisfy { $0 > 400 } && panic[3...].reduce(0, +) == 0, "\(policy) \(panic)")
        let whole = fixture.shares(of: 3000)
        #expect(whole[0] + whole[1] == 0, "\(policy) \(whole)")
    }

    @Test func roundRobinIsExactInEachPartAndOverReloads() throws {
        let cluster = versions(.roundRobin, ["v1", "v2", "v1", "v2", "v1"])
        var fixture = try Fixture([cluster], subsets: [["version": "v1"], ["version": "v2"]])
        for _ in 0..<5 {
            #expect(fixture.shares(of: 3, subset: 0) == [1, 0, 1, 0, 1])
            #expect(fixture.shares(of: 2, subset: 1) == [0, 1, 0, 1, 0])
            #expect(fixture.shares(of: 5) == [1, 1, 1, 1, 1])
            try fixture.reload([cluster])
        }
    }

    @Test(arguments: HashTableTests.hashing)
    func aClientOfASubsetStaysWhenOthersComeAndGo(policy: Configuration.Cluster.LoadBalancer) throws {
        let old = versions(policy, ["v1", "v1", "v1", "v1", "v2", "v2"])
        var fixture = try Fixture([old], subsets: [["version": "v1"]])
        func owners(_ fixture: inout Fixture) -> [String?] {
            (0..<500).map { client in
                guard case .endpoint(let endpoint, _) = fixture.pick(clientHash: fixture.hash(client), subset: 0) else {
                    return nil
                }
                return "\(endpoint.address)"
            }
        }
        let before = owners(&fixture)
        try fixture.replace(Array(old.endpoints.dropLast()))
        let moved = zip(before, owners(&fixture)).count { $0 != $1 }
        #expect(moved < (policy == .ringHash ? 1 : 75), "\(moved) moved")
    }
}
