import Model

/// One source port on loan from a `SourcePortLedger`. Given back exactly once, by `release` or `clashed`.
public struct SourcePortLease: Sendable, BitwiseCopyable {
    /// The port to bind.
    public let port: UInt16
    let place: UInt16
    let tuple: Int32
}

/// Which source ports one worker uses, for each pair of bound source address and destination.
///
/// A spoofed connection is bound to an explicit port, and its four addresses must be unique on the host, so the ledger
/// proposes ports that this worker does not use towards the destination. It knows nothing of other workers, of other
/// sockets and of TIME_WAIT: when the kernel refuses the port (EADDRINUSE, EADDRNOTAVAIL), `clashed` keeps it out for a
/// second and the caller takes another. Ports of the worker's own residue class (port mod workers) come first, so
/// workers meet only when one of them is short of ports.
///
/// Exact: a range of n ports gives n leases for one source and destination, the next gets nil, one release makes room
/// for one more. Successive ports walk through the range, so a port just given back is used again last. The walk is the
/// source's, whatever the destination (RFC 6056, algorithm 4, with the source alone in the hash): a service's address
/// and the endpoint behind it are one destination to the kernel after DNAT, and a port in TIME_WAIT towards the one
/// swallows the answers of a new connection to the other (early demux runs before the translation back).
///
/// Memory: about 250 bytes for each pair in use; from the fifth port on also a bitmap of the range.
public struct SourcePortLedger: Sendable {
    /// Ports by place: those of this worker's residue class first.
    private let ports: [UInt16]
    /// How many of `ports` are of the worker's own class.
    private let ownCount: Int
    private let key: UInt64
    private var walks: [UInt32]
    private var tuples: [SourcePortTuple] = []
    private var freeTuples: [Int32] = []
    private var tupleIndex: [SourcePortTuple.Key: Int32] = [:]
    private var sources: [IPAddress: SourceCount] = [:]
    private var bitmaps: PortBitmaps
    private var clashes: ClashQueue

    private struct SourceCount {
        var leases = 0
        /// Pairs that are known, be it for a clash only.
        var tuples = 0
    }

    /// Positions of walks; two sources in 4096 share one, which shortens their walks, no more.
    private static let walkCount = 4096

    /// A ledger for `range`; `worker` is in `0..<workers`. `seed`: secret to clients, so that they cannot guess ports.
    public init(range: PortRange, worker: Int, workers: Int, seed: UInt64) {
        let workers = max(workers, 1)
        let all = (range.first...range.last)
        let own = all.filter { Int($0) % workers == worker % workers }
        ports = own + all.filter { Int($0) % workers != worker % workers }
        ownCount = own.count
        key = StableHash.mix(seed)
        var random = SmallRandom(seed: seed)
        walks = (0..<Self.walkCount).map { _ in UInt32(truncatingIfNeeded: random.next()) >> 1 }
        bitmaps = PortBitmaps(bits: range.count)
        clashes = ClashQueue()
    }

    /// A port for a connection from `source` to `destination` at the monotonic time `now` (nanoseconds); nil: all are
    /// in use or have clashed within the last second.
    public mutating func lease(source: IPAddress, destination: SocketAddress, now: Int64) -> SourcePortLease? {
        forgetClashes(until: now)
        let index = tuple(SourcePortTuple.Key(source, destination, key: key))
        guard let place = freePlace(index) else { return nil }
        tuples[Int(index)].insert(place, &bitmaps)
        sources[source, default: SourceCount()].leases += 1
        return SourcePortLease(port: ports[Int(place)], place: place, tuple: index)
    }

    /// Leases a port that a connection taken over has already: `source` names it. nil when it is not of the range, or
    /// is on loan here.
    public mutating func claim(source: SocketAddress, destination: SocketAddress) -> SourcePortLease? {
        guard let place = place(of: source.port) else { return nil }
        let index = tuple(SourcePortTuple.Key(source.address, destination, key: key))
        let (range, isFree) = (place..<place + 1, tuples[Int(index)].count == 0)
        guard isFree || tuples[Int(index)].freePlace(in: range, from: place, bitmaps) != nil else { return nil }
        tuples[Int(index)].insert(UInt16(place), &bitmaps)
        sources[source.address, default: SourceCount()].leases += 1
        return SourcePortLease(port: source.port, place: UInt16(place), tuple: index)
    }

    /// The kernel refused the port: it is not proposed for this pair again within a second.
    public mutating func clashed(_ lease: SourcePortLease, now: Int64) {
        sources[tuples[Int(lease.tuple)].key.source]?.leases -= 1
        if let oldest = clashes.append(lease, until: now + Self.clashNanoseconds) { remove(oldest) }
    }

    /// The connection is over, or failed for another reason.
    public mutating func release(_ lease: SourcePortLease) {
        sources[tuples[Int(lease.tuple)].key.source]?.leases -= 1
        remove(lease)
    }

    /// Ports this worker has on loan for `source`, over all destinations.
    public func used(source: IPAddress) -> Int { sources[source]?.leases ?? 0 }

    /// Ports in the range: what one source can have towards one destination, over all workers.
    public var portCount: Int { ports.count }

    private static let clashNanoseconds: Int64 = 1_000_000_000

    private mutating func forgetClashes(until now: Int64) {
        while let lease = clashes.popExpired(now) { remove(lease) }
    }

    /// The pair's record, made if need be. One that gets no lease has all ports in use, so none is left empty.
    private mutating func tuple(_ key: SourcePortTuple.Key) -> Int32 {
        if let known = tupleIndex[key] { return known }
        sources[key.source, default: SourceCount()].tuples += 1
        let index: Int32
        if let free = freeTuples.popLast() {
            index = free
            tuples[Int(free)] = SourcePortTuple(key)
        } else {
            index = Int32(tuples.count)
            tuples.append(SourcePortTuple(key))
        }
        tupleIndex[key] = index
        return index
    }

    /// A place that is not taken, of the own class if there is one, and moves the walk behind it.
    private mutating func freePlace(_ index: Int32) -> UInt16? {
        let tuple = tuples[Int(index)]
        let hash = StableHash.mix(key ^ StableHash.of(tuple.key.source))
        let walk = Int(hash % UInt64(Self.walkCount))
        let start = Int(walks[walk]) &+ Int(hash >> 32)
        for range in [0..<ownCount, ownCount..<ports.count] where !range.isEmpty {
            let offset = start % range.count
            guard let place = tuple.freePlace(in: range, from: range.lowerBound + offset, bitmaps) else { continue }
            let distance = place - range.lowerBound - offset
            walks[walk] &+= UInt32(distance < 0 ? distance + range.count : distance) + 1
            return UInt16(place)
        }
        return nil
    }

    /// Both parts of `ports` are in ascending order.
    private func place(of port: UInt16) -> Int? {
        for range in [0..<ownCount, ownCount..<ports.count] {
            var (low, high) = (range.lowerBound, range.upperBound)
            while low < high {
                let middle = (low + high) / 2
                if ports[middle] < port { low = middle + 1 } else { high = middle }
            }
            if low < range.upperBound, ports[low] == port { return low }
        }
        return nil
    }

    private mutating func remove(_ lease: SourcePortLease) {
        let index = Int(lease.tuple)
        let wasInUse = tuples[index].remove(lease.place, &bitmaps)
        assert(wasInUse, "source port \(lease.port) given back twice")
        guard wasInUse, tuples[index].count == 0 else { return }
        let key = tuples[index].key
        tupleIndex.removeValue(forKey: key)
        freeTuples.append(lease.tuple)
        sources[key.source]?.tuples -= 1
        if sources[key.source]?.tuples == 0 { sources.removeValue(forKey: key.source) }
    }
}
