import Model
import Testing

@testable import Upstream

/// Outlier detection with two workers: pickers that share state, and each worker's part of the detector.
@Suite struct OutlierTests {
    private static let second: Int64 = 1_000_000_000

    private struct Mesh {
        var fixture: Fixture
        var pickers: [EndpointPicker]
        var detectors: [OutlierDetector]
        var ejections = 0

        init(_ cluster: Configuration.Cluster, workers: Int = 2) throws {
            fixture = try Fixture([cluster])
            let (shared, tables) = (fixture.shared, fixture.tables)
            let counters = (0..<workers).map { _ in WorkerStatistics().endpoints }
            pickers = counters.map { counter in
                var picker = EndpointPicker(shared: shared, outcomes: counter)
                picker.adopt(tables)
                return picker
            }
            detectors = (0..<workers).map { OutlierDetector(shared: shared, worker: $0, outcomes: counters) }
        }

        var clusterSlot: Int { fixture.snapshot.clusters[Fixture.first].slot }

        /// Whether it ejected the endpoint.
        @discardableResult
        mutating func report(_ number: Int, _ outcome: EndpointOutcome, worker: Int = 0) -> Bool {
            pickers[worker].report(
                endpointSlot: fixture.slot(number), clusterSlot: clusterSlot, outcome, now: fixture.now)
        }

        /// Lets time go by, with ticks every 50 ms.
        mutating func pass(_ nanoseconds: Int64) {
            let end = fixture.now + nanoseconds
            while fixture.now < end {
                fixture.now += 50_000_000
                for worker in detectors.indices {
                    ejections += detectors[worker].tick(pickers[worker], now: fixture.now).count
                }
            }
        }

        var ejected: [Int] {
            fixture.endpoints().indices.filter {
                fixture.shared.endpointHealth.load(fixture.slot($0)) & SharedState.ejected != 0
            }
        }
    }

    private func judged(
        _ count: Int, _ detection: Configuration.OutlierDetection = .init(baseEjection: .seconds(1)),
        panicThreshold: Double = 0.1
    ) -> Configuration.Cluster {
        cluster(.roundRobin, weights: Array(repeating: 1, count: count), panicThreshold: panicThreshold)
            .with { $0.outlierDetection = detection }
    }

    @Test func failuresInARowEjectWhicheverWorkerSeesThem() throws {
        var mesh = try Mesh(judged(4))
        for number in 0..<4 { mesh.report(1, .failure(.reset), worker: number % 2) }
        #expect(mesh.ejected.isEmpty)
        mesh.report(1, .success, worker: 1)
        for number in 0..<4 { mesh.report(1, .failure(.status5xx), worker: number % 2) }
        #expect(mesh.ejected.isEmpty, "a success ends the row")
        let isEjected = mesh.report(1, .failure(.timeout))
        #expect(isEjected)
        #expect(mesh.ejected == [1])
        for worker in 0..<2 {
            var seen: Set<Int> = []
            for _ in 0..<30 {
                let pick = mesh.pickers[worker].pick(
                    cluster: Fixture.first, hash: 0, tried: TriedEndpoints(), now: mesh.fixture.now,
                    random: &mesh.fixture.random)
                if case .endpoint(let endpoint, _) = pick { seen.insert(mesh.fixture.number(endpoint)) }
            }
            #expect(seen == [0, 2, 3], "worker \(worker)")
        }
    }

    @Test func ejectionsEndAndGrow() throws {
        var mesh = try Mesh(judged(4))
        for round in Int64(1)...3 {
            for _ in 0..<5 { mesh.report(2, .failure(.connect)) }
            #expect(mesh.ejected == [2])
            mesh.pass(round * Self.second - 100_000_000)
            #expect(mesh.ejected == [2], "round \(round): still out")
            mesh.pass(600_000_000)
            #expect(mesh.ejected.isEmpty, "round \(round): back after \(round) s")
        }
        #expect(mesh.fixture.shared.clusterEjected.load(mesh.clusterSlot) == 0)
        // Ten seconds without: one is forgiven each time.
        mesh.pass(45 * Self.second)
        for _ in 0..<5 { mesh.report(2, .failure(.connect)) }
        mesh.pass(1_300_000_000)
        #expect(mesh.ejected.isEmpty, "as if it were the first")
    }

    @Test(arguments: [(4, 0.5, 2), (10, 0.25, 2), (3, 0.1, 1), (1, 1.0, 0), (2, 0.0, 0), (2, 1.0, 2)])
    func noMoreThanTheShareIsEjected(count: Int, share: Double, most: Int) throws {
        var mesh = try Mesh(judged(count, .init(baseEjection: .seconds(60), maxEjected: share)))
        for number in 0..<count {
            for _ in 0..<20 { mesh.report(number, .failure(.reset), worker: number % 2) }
        }
        #expect(mesh.ejected.count == most, "\(mesh.ejected)")
        #expect(mesh.fixture.shared.clusterEjected.load(mesh.clusterSlot) == most)
    }

    @Test func whoSucceedsMuchLessOftenIsEjected() throws {
        var mesh = try Mesh(judged(8))
        mesh.pass(Self.second)
        for request in 0..<8000 {
            let number = request % 8
            // Never five in a row, and 70 % instead of 99.
            let fails = number == 3 ? request / 8 % 10 < 3 : request / 8 % 100 == 7
            mesh.report(number, fails ? .failure(.status5xx) : .success, worker: request / 8 % 2)
        }
        mesh.pass(10 * Self.second)
        #expect(mesh.ejections == 1, "one comparison, by one owner")
        mesh.pass(12 * Self.second)
        #expect(mesh.ejected.isEmpty && mesh.ejections == 1, "old requests count once")
    }

    @Test func nobodyIsEjectedByComparisonWithFewOrEqualOnes() throws {
        // Too few endpoints; too few requests; all alike.
        for (count, requests, share) in [(4, 4000, 0.5), (8, 400, 0.5), (8, 8000, 0.0)] {
            var mesh = try Mesh(judged(count))
            for request in 0..<requests {
                let fails = request % count == 1 && Double(request / count % 10) < share * 10 && request / count % 4 > 0
                mesh.report(request % count, fails ? .failure(.reset) : .success, worker: request % 2)
            }
            mesh.pass(21 * Self.second)
            #expect(mesh.ejections == 0 && mesh.ejected.isEmpty, "\(count) endpoints, \(requests) requests")
        }
    }

    @Test func withoutDetectionNothingIsCounted() throws {
        var mesh = try Mesh(cluster(.roundRobin, weights: [1, 1, 1]))
        let ejections = (0..<100).count { _ in mesh.report(0, .failure(.reset)) }
        #expect(ejections == 0)
        mesh.pass(Self.second)
        #expect(mesh.ejected.isEmpty)
    }

    @Test func anEjectedEndpointThatLeavesTakesItsEjectionWithIt() throws {
        var mesh = try Mesh(judged(4, .init(baseEjection: .seconds(60))))
        for _ in 0..<5 { mesh.report(3, .failure(.reset)) }
        let shared = mesh.fixture.shared
        #expect(shared.clusterEjected.load(mesh.clusterSlot) == 1)
        try mesh.fixture.replace(Array(judged(4).endpoints.dropLast()))
        #expect(shared.clusterEjected.load(mesh.clusterSlot) == 0)
        try mesh.fixture.replace(judged(4).endpoints)
        #expect(mesh.ejected.isEmpty, "it comes back with a clean slate")
    }

    /// An ejection is counted first and seen then, and the owner of the cluster may look in between.
    @Test func anEjectionUnderWayKeepsItsPlace() throws {
        var mesh = try Mesh(judged(4, .init(baseEjection: .seconds(60), maxEjected: 0.5)))
        let shared = mesh.fixture.shared
        mesh.pass(Self.second)
        let isTaken = shared.clusterEjected.take(at: mesh.clusterSlot, limit: 2)
        #expect(isTaken)
        mesh.pass(Self.second)
        _ = shared.endpointHealth.set(SharedState.ejected, at: mesh.fixture.slot(0))
        mesh.pass(100_000_000)
        for number in 1..<4 { for _ in 0..<20 { mesh.report(number, .failure(.reset)) } }
        #expect(mesh.ejected.count <= 2, "\(mesh.ejected)")
    }

    /// A worker may eject an endpoint that the others know to be gone.
    @Test func anEjectionOfNobodyIsTakenBackInTheEnd() throws {
        var mesh = try Mesh(judged(4, .init(baseEjection: .seconds(60), maxEjected: 0.5)))
        let shared = mesh.fixture.shared
        let isTaken = shared.clusterEjected.take(at: mesh.clusterSlot, limit: 2)
        #expect(isTaken)
        for _ in 0..<5 { mesh.report(3, .failure(.reset)) }
        mesh.pass(4 * Self.second)
        #expect(shared.clusterEjected.load(mesh.clusterSlot) == 1 && mesh.ejected == [3])
    }

    /// Any sequence of outcomes against a plain model of failures in a row.
    @Test func behavesLikeTheModel() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        for _ in 0..<20 {
            let count = 2 + random.below(8)
            let limit = 1 + random.below(4)
            var mesh = try Mesh(
                judged(
                    count,
                    .init(
                        consecutiveFailures: limit, baseEjection: .seconds(2), maxEjected: 0.5, successRate: nil)))
            var rows = [Int](repeating: 0, count: count)
            var out: [Int: Int64] = [:]
            var times = [Int64](repeating: 0, count: count)
            for step in 0..<400 {
                let number = random.below(count)
                if random.below(3) == 0 {
                    mesh.report(number, .success, worker: random.below(2))
                    rows[number] = 0
                } else {
                    let ejected = mesh.report(number, .failure(.reset), worker: random.below(2))
                    rows[number] += 1
                    let expected = rows[number] >= limit && out[number] == nil && out.count < max(1, count / 2)
                    #expect(ejected == expected, "seed \(seed), step \(step)")
                    if expected {
                        rows[number] = 0
                        times[number] += 1
                        out[number] = mesh.fixture.now + min(2 * times[number], 300) * Self.second
                    }
                }
                if random.below(10) == 0 {
                    mesh.pass(Int64(random.below(9)) * 500_000_000)
                    // Readmission is exact to a quarter of a second; leave that much room around it.
                    while out.values.contains(where: { abs($0 - mesh.fixture.now) < 400_000_000 }) {
                        mesh.pass(800_000_000)
                    }
                    out = out.filter { $0.value > mesh.fixture.now }
                    times = mesh.fixture.endpoints().indices.map {
                        Int64(Ejection(word: mesh.fixture.shared.endpointEjections.load(mesh.fixture.slot($0))).count)
                    }
                }
                #expect(mesh.ejected == out.keys.sorted(), "seed \(seed), step \(step)")
            }
        }
    }

    /// Rates at random against means and deviations worked out from all of them at once.
    @Test func comparesLikeTheModel() throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        var ejections = 0
        for round in 0..<200 {
            let count = 2 + random.below(12)
            let (share, factor, least) = ([0.1, 0.3, 0.5, 1][random.below(4)], 0.5 + Double(random.below(20)) / 10, 20)
            var mesh = try Mesh(
                judged(
                    count,
                    .init(
                        consecutiveFailures: 1_000_000, baseEjection: .seconds(60), maxEjected: share,
                        successRate: .init(requestsMin: least, endpointsMin: 3, factor: factor))))
            var rates: [Int: Double] = [:]
            for number in 0..<count {
                let (requests, good) = (random.below(60), random.below(101))
                var successes = 0
                for _ in 0..<requests {
                    let isSuccess = random.below(100) < good
                    if isSuccess { successes += 1 }
                    mesh.report(number, isSuccess ? .success : .failure(.status5xx), worker: random.below(2))
                }
                if requests >= least { rates[number] = Double(successes) / Double(requests) }
            }
            let mean = rates.values.reduce(0, +) / Double(max(1, rates.count))
            let variance = rates.values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(max(1, rates.count))
            let bound = mean - factor * variance.squareRoot()
            // Whether one lies right on the bound is a matter of rounding.
            guard rates.values.allSatisfy({ abs($0 - bound) > 1e-6 }) else { continue }
            let worse = rates.count < 3 ? [] : rates.keys.sorted().filter { (rates[$0] ?? 1) < bound }
            mesh.pass(11 * Self.second)
            let most = max(1, Int(Double(count) * share + 1e-9))
            #expect(mesh.ejected == Array(worse.prefix(most)), "seed \(seed), round \(round): \(rates), \(bound)")
            #expect(mesh.ejections == mesh.ejected.count, "seed \(seed), round \(round)")
            ejections += mesh.ejections
        }
        #expect(ejections > 50, "seed \(seed)")
    }
}
