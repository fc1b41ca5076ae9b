import Model
import Testing

@testable import Upstream

/// Balancing goes on over reloads as if there were none, for clusters that stay as they are.
@Suite struct ReloadBalanceTests {
    /// Other clusters, so that indices, slots and state places around the one that stays move.
    private func others(_ random: inout SmallRandom) -> [Configuration.Cluster] {
        (0..<random.below(6)).map { _ in
            let weights = (0..<(1 + random.below(9))).map { _ in 1 + random.below(4) }
            let policy = policies[random.below(policies.count)]
            return cluster(policy, weights: weights, name: "other\(random.below(20))", checked: random.below(2) == 0)
        }.reduce(into: []) { list, next in
            if !list.contains(where: { $0.name == next.name }) { list.append(next) }
        }
    }

    @Test(arguments: [[1, 1, 1, 1, 1], [3, 1, 2], [5, 1, 1, 3], [7, 2, 2, 2, 11, 1]])
    func roundRobinIsExactOverReloads(weights: [Int]) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        let stays = cluster(.roundRobin, weights: weights, name: "stays")
        var fixture = try Fixture([stays], seed: seed)
        var index = Fixture.first
        let period = weights.reduce(0, +)
        for round in 0..<30 {
            var shares = weights.map { _ in 0 }
            for _ in 0..<period {
                if random.below(2) == 0 {
                    var clusters = others(&random)
                    index = Fixture.first + random.below(clusters.count + 1)
                    clusters.insert(stays, at: index - Fixture.first)
                    try fixture.reload(clusters)
                    for other in clusters.indices where Fixture.first + other != index {
                        _ = fixture.pick(Fixture.first + other)
                    }
                }
                guard case .endpoint(let picked, _) = fixture.pick(index) else { continue }
                shares[fixture.number(picked, index)] += 1
            }
            #expect(shares == weights, "seed \(seed), round \(round)")
        }
    }

    @Test func roundRobinAmongTheHealthyIsExactOverReloads() throws {
        let stays = cluster(.roundRobin, weights: [1, 1, 1, 1, 1, 1], name: "stays", checked: true)
        var fixture = try Fixture([stays])
        _ = fixture.pick()
        for number in [4, 0] { fixture.setHealth(false, number) }
        // One pick, then a reload, and so on: no order of the healthy ones may begin anew.
        for _ in 0..<5 {
            var seen: [Int] = []
            for _ in 0..<4 {
                guard case .endpoint(let picked, let panic) = fixture.pick() else { continue }
                seen.append(fixture.number(picked))
                #expect(!panic)
                try fixture.reload([stays])
            }
            #expect(seen.sorted() == [1, 2, 3, 5])
        }
    }

    @Test func theOrderOfTheHealthyDoesNotDependOnHowItCameAbout() {
        let order: [UInt32] = [7, 3, 5, 1, 9, 4]
        let table = RecordTable(order)
        var random = SmallRandom(seed: 5)
        var unhealthy: Set<UInt32> = []
        var members: [UInt32] = [99] + order
        for _ in 0..<200 {
            let member = order[random.below(order.count)]
            if unhealthy.remove(member) == nil { unhealthy.insert(member) }
            let count = HealthOrder.apply(to: &members, base: 1, 0..<order.count, order: table.view) {
                !unhealthy.contains($0)
            }
            #expect(count == order.count - unhealthy.count)
            #expect(Array(members[1..<1 + count]) == order.filter { !unhealthy.contains($0) })
            #expect(Set(members) == Set(order + [99]) && members[0] == 99)
        }
    }

    @Test func verdictsSinceTheTablesWereMadeAreSeen() throws {
        var fixture = try Fixture([cluster(.roundRobin, weights: [1, 1, 1], checked: true)])
        let snapshot = try fixture.compiler.compile(
            Configuration(clusters: [cluster(.roundRobin, weights: [1, 1, 1], checked: true)]),
            oldestGenerationInUse: 1)
        let tables = ClusterTables(snapshot, reusing: fixture.tables)
        fixture.setHealth(false, 1)
        (fixture.snapshot, fixture.tables) = (snapshot, tables)
        fixture.picker.adopt(tables)
        #expect(fixture.shares(of: 10) == [5, 0, 5])
        fixture.setHealth(true, 1)
        #expect(fixture.shares(of: 9) == [3, 3, 3])
    }

    @Test func aClusterThatGetsAnothersSlotStartsAfresh() throws {
        let old = cluster(.roundRobin, weights: [1, 1000], name: "old")
        var fixture = try Fixture([old])
        for _ in 0..<500 { _ = fixture.pick() }
        let slot = fixture.snapshot.clusters[Fixture.first].slot
        try fixture.reload([])
        try fixture.reload([])
        let new = cluster(.roundRobin, weights: [1, 1], name: "new")
        try fixture.reload([new])
        #expect(fixture.snapshot.clusters[Fixture.first].slot == slot)
        for _ in 0..<3 { #expect(fixture.shares(of: 2) == [1, 1]) }
    }

    @Test func placesOfStatesAreUsedAgain() throws {
        var fixture = try Fixture([cluster(.roundRobin, weights: [1, 2, 3], checked: true)])
        for round in 0..<50 {
            try fixture.reload([
                cluster(.roundRobin, weights: [4 + round, 5 + round, 6 + round], name: "c\(round)", checked: true)
            ])
            fixture.setHealth(false, round % 3)
            _ = fixture.pick()
        }
        let picker = fixture.picker
        // A cluster's slot is known for two generations after it is gone.
        let counts = [picker.groups.values.count, picker.members.values.count, picker.parts.values.count]
        #expect(counts.allSatisfy { $0 <= 32 }, "\(counts)")
    }

    @Test func arenasHandOutWhatIsFreeAndNothingTwice() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        var arena = Arena<UInt32>()
        var blocks: [(place: Int32, count: Int, value: UInt32)] = []
        for step in UInt32(0)..<3000 {
            if random.below(2) == 0 || blocks.isEmpty {
                let count = random.below(40)
                blocks.append((arena.take(count, step), count, step))
            } else {
                let block = blocks.remove(at: random.below(blocks.count))
                for offset in 0..<block.count {
                    #expect(arena.values[Int(block.place) + offset] == block.value, "seed \(seed)")
                }
                arena.giveBack(block.place, block.count)
            }
        }
        #expect(arena.values.count < 20000, "seed \(seed)")
    }
}
