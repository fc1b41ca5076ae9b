import Model
import Testing
import Upstream

@testable import Proxy

/// What a reload changes about health checks, as a pure value.
@Suite struct CheckPlanTests {
    private var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
    private static let workers = 3

    private mutating func snapshot(_ clusters: [Configuration.Cluster]) throws -> Snapshot {
        try compiler.compile(Configuration(clusters: clusters), oldestGenerationInUse: 0)
    }

    private func cluster(_ name: String, _ numbers: Range<Int>, interval: Int? = 60) -> Configuration.Cluster {
        Configuration.Cluster(
            name: name,
            discovery: .endpoints(
                numbers.map { Configuration.Endpoint(address: SocketAddress(IPAddress(v4: UInt32($0)), 80)) }),
            healthCheck: interval.map { Configuration.HealthCheck(interval: .seconds($0)) })
    }

    /// Changes over all workers: addresses that are checked anew or otherwise, and how many checks end.
    private func changes(_ old: Snapshot?, _ new: Snapshot) -> (changed: Set<SocketAddress>, gone: Int) {
        let plans = CheckPlan.plans(from: old, to: new, workers: Self.workers)
        #expect(plans.count == Self.workers)
        for (worker, plan) in plans.enumerated() {
            let slots = plan.changed.map(\.endpoint.slot) + plan.gone.map(Int.init)
            #expect(slots.allSatisfy { HealthOwner.worker(endpointSlot: $0, workers: Self.workers) == worker })
        }
        let changed = plans.flatMap { $0.changed.map(\.endpoint.address) }
        #expect(Set(changed).count == changed.count, "nothing is planned twice")
        return (Set(changed), plans.map(\.gone.count).reduce(0, +))
    }

    @Test mutating func theFirstSnapshotBeginsAllChecks() throws {
        let first = try snapshot([cluster("a", 0..<100), cluster("b", 100..<150, interval: nil)])
        let changes = changes(nil, first)
        #expect(changes.changed.count == 100 && changes.gone == 0)
    }

    @Test mutating func whatStaysIsNotPlanned() throws {
        let first = try snapshot([cluster("a", 0..<100), cluster("b", 100..<200)])
        // Another cluster in front moves all indices; the order of endpoints does not matter.
        let second = try snapshot([cluster("new", 500..<510), cluster("b", 100..<200), cluster("a", 0..<100)])
        let changes = changes(first, second)
        #expect(changes.changed == Set((500..<510).map { SocketAddress(IPAddress(v4: $0), 80) }) && changes.gone == 0)
    }

    @Test mutating func endpointsThatComeAndGo() throws {
        let first = try snapshot([cluster("a", 0..<100)])
        let second = try snapshot([cluster("a", 10..<105)])
        let changes = changes(first, second)
        #expect(changes.changed.count == 5 && changes.gone == 10)
    }

    @Test mutating func anotherIntervalChangesAllOfTheCluster() throws {
        let first = try snapshot([cluster("a", 0..<100), cluster("b", 100..<200)])
        let second = try snapshot([cluster("a", 0..<100, interval: 30), cluster("b", 100..<200)])
        let changes = changes(first, second)
        #expect(changes.changed.count == 100 && changes.gone == 0)
    }

    @Test mutating func checksThatAreNoLongerWantedEnd() throws {
        let first = try snapshot([cluster("a", 0..<100), cluster("b", 100..<200)])
        let second = try snapshot([cluster("a", 0..<100, interval: nil)])
        let changes = changes(first, second)
        #expect(changes.changed.isEmpty && changes.gone == 200)
    }
}
