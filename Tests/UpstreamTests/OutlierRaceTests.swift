import Model
import Testing

@testable import Upstream

/// Workers eject and readmit the endpoints of one cluster at the same time.
@Suite(.timeLimit(.minutes(2))) struct OutlierRaceTests {
    private static let endpoints = 8, workers = 3, rounds = 2000

    /// What one thread has of its own.
    private struct Worker: Sendable {
        var picker: EndpointPicker
        var detector: OutlierDetector
        let slots: [Int]
        let clusterSlot: Int
    }

    /// Fails one endpoint after the other. Whoever owns the cluster readmits meanwhile those whose time is over.
    private static func run(_ worker: inout Worker, now: Int64, seed: UInt64) {
        var random = SmallRandom(seed: seed)
        for _ in 0..<20 {
            let slot = worker.slots[random.below(worker.slots.count)]
            worker.picker.report(
                endpointSlot: slot, clusterSlot: worker.clusterSlot, .failure(.reset), now: now)
            _ = worker.detector.tick(worker.picker, now: now)
        }
    }

    @Test func neverMoreThanTheShareIsEjected() async throws {
        let detection = Configuration.OutlierDetection(
            consecutiveFailures: 1, baseEjection: .milliseconds(1), maxEjected: 0.5, successRate: nil)
        let fixture = try Fixture([
            cluster(.roundRobin, weights: Array(repeating: 1, count: Self.endpoints))
                .with { $0.outlierDetection = detection }
        ])
        let shared = fixture.shared
        let slots = (0..<Self.endpoints).map { fixture.slot($0) }
        let clusterSlot = fixture.snapshot.clusters[Fixture.first].slot
        let counters = (0..<Self.workers).map { _ in WorkerStatistics().endpoints }
        var workers = (0..<Self.workers).map { index in
            var picker = EndpointPicker(shared: shared, outcomes: counters[index])
            picker.adopt(fixture.tables)
            return Worker(
                picker: picker, detector: OutlierDetector(shared: shared, worker: index, outcomes: counters),
                slots: slots, clusterSlot: clusterSlot)
        }
        let seed = UInt64.random(in: 0 ... .max)
        var (now, readmitted) = (fixture.now, 0)
        for round in 0..<Self.rounds {
            // Between rounds, when nobody is in the middle of anything: a thread that is put aside for a moment would else be
            // away for seconds.
            now += 250_000_000
            workers = await Self.run(workers, now: now, seed: seed &+ UInt64(round * Self.workers))
            let ejected = slots.count { shared.endpointHealth.load($0) & SharedState.ejected != 0 }
            readmitted += slots.count { Ejection(word: shared.endpointEjections.load($0)).count > 1 }
            let counted = shared.clusterEjected.load(clusterSlot)
            #expect(ejected <= Self.endpoints / 2 && counted == ejected, "seed \(seed), round \(round)")
        }
        #expect(readmitted > 0, "nobody came back: nothing raced")
    }

    /// All of them at once, as far as there are threads.
    private static func run(_ workers: [Worker], now: Int64, seed: UInt64) async -> [Worker] {
        await withTaskGroup(of: (Int, Worker).self) { group in
            for (index, worker) in workers.enumerated() {
                group.addTask {
                    var worker = worker
                    run(&worker, now: now, seed: seed &+ UInt64(index))
                    return (index, worker)
                }
            }
            var results = workers
            for await (index, worker) in group { results[index] = worker }
            return results
        }
    }
}
