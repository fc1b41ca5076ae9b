import Synchronization

/// The endpoints that one cluster has at one time. Immutable; shared between generations for as long as they stay the
/// same, and replaced on their own when discovery finds others.
public final class EndpointSet: Sendable {
    /// As configured or discovered.
    public let endpoints: [Configuration.Endpoint]
    /// The same in the same order, as workers see them.
    public let records: RecordTable<EndpointRecord>

    init(_ endpoints: [Configuration.Endpoint], _ records: [EndpointRecord]) {
        self.endpoints = endpoints
        self.records = RecordTable(records)
    }

    /// Of clusters that have no endpoints of their own.
    static let none = EndpointSet([], [])
}

/// An endpoint as workers see it.
public struct EndpointRecord: Sendable, BitwiseCopyable, Equatable {
    /// Where it listens.
    public let address: SocketAddress
    private let weightBits: UInt16
    private let slotBits: UInt32

    /// An endpoint.
    public init(slot: Int, address: SocketAddress, weight: Int) {
        slotBits = UInt32(slot)
        self.address = address
        // Validation keeps weights in 1...1000; a zero would be an endpoint that is never picked, silently.
        weightBits = UInt16(clamping: max(1, weight))
    }

    /// For the connection count and the health verdict; stable over reloads by (cluster, address).
    public var slot: Int { Int(slotBits) }
    /// 1...1000.
    public var weight: Int { Int(weightBits) }
}

/// What the clusters of one generation have now, by cluster index: as compiled, but for clusters whose endpoints have
/// been replaced since. For the control side; workers are told of each change.
final class EndpointSets: Sendable {
    private let sets: Mutex<[EndpointSet]>

    init(_ sets: [EndpointSet]) { self.sets = Mutex(sets) }

    subscript(cluster: Int) -> EndpointSet { sets.withLock { $0[cluster] } }

    func replace(_ cluster: Int, with set: EndpointSet) { sets.withLock { $0[cluster] = set } }
}

/// Other endpoints for one cluster, between two snapshots.
public struct EndpointUpdate: Sendable {
    /// Its place in the order of publication, among snapshots and other updates.
    public let generation: UInt64
    /// The cluster's index in the newest snapshot.
    public let cluster: Int
    /// What it had, and what it has from now on.
    public let old: EndpointSet, new: EndpointSet
    /// Slots of endpoints that it no longer has.
    public let gone: [UInt32]
}
