import Model
import Testing
import Upstream

@Suite struct PickerHealthTests {
    @Test(arguments: policies)
    func unhealthyEndpointsGetNothingAndTheOthersShareAlike(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: Array(repeating: 1, count: 8), checked: true)])
        _ = fixture.shares(of: 100)
        for number in [0, 1, 2] { fixture.setHealth(false, number) }
        let shares = fixture.shares(of: 10000)
        #expect(shares[..<3].allSatisfy { $0 == 0 }, "\(policy) \(shares)")
        // Walking on to the next one would double the share of whoever follows a dead endpoint.
        #expect(shares[3...].allSatisfy { $0 > 1200 && $0 < 3000 }, "\(policy) \(shares)")
        for number in [0, 1, 2] { fixture.setHealth(true, number) }
        let after = fixture.shares(of: 8000)
        #expect(after.allSatisfy { $0 > 500 }, "\(policy): back in")
    }

    @Test func roundRobinStaysExactAmongTheHealthy() throws {
        var fixture = try Fixture([cluster(.roundRobin, weights: [3, 1, 2, 4], checked: true)])
        fixture.setHealth(false, 3)
        #expect(fixture.shares(of: 60) == [30, 10, 20, 0])
    }

    @Test(arguments: policies)
    func fewHealthyMeansPanic(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: [1, 1, 1, 1], checked: true)])
        fixture.setHealth(false, 0)
        fixture.setHealth(false, 1)
        #expect(fixture.isPanicking() == false, "half is not below half")
        fixture.setHealth(false, 2)
        #expect(fixture.isPanicking() == true)
        let inPanic = fixture.shares(of: 4000)
        #expect(inPanic.allSatisfy { $0 > 400 }, "\(policy): all are used: \(inPanic)")
        fixture.setHealth(true, 1)
        #expect(fixture.isPanicking() == false)
        let shares = fixture.shares(of: 1000)
        #expect(shares[0] == 0 && shares[2] == 0, "\(shares)")
    }

    @Test(arguments: policies)
    func withoutAThresholdNobodyIsBetterThanADeadOne(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: [1, 2], checked: true, panicThreshold: 0)])
        fixture.setHealth(false, 0)
        fixture.setHealth(false, 1)
        #expect(fixture.pick() == .none)
        fixture.setHealth(true, 0)
        #expect(fixture.shares(of: 10) == [10, 0])
    }

    @Test(arguments: policies)
    func oneHealthyAmongThousandsIsFound(policy: Configuration.Cluster.LoadBalancer) throws {
        let weights = Array(repeating: 1, count: 3000)
        var fixture = try Fixture([cluster(policy, weights: weights, checked: true, panicThreshold: 0)])
        _ = fixture.pick()
        for number in weights.indices where number != 1234 { fixture.setHealth(false, number) }
        for client in 0..<50 { #expect(fixture.address(client: fixture.hash(client)) == "10.0.4.210:80") }
    }

    @Test func verdictsOfClustersWithoutAChecksAreIgnored() throws {
        var fixture = try Fixture([cluster(.roundRobin, weights: [1, 1])])
        fixture.setHealth(false, 0)
        #expect(fixture.shares(of: 10) == [5, 5])
    }

    @Test(arguments: policies)
    func healthSurvivesAReload(policy: Configuration.Cluster.LoadBalancer) throws {
        var fixture = try Fixture([cluster(policy, weights: [1, 1, 1], checked: true)])
        fixture.setHealth(false, 1)
        _ = fixture.pick()
        try fixture.reload([cluster(policy, weights: [1, 1, 1, 1], numbers: [5, 1, 0, 2], checked: true)])
        let shares = fixture.shares(of: 1000)
        #expect(shares[1] == 0 && shares[0] > 100, "\(shares)")
    }

    /// Any sequence of verdicts: never an unhealthy pick outside panic, panic exactly below the threshold, and all
    /// healthy ones are met.
    @Test(arguments: policies)
    func randomVerdicts(policy: Configuration.Cluster.LoadBalancer) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var source = SmallRandom(seed: seed)
        for round in 0..<10 {
            let weights = (0..<(1 + source.below(40))).map { _ in 1 + source.below(5) }
            let threshold = Double(source.below(101)) / 100
            var fixture = try Fixture([cluster(policy, weights: weights, checked: true, panicThreshold: threshold)])
            var healthy = weights.map { _ in true }
            for _ in 0..<100 {
                let number = source.below(weights.count)
                healthy[number].toggle()
                fixture.setHealth(healthy[number], number)
                let count = healthy.count { $0 }
                let panic = Double(count) / Double(weights.count) < threshold - 1e-9
                let outcome = fixture.pick(clientHash: source.next())
                let note: Comment =
                    "\(policy), seed \(seed), round \(round), \(count) of \(weights.count), \(threshold)"
                switch outcome {
                case .none: #expect(count == 0 && !panic, note)
                case .endpoint(let endpoint, let isPanic):
                    #expect(isPanic == panic && (panic || healthy[fixture.number(endpoint)]), note)
                }
            }
        }
    }
}

extension Fixture {
    fileprivate mutating func isPanicking() -> Bool? {
        guard case .endpoint(_, let panic) = pick() else { return nil }
        return panic
    }
}
