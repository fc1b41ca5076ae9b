import Model
import Testing

@testable import Upstream

@Suite struct ConnectionPoolTests {
    static let second: Int64 = 1_000_000_000

    private func key(_ number: Int, pod: Int32 = -1, source: UInt32? = nil) -> PoolKey {
        PoolKey(
            endpointSlot: Int32(number), address: SocketAddress(IPAddress(v4: 0x0a00_0000 + UInt32(number)), 80),
            source: source.map { IPAddress(v4: $0) }, pod: pod)
    }

    @Test func theLastOnePutInComesOutFirst() {
        var pool = ConnectionPool(idleMax: 10)
        for connection in UInt32(1)...3 { #expect(pool.put(connection, key(1), now: 0, expires: 100) == nil) }
        #expect(pool.take(key(2)) == nil)
        let taken = [pool.take(key(1)), pool.take(key(1)), pool.take(key(1)), pool.take(key(1))]
        #expect(taken == [3, 2, 1, nil])
        #expect(pool.count == 0)
    }

    /// Each part of the key keeps connections apart, the identity of the client before all.
    @Test func everyPartOfTheKeyCounts() {
        let base = PoolKey(
            endpointSlot: 1, address: SocketAddress(IPAddress(v4: 1), 80), source: IPAddress(v4: 9), pod: 1,
            protocolNumber: 1, protectedHost: 1)
        var others = [PoolKey](repeating: base, count: 7)
        others[0].endpointSlot = 2
        others[1].address.port = 81
        others[2].address.address = IPAddress(v4: 2)
        others[3].source = nil
        others[4].pod = 2
        others[5].protocolNumber = 2
        others[6].protectedHost = 2
        var pool = ConnectionPool(idleMax: 10)
        _ = pool.put(7, base, now: 0, expires: 100)
        for other in others { #expect(pool.take(other) == nil, "\(other)") }
        #expect(pool.take(base) == 7)
    }

    @Test func theOldestIsEvictedAndALimitOfZeroHoldsNothing() {
        var pool = ConnectionPool(idleMax: 2)
        #expect(pool.put(1, key(1), now: 0, expires: 50) == nil)
        #expect(pool.put(2, key(2), now: 1, expires: 20) == nil)
        #expect(pool.put(3, key(1), now: 2, expires: 90) == 1, "put in first, though another one expires before")
        #expect(pool.take(key(1)) == 3)
        var none = ConnectionPool(idleMax: 0)
        #expect(none.put(5, key(1), now: 0, expires: 50) == 5)
        #expect(none.count == 0)
    }

    @Test func whatExpiresIsClosedInTheOrderOfExpiry() {
        var pool = ConnectionPool(idleMax: 10)
        for (connection, expires) in [(UInt32(1), Int64(30)), (2, 10), (3, 20)] {
            _ = pool.put(connection, key(1), now: 0, expires: expires)
        }
        #expect(pool.nextExpiry == 10)
        #expect(pool.expired(9) == nil)
        let expired = [pool.expired(25), pool.expired(25), pool.expired(25)]
        #expect(expired == [2, 3, nil])
        #expect(pool.nextExpiry == 30)
    }

    /// Any sequence of events, against a list.
    @Test func behavesLikeAList() {
        let seed = UInt64.random(in: 0 ... .max)
        var random = SmallRandom(seed: seed)
        for _ in 0..<60 {
            var model = Model(idleMax: 1 + random.below(40))
            var pool = ConnectionPool(idleMax: model.idleMax, seed: random.next())
            var now: Int64 = 0
            for step in 0..<600 {
                now += Int64(random.below(3))
                let number = random.below(6)
                let key = key(number, pod: Int32(random.below(4)) - 1, source: random.below(2) == 0 ? nil : 7)
                let connection = UInt32(random.below(80))
                let note: Comment = "seed \(seed), step \(step)"
                switch random.below(12) {
                case 0..<5 where !model.contains(connection):
                    let expires = now + Int64(random.below(200))
                    #expect(
                        pool.put(connection, key, now: now, expires: expires)
                            == model.put(connection, key, expires), note)
                case 5, 6, 7: #expect(pool.take(key) == model.take(key), note)
                case 8: #expect(pool.remove(connection) == model.remove(connection), note)
                case 9:
                    let expired = pool.expired(now)
                    #expect(model.mayExpire(expired, now), note)
                    if let expired { _ = model.remove(expired) }
                case 10:
                    let pod = Int32(random.below(4)) - 1
                    while let gone = pool.removeAny(pod: pod) {
                        #expect(model.key(gone)?.pod == pod && model.remove(gone), note)
                    }
                    #expect(!model.entries.contains { $0.key.pod == pod }, note)
                case 11 where random.below(4) == 0:
                    while let gone = pool.removeAny(endpointSlot: Int32(number)) {
                        #expect(model.key(gone)?.endpointSlot == Int32(number) && model.remove(gone), note)
                    }
                    #expect(!model.entries.contains { $0.key.endpointSlot == Int32(number) }, note)
                default: break
                }
                #expect(pool.count == model.entries.count, note)
                #expect(pool.nextExpiry == model.entries.map(\.expires).min(), note)
            }
            while let gone = pool.removeAny() {
                #expect(gone == model.entries.removeFirst().connection, "seed \(seed)")
            }
            #expect(model.entries.isEmpty, "seed \(seed)")
        }
    }

    /// Thousands of keys and connections: no entry is lost or found twice when the table grows.
    @Test func manyKeysAndConnections() {
        var pool = ConnectionPool(idleMax: 20000)
        for connection in UInt32(0)..<20000 {
            _ = pool.put(connection, key(Int(connection) % 7000), now: 0, expires: 9)
        }
        #expect(pool.count == 20000)
        for number in 0..<7000 {
            var last: UInt32 = .max
            while let taken = pool.take(key(number)) {
                #expect(Int(taken) % 7000 == number && taken < last)
                last = taken
            }
        }
        #expect(pool.count == 0)
    }
}

/// The pool as one would write it without regard to cost: connections in the order in which they were put in.
private struct Model {
    let idleMax: Int
    var entries: [(connection: UInt32, key: PoolKey, expires: Int64)] = []

    init(idleMax: Int) { self.idleMax = idleMax }

    func contains(_ connection: UInt32) -> Bool { key(connection) != nil }

    func key(_ connection: UInt32) -> PoolKey? { entries.first { $0.connection == connection }?.key }

    mutating func put(_ connection: UInt32, _ key: PoolKey, _ expires: Int64) -> UInt32? {
        let evicted = entries.count >= idleMax ? entries.removeFirst().connection : nil
        entries.append((connection, key, expires))
        return evicted
    }

    mutating func take(_ key: PoolKey) -> UInt32? {
        entries.lastIndex { $0.key == key }.map { entries.remove(at: $0).connection }
    }

    mutating func remove(_ connection: UInt32) -> Bool {
        guard let index = entries.firstIndex(where: { $0.connection == connection }) else { return false }
        entries.remove(at: index)
        return true
    }

    /// Whether this is an answer to what has expired: one of those that expired first, or none if none has.
    func mayExpire(_ connection: UInt32?, _ now: Int64) -> Bool {
        let first = entries.map(\.expires).min()
        guard let connection else { return first.map { $0 > now } ?? true }
        return entries.first { $0.connection == connection }?.expires == first && first.map { $0 <= now } ?? false
    }
}
