import Model
import Testing

@testable import Upstream

@Suite struct ReloadCostTests {
    /// Prints what a reload of 100,000 endpoints costs; asserts only that unchanged hash tables are not built again.
    @Test func reloadOfManyEndpointsSharesTables() throws {
        let counts = [
            (Configuration.Cluster.LoadBalancer.roundRobin, 92800), (.leastRequest, 6000), (.ringHash, 600),
            (.maglev, 600),
        ]
        var clusters = counts.map { policy, count in
            cluster(policy, weights: Array(repeating: 1, count: count), name: "\(policy)", checked: true)
        }
        var fixture = try Fixture(clusters)
        clusters[0] = cluster(
            .roundRobin, weights: Array(repeating: 1, count: 92799), name: "roundRobin", checked: true)
        let old = fixture.tables
        fixture.snapshot = try fixture.compiler.compile(
            Configuration(clusters: clusters), oldestGenerationInUse: fixture.snapshot.generation)
        let clock = ContinuousClock()
        let fresh = clock.measure { fixture.tables = ClusterTables(fixture.snapshot) }
        let reusing = clock.measure {
            fixture.tables = ClusterTables(fixture.snapshot, reusing: old)
        }
        let adopting = clock.measure { fixture.picker.adopt(fixture.tables) }
        let counting = clock.measure { for index in 1...4 { _ = fixture.pick(index) } }
        print("100,000 endpoints: tables \(fresh), reusing \(reusing), adopt \(adopting), first picks \(counting)")
        for index in 3...4 {
            let slot = fixture.snapshot.clusters[index].slot
            let table = try #require(old.table(slot: slot))
            #expect(fixture.tables.table(slot: slot) === table)
        }
    }

    @Test func changedEndpointsGetNewTables() throws {
        for policy in HashTableTests.hashing {
            var fixture = try Fixture([cluster(policy, weights: [1, 1, 1])])
            let slot = fixture.snapshot.clusters[Fixture.first].slot
            let changes = [
                cluster(policy, weights: [1, 1, 2]), cluster(policy, weights: [1, 1]),
                cluster(policy, weights: [1, 1, 1], numbers: [0, 1, 3]),
                cluster(policy == .maglev ? .ringHash : .maglev, weights: [1, 1, 1]),
            ]
            for change in changes {
                let old = try #require(fixture.tables.table(slot: slot)?.hash)
                try fixture.reload([change])
                #expect(fixture.tables.table(slot: slot)?.hash !== old)
                try fixture.reload([cluster(policy, weights: [1, 1, 1])])
            }
        }
    }
}
