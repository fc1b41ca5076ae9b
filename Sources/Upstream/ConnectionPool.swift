import Model
import Synchronization

/// One worker's idle upstream connections, by key: which to use again, which to close. A pure value: connections are
/// slab indices, time is passed in, and whoever owns the pool closes what it says.
///
/// The last one put in for a key comes out first: what is used often stays warm, what is not needed ages and expires.
/// Every connection is in five orders at once, all by links in its entry (an entry lies at its connection's index), so
/// that nothing allocates once the arrays have grown to the slab's size:
/// * a stack with the others of its key; tops of stacks are chained by the key's hash,
/// * all connections by age, for the limit,
/// * a heap by expiry,
/// * all of its pod, all of its endpoint.
public struct ConnectionPool: ~Copyable, Sendable {
    /// Keeps the pool where it is: with an atomic in it, it is lent by its address, and not copied for calls that only read.
    private let anchor = Atomic<UInt8>(0)
    struct Entry: BitwiseCopyable, Sendable {
        var key: PoolKey
        var hash: UInt32
        var expires: Int64
        /// In `heap`; -1: this entry is not in use.
        var heapPlace: Int32 = -1
        /// Whether it is the top of its stack: then the order `chain` links it with other tops of its bucket.
        var isTop = true
    }

    /// See above.
    private enum Order: Int { case stack, chain, age, pod, endpoint }
    private static let orderCount = 5

    /// Neighbours in one order; `none`: there is none.
    struct Link: BitwiseCopyable, Sendable {
        /// Towards the top of a stack, the older, the head of a list.
        var previous = ConnectionPool.none
        var next = ConnectionPool.none
    }

    /// No connection: a slab never has that many.
    static let none = UInt32.max

    /// By connection.
    var entries = RecordList<Entry>()
    /// By connection, one for each order.
    private var links = RecordList<Link>()
    /// Connections, the one that expires first at the front.
    var heap = RecordList<UInt32>()
    /// By hash: the first top of the bucket. A power of two.
    private var buckets: RecordList<UInt32>
    /// The connection put in first and last.
    private var oldest = none, newest = none
    /// By slot + 1 (connections without one have -1): the first of the list.
    private var podHeads = RecordList<UInt32>(), endpointHeads = RecordList<UInt32>()
    private let idleMax: Int
    private let hashKey: UInt64

    private static let bucketsMin = 64

    /// An empty pool that holds up to `idleMax` connections. `seed` keys its hashes.
    public init(idleMax: Int, seed: UInt64 = .random(in: 0 ... .max)) {
        self.idleMax = max(0, idleMax)
        hashKey = seed
        buckets = RecordList(repeating: Self.none, count: Self.bucketsMin)
    }

    /// Idle connections in it.
    public var count: Int { heap.count }

    /// When the next connection expires; nil: there is none.
    public var nextExpiry: Int64? { heap.first.map { entries[Int($0)].expires } }

    /// Takes out a connection for this key: the one put in last.
    public mutating func take(_ key: PoolKey) -> UInt32? {
        let hash = key.hash(under: hashKey)
        guard let top = top(of: key, hash) else { return nil }
        unlink(top)
        return top
    }

    /// Puts in a connection that nobody uses, until the time `expires`. Returns one that has to be closed to make room:
    /// the oldest, or this one when the pool holds none at all. A connection that is in it already is a bug of the
    /// caller's and changes nothing.
    public mutating func put(_ connection: UInt32, _ key: PoolKey, now: Int64, expires: Int64) -> UInt32? {
        guard idleMax > 0 else { return connection }
        assert(!contains(connection), "connection \(connection) put into the pool twice")
        guard !contains(connection) else { return nil }
        let evicted = count >= idleMax ? oldest : Self.none
        if evicted != Self.none { unlink(evicted) }
        link(connection, key, expires: max(expires, now))
        return evicted == Self.none ? nil : evicted
    }

    /// Takes out this connection, e.g. because its peer has closed it. False: it is not in the pool.
    public mutating func remove(_ connection: UInt32) -> Bool {
        guard contains(connection) else { return false }
        unlink(connection)
        return true
    }

    /// Takes out a connection whose time is over; nil: no more.
    public mutating func expired(_ now: Int64) -> UInt32? {
        guard let first = heap.first, entries[Int(first)].expires <= now else { return nil }
        unlink(first)
        return first
    }

    /// Takes out a connection of the pod with this slot; nil: no more.
    public mutating func removeAny(pod slot: Int32) -> UInt32? { takeOut(Self.first(podHeads, slot)) }

    /// Takes out a connection to the endpoint with this slot; nil: no more.
    public mutating func removeAny(endpointSlot slot: Int32) -> UInt32? { takeOut(Self.first(endpointHeads, slot)) }

    /// Takes out the oldest connection; nil: no more.
    public mutating func removeAny() -> UInt32? { takeOut(oldest) }

    /// Whether this connection is in it.
    public func contains(_ connection: UInt32) -> Bool {
        Int(connection) < entries.count && entries[Int(connection)].heapPlace >= 0
    }

    private mutating func takeOut(_ connection: UInt32) -> UInt32? {
        guard connection != Self.none else { return nil }
        unlink(connection)
        return connection
    }

    /// The first of a slot's list, if there is one.
    private static func first(_ heads: borrowing RecordList<UInt32>, _ slot: Int32) -> UInt32 {
        let place = Int(slot) + 1
        return heads.indices.contains(place) ? heads[place] : none
    }
}

// MARK: - keys

extension ConnectionPool {
    private func bucket(_ hash: UInt32) -> Int { Int(hash) & (buckets.count - 1) }

    /// The top of the key's stack.
    private func top(of key: PoolKey, _ hash: UInt32) -> UInt32? {
        var at = buckets[bucket(hash)]
        while at != Self.none {
            if entries[Int(at)].hash == hash, entries[Int(at)].key == key { return at }
            at = self[at, .chain].next
        }
        return nil
    }

    private mutating func chain(_ connection: UInt32) {
        let bucket = bucket(entries[Int(connection)].hash)
        insert(connection, before: buckets[bucket], .chain)
        buckets[bucket] = connection
        entries[Int(connection)].isTop = true
    }

    private mutating func unchain(_ connection: UInt32) {
        let bucket = bucket(entries[Int(connection)].hash)
        if buckets[bucket] == connection { buckets[bucket] = self[connection, .chain].next }
        cut(connection, .chain)
        entries[Int(connection)].isTop = false
    }

    private mutating func push(_ connection: UInt32) {
        if let below = top(of: entries[Int(connection)].key, entries[Int(connection)].hash) {
            unchain(below)
            insert(connection, before: below, .stack)
        }
        chain(connection)
    }

    private mutating func pop(_ connection: UInt32) {
        let below = self[connection, .stack].next
        let wasTop = entries[Int(connection)].isTop
        if wasTop { unchain(connection) }
        cut(connection, .stack)
        if wasTop, below != Self.none { chain(below) }
    }

    /// Twice as many buckets: there are no more tops than connections.
    private mutating func growBuckets() {
        buckets = RecordList(repeating: Self.none, count: buckets.count * 2)
        for place in heap.indices {
            let connection = heap[place]
            guard entries[Int(connection)].isTop else { continue }
            self[connection, .chain] = Link()
            chain(connection)
        }
    }
}

// MARK: - links

extension ConnectionPool {
    private mutating func link(_ connection: UInt32, _ key: PoolKey, expires: Int64) {
        makeRoom(for: connection, key, expires: expires)
        if count >= buckets.count { growBuckets() }
        entries[Int(connection)].expires = expires
        addToHeap(connection)
        push(connection)
        self[connection, .age].previous = newest
        if newest == Self.none { oldest = connection } else { self[newest, .age].next = connection }
        newest = connection
        insert(connection, before: Self.head(&podHeads, key.pod), .pod)
        podHeads[Int(key.pod) + 1] = connection
        insert(connection, before: Self.head(&endpointHeads, key.endpointSlot), .endpoint)
        endpointHeads[Int(key.endpointSlot) + 1] = connection
    }

    /// An entry for the connection. What has been in the pool before nearly always comes back under its key, whose hash
    /// is known then.
    private mutating func makeRoom(for connection: UInt32, _ key: PoolKey, expires: Int64) {
        let place = Int(connection)
        if place < entries.count, entries[place].key == key { return }
        let entry = Entry(key: key, hash: key.hash(under: hashKey), expires: expires)
        entries.append(repeating: entry, count: place + 1 - entries.count)
        links.append(repeating: Link(), count: entries.count * Self.orderCount - links.count)
        entries[place] = entry
    }

    /// The first of a slot's list; makes room for the slot.
    private static func head(_ heads: inout RecordList<UInt32>, _ slot: Int32) -> UInt32 {
        let place = Int(slot) + 1
        heads.append(repeating: none, count: place + 1 - heads.count)
        return heads[place]
    }

    private mutating func unlink(_ connection: UInt32) {
        let (podSlot, endpointSlot) = (entries[Int(connection)].key.pod, entries[Int(connection)].key.endpointSlot)
        removeFromHeap(connection)
        pop(connection)
        let age = cut(connection, .age)
        if oldest == connection { oldest = age.next }
        if newest == connection { newest = age.previous }
        let pod = cut(connection, .pod)
        if pod.previous == Self.none { podHeads[Int(podSlot) + 1] = pod.next }
        let endpoint = cut(connection, .endpoint)
        if endpoint.previous == Self.none { endpointHeads[Int(endpointSlot) + 1] = endpoint.next }
    }

    private subscript(connection: UInt32, order: Order) -> Link {
        get { links[Int(connection) * Self.orderCount + order.rawValue] }
        _modify { yield &links[Int(connection) * Self.orderCount + order.rawValue] }
    }

    private mutating func insert(_ connection: UInt32, before next: UInt32, _ order: Order) {
        self[connection, order] = Link(next: next)
        if next != Self.none { self[next, order].previous = connection }
    }

    /// Takes a connection out of an order. Returns its neighbours there.
    @discardableResult
    private mutating func cut(_ connection: UInt32, _ order: Order) -> Link {
        let link = self[connection, order]
        if link.previous != Self.none { self[link.previous, order].next = link.next }
        if link.next != Self.none { self[link.next, order].previous = link.previous }
        self[connection, order] = Link()
        return link
    }
}
