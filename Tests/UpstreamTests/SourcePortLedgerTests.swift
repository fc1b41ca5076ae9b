import Model
import Testing
import Upstream

@Suite struct SourcePortLedgerTests {
    private let source = IPAddress(v4: 0x0a01_0002)
    private let destination = SocketAddress(IPAddress(v4: 0x0a02_0003), 80)

    private func ledger(
        _ first: UInt16 = 10000, _ last: UInt16, worker: Int = 0, workers: Int = 1, seed: UInt64 = 1
    ) throws -> SourcePortLedger {
        SourcePortLedger(range: try #require(PortRange(first, last)), worker: worker, workers: workers, seed: seed)
    }

    /// A lease that must be there.
    private func lease(_ ledger: inout SourcePortLedger, now: Int64) throws -> SourcePortLease {
        let lease = ledger.lease(source: source, destination: destination, now: now)
        return try #require(lease)
    }

    @Test(arguments: [1, 2, 4, 5, 10, 64, 65, 1000])
    func givesExactlyTheRangeThenNothing(count: Int) throws {
        var ledger = try ledger(10000, UInt16(10000 + count - 1), worker: 1, workers: 3)
        let leases = (0..<count).compactMap { _ in ledger.lease(source: source, destination: destination, now: 0) }
        #expect(Set(leases.map(\.port)) == Set(10000..<UInt16(10000 + count)))
        #expect(ledger.used(source: source) == count)
        #expect(ledger.lease(source: source, destination: destination, now: 0) == nil)
        // Another destination, another source: their own ports.
        #expect(ledger.lease(source: source, destination: SocketAddress(destination.address, 81), now: 0) != nil)
        #expect(ledger.lease(source: .loopbackV6, destination: destination, now: 0) != nil)
        let middle = try #require(leases.dropFirst(count / 2).first)
        ledger.release(middle)
        let again = try lease(&ledger, now: 0)
        #expect(again.port == middle.port)
        #expect(ledger.lease(source: source, destination: destination, now: 0) == nil)
    }

    @Test func ownPortsComeFirst() throws {
        var ledger = try ledger(10000, 10029, worker: 2, workers: 3)
        let ports = (0..<30).compactMap { _ in ledger.lease(source: source, destination: destination, now: 0)?.port }
        #expect(ports.prefix(10).allSatisfy { $0 % 3 == 2 }, "\(ports)")
        #expect(Set(ports).count == 30)
    }

    /// Workers know of each other only through the kernel, here a set: together they still use every port once.
    @Test(arguments: [1, 7, 100])
    func workersShareTheRangeThroughTheKernelAlone(count: Int) throws {
        var ledgers = try (0..<3).map { try ledger(10000, UInt16(9999 + count), worker: $0, workers: 3, seed: 9) }
        var kernel: Set<UInt16> = []
        var clashes = 0
        for turn in 0..<count * 6 {
            while let lease = ledgers[turn % 3].lease(source: source, destination: destination, now: 0) {
                if kernel.insert(lease.port).inserted { break }
                ledgers[turn % 3].clashed(lease, now: 0)
                clashes += 1
            }
            // Taking turns, nobody runs out of the own class before nearly all ports are in use.
            if kernel.count <= count / 3 * 3 - 3 { #expect(clashes == 0, "after \(kernel.count) of \(count) ports") }
        }
        #expect(kernel.count == count)
        #expect(ledgers.reduce(0) { $0 + $1.used(source: source) } == count)
    }

    @Test func aPortJustGivenBackIsUsedAgainLast() throws {
        var ledger = try ledger(10000, 10099)
        var order: [UInt16] = []
        for _ in 0..<300 {
            let lease = try lease(&ledger, now: 0)
            order.append(lease.port)
            ledger.release(lease)
        }
        for start in 0..<200 { #expect(Set(order[start..<start + 100]).count == 100, "from connection \(start)") }
    }

    @Test func startsAreRandom() throws {
        let firsts = try (UInt64(1)...20).map {
            var ledger = try ledger(10000, 19999, seed: $0)
            return ledger.lease(source: source, destination: destination, now: 0)?.port
        }
        #expect(Set(firsts).count > 15, "\(firsts)")
    }

    @Test func clashedPortsRestForASecond() throws {
        let second: Int64 = 1_000_000_000
        var ledger = try ledger(10000, 10001)
        let first = try lease(&ledger, now: 0)
        ledger.clashed(first, now: 0)
        #expect(ledger.used(source: source) == 0)
        let other = try lease(&ledger, now: 1)
        #expect(other.port != first.port)
        #expect(ledger.lease(source: source, destination: destination, now: second - 1) == nil)
        let again = try lease(&ledger, now: second)
        #expect(again.port == first.port)
        #expect(ledger.used(source: source) == 2)
    }

    @Test func aStormOfClashesIsBounded() throws {
        var ledger = try ledger(1, 65535)
        for _ in 0..<65535 {
            let lease = try lease(&ledger, now: 0)
            ledger.clashed(lease, now: 0)
        }
        #expect(ledger.used(source: source) == 0)
        // Old clashes have been forgotten early to make room, so there are ports still.
        #expect(ledger.lease(source: source, destination: destination, now: 0) != nil)
    }

    private struct Held {
        let lease: SourcePortLease
        let pair: Int
    }

    /// Against sets of ports: no port twice, nil exactly when all are in use or resting, counts per source right.
    @Test(arguments: 0..<8)
    func agreesWithANaiveModel(round: Int) throws {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        let ports = 1 + random.below(round % 2 == 0 ? 12 : 150)
        let workers = 1 + random.below(4)
        var ledger = try ledger(
            20000, UInt16(20000 + ports - 1), worker: random.below(workers), workers: workers, seed: seed)
        let pairs = (0..<6).map { (IPAddress(v4: UInt32($0 % 2)), SocketAddress(destination.address, UInt16($0))) }
        var used = pairs.map { _ in Set<UInt16>() }
        var resting: [(pair: Int, port: UInt16, until: Int64)] = []
        var held: [Held] = []
        var now: Int64 = 0
        for step in 0..<4000 {
            now += Int64(random.below(20_000_000))
            resting.removeAll { $0.until <= now }
            let note: Comment = "seed \(seed), step \(step), \(ports) ports"
            // Phases of growth and of decline, so that both bitmaps and empty pairs occur.
            if random.below(100) < (step / 400 % 2 == 0 ? 70 : 30) || held.isEmpty {
                let pair = random.below(pairs.count)
                let out = used[pair].union(resting.filter { $0.pair == pair }.map(\.port))
                let lease = ledger.lease(source: pairs[pair].0, destination: pairs[pair].1, now: now)
                #expect((lease == nil) == (out.count == ports), note)
                guard let lease else { continue }
                #expect(!out.contains(lease.port) && (20000..<20000 + ports).contains(Int(lease.port)), note)
                used[pair].insert(lease.port)
                held.append(Held(lease: lease, pair: pair))
            } else {
                let entry = held.remove(at: random.below(held.count))
                used[entry.pair].remove(entry.lease.port)
                if random.below(5) == 0 {
                    ledger.clashed(entry.lease, now: now)
                    resting.append((entry.pair, entry.lease.port, now + 1_000_000_000))
                } else {
                    ledger.release(entry.lease)
                }
            }
            for parity in 0..<2 {
                let count = used.enumerated().reduce(0) { $0 + ($1.offset % 2 == parity ? $1.element.count : 0) }
                #expect(ledger.used(source: IPAddress(v4: UInt32(parity))) == count, note)
            }
        }
    }
}
