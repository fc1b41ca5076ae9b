import Model

/// What one worker remembers of the destinations where first bytes decide: who speaks first there, and what.
///
/// A pure value of bounded size. A destination hashes to a bucket of a few places; a new one takes the place that was
/// used longest ago. What was not seen for `lifetime` is forgotten, so nothing that is wrong stays wrong.
struct SpokenProtocols {
    struct Place: BitwiseCopyable {
        var destination = SocketAddress(.anyV4, 0)
        /// Monotonic nanoseconds: a client, a server was seen to speak first; 0: never.
        var clientSeen: Int64 = 0
        var serverSeen: Int64 = 0
        var latest = SpokenProtocol.bytes

        /// When it was used last.
        var seen: Int64 { max(clientSeen, serverSeen) }
    }

    /// How long what was seen holds.
    static let lifetime: Int64 = 600_000_000_000
    private static let bucketSize = 4
    private static let bucketCount = 1024

    /// What a connection's destination is remembered by. An explicit listener is known by its slot: several may have been
    /// asked for under one address, with port 0.
    static func key(_ record: ConnectionRecord) -> SocketAddress {
        record.direction == .listener ? key(listener: Int(record.listener)) : record.originalDestination
    }

    /// No destination has port 0.
    static func key(listener slot: Int) -> SocketAddress {
        SocketAddress(IPAddress(high: 0, low: UInt64(slot)), 0)
    }

    /// Empty until something is learned.
    private var places: [Place] = []

    /// Whether a client that is silent will probably speak: clients did before servers, and no server did before its
    /// client. A destination where either may happen is one where nobody is waited for.
    func awaitsClients(_ destination: SocketAddress, now: Int64) -> Bool {
        guard let place = find(destination) else { return false }
        return place.clientSeen != 0 && now - place.clientSeen < Self.lifetime && !isAlive(place.serverSeen, now)
    }

    /// What was seen, unless it is too long ago.
    func learned(of destination: SocketAddress, now: Int64) -> LearnedProtocol? {
        guard let place = find(destination), isAlive(place.seen, now) else { return nil }
        return LearnedProtocol(
            latest: place.latest, age: now - place.seen, awaitsClients: awaitsClients(destination, now: now))
    }

    /// Takes in what a connection turned out to speak.
    mutating func learn(_ spoken: SpokenProtocol, at destination: SocketAddress, now: Int64) {
        if places.isEmpty {
            places = Array(repeating: Place(), count: Self.bucketSize * Self.bucketCount)
        }
        let index = place(for: destination)
        places[index].latest = spoken
        if spoken == .serverFirst { places[index].serverSeen = now } else { places[index].clientSeen = now }
    }

    private func isAlive(_ seen: Int64, _ now: Int64) -> Bool { seen != 0 && now - seen < Self.lifetime }

    private func bucket(_ destination: SocketAddress) -> Range<Int> {
        var bits = destination.address.high ^ destination.address.low &* 0x9e37_79b9_7f4a_7c15
        bits = (bits ^ UInt64(destination.port)) &* 0xff51_afd7_ed55_8ccd
        let first = Int(truncatingIfNeeded: (bits ^ bits >> 33) % UInt64(Self.bucketCount)) * Self.bucketSize
        return first..<first + Self.bucketSize
    }

    private func find(_ destination: SocketAddress) -> Place? {
        guard !places.isEmpty else { return nil }
        for index in bucket(destination) where places[index].destination == destination { return places[index] }
        return nil
    }

    /// Its place, or else that of the one in its bucket that was used longest ago.
    private mutating func place(for destination: SocketAddress) -> Int {
        let bucket = bucket(destination)
        var oldest = bucket.lowerBound
        for index in bucket {
            if places[index].destination == destination { return index }
            if places[index].seen < places[oldest].seen { oldest = index }
        }
        places[oldest] = Place(destination: destination)
        return oldest
    }
}
