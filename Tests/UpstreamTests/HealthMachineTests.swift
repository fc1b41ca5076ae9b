import Model
import Testing
import Upstream

@Suite struct HealthMachineTests {
    private func record(
        interval: Duration = .seconds(2), unhealthyAfter: Int = 3, healthyAfter: Int = 2
    ) throws -> HealthCheckRecord {
        var check = Fixture.check
        check.interval = interval
        check.unhealthyAfter = unhealthyAfter
        check.healthyAfter = healthyAfter
        var cluster = cluster(.random, weights: [1])
        cluster.healthCheck = check
        let fixture = try Fixture([cluster])
        return try #require(fixture.snapshot.clusters[Fixture.first].healthCheck)
    }

    @Test func firstResultDecidesAtOnce() throws {
        var machine = HealthMachine(try record())
        #expect(machine.isHealthy)
        #expect(machine.failed() == .unhealthy)
        #expect(machine.failed() == nil)
        #expect(machine.passed() == nil)
        #expect(machine.passed() == .healthy)

        var other = HealthMachine(try record())
        #expect(other.passed() == nil)
        #expect(other.failed() == nil)
        #expect(other.failed() == nil)
        #expect(other.failed() == .unhealthy)
        #expect(!other.isHealthy)
    }

    @Test func onlyResultsInARowCount() throws {
        var machine = HealthMachine(try record())
        #expect(machine.passed() == nil)
        for _ in 0..<10 {
            #expect(machine.failed() == nil)
            #expect(machine.failed() == nil)
            #expect(machine.passed() == nil)
        }
        #expect(machine.isHealthy)
    }

    @Test func aReloadKeepsTheVerdictAndTakesTheNewThresholds() throws {
        var machine = HealthMachine(try record())
        #expect(machine.failed() == .unhealthy)
        machine.adopt(try record(healthyAfter: 1))
        #expect(!machine.isHealthy)
        #expect(machine.passed() == .healthy)
    }

    @Test func checksSpreadOverTheInterval() throws {
        let machine = HealthMachine(try record())
        let second: Int64 = 1_000_000_000
        var random = SmallRandom(seed: 1)
        let firsts = (0..<1000).map { _ in machine.firstCheckDelay(random: &random) }
        #expect(firsts.allSatisfy { (0..<2 * second).contains($0) })
        for quarter in 0..<4 {
            let from = Int64(quarter) * second / 2
            #expect(firsts.count { (from..<from + second / 2).contains($0) } > 150)
        }
        let delays = (0..<1000).map { _ in machine.nextCheckDelay(elapsed: second / 2, random: &random) }
        #expect(delays.allSatisfy { (second * 13 / 10...second * 17 / 10).contains($0) })
        #expect(Set(delays).count > 900)
        #expect(machine.nextCheckDelay(elapsed: 10 * second, random: &random) == 1_000_000)
    }

    @Test func eachEndpointHasOneOwnerAndOwnersShareAlike() {
        var shares = [0, 0, 0, 0]
        for slot in 0..<4000 { shares[HealthOwner.worker(endpointSlot: slot, workers: 4)] += 1 }
        #expect(shares.allSatisfy { $0 > 850 && $0 < 1150 }, "\(shares)")
        #expect(HealthOwner.worker(endpointSlot: 7, workers: 1) == 0)
    }
}
