import Model
import Testing

/// Circuit breakers are one word for all workers: exact, and given back whole.
@Suite struct BreakerTests {
    private func cluster(_ shared: SharedState, requests: Int? = nil, pending: Int? = nil, retries: Int? = nil) throws
        -> ClusterRecord
    {
        var compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        let cluster = Configuration.Cluster(
            name: "c", discovery: .endpoints([]), pendingMax: pending, requestsMax: requests, retriesMax: retries)
        let snapshot = try compiler.compile(Configuration(clusters: [cluster]), oldestGenerationInUse: 0)
        return snapshot.clusters[1]
    }

    @Test func limitsAreExactAndApart() throws {
        let shared = SharedState()
        let cluster = try cluster(shared, requests: 3, pending: 2, retries: 1)
        #expect((0..<10).count { _ in shared.takeRequest(cluster) } == 3)
        #expect((0..<10).count { _ in shared.takePending(cluster) } == 2)
        #expect((0..<10).count { _ in shared.takeRetry(cluster) } == 1)
        shared.clusterRequests.addReleasing(-1, at: cluster.slot)
        #expect((0..<10).count { _ in shared.takeRequest(cluster) } == 1)
        shared.finishPending(clusterSlot: cluster.slot)
        shared.clusterRetries.addReleasing(-1, at: cluster.slot)
        #expect(shared.takePending(cluster) && shared.takeRetry(cluster) && !shared.takeRequest(cluster))
    }

    @Test func withoutALimitThereIsNone() throws {
        let shared = SharedState()
        let cluster = try cluster(shared)
        #expect((0..<10000).allSatisfy { _ in shared.takeRequest(cluster) && shared.takeRetry(cluster) })
        #expect(shared.clusterRequests.load(cluster.slot) == 10000)
    }

    /// Two workers that take and give back as fast as they can: never more than the limit at once, nothing left over.
    @Test func twoWorkersShareALimit() async throws {
        let shared = SharedState()
        let cluster = try cluster(shared, requests: 5)
        let held = AtomicWords(capacity: 1)
        held.reserve(0)
        let peak = await withTaskGroup(of: Int.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    var most = 0
                    for _ in 0..<20000 {
                        let count = (0..<4).count { _ in
                            guard shared.takeRequest(cluster) else { return false }
                            most = max(most, held.add(1, at: 0))
                            return true
                        }
                        for _ in 0..<count {
                            held.add(-1, at: 0)
                            shared.clusterRequests.addReleasing(-1, at: cluster.slot)
                        }
                    }
                    return most
                }
            }
            return await group.reduce(0, max)
        }
        #expect(peak <= 5 && peak > 0, "\(peak)")
        #expect(shared.clusterRequests.load(cluster.slot) == 0)
    }

    /// A slot is not given to another cluster while a request of the old one is under way.
    @Test func aSlotWithRequestsIsNotGivenAway() throws {
        let shared = SharedState()
        var compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        var generation: UInt64 = 0
        func slot(_ name: String) throws -> Int {
            generation += 1
            let cluster = Configuration.Cluster(name: name, discovery: .endpoints([]))
            let configuration = Configuration(clusters: [cluster])
            return try compiler.compile(configuration, oldestGenerationInUse: generation).clusters[1].slot
        }
        let first = try slot("a")
        shared.clusterPending.add(1, at: first)
        _ = try slot("b")
        #expect(try slot("c") != first)
        shared.clusterPending.add(-1, at: first)
        #expect(try [slot("d"), slot("e"), slot("f")].contains(first))
    }
}
