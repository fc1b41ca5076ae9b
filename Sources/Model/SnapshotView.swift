/// A snapshot as workers read it: bare bits, so that no connection costs a retain or release of anything shared. One
/// address: as a list of tables it was half a kilobyte, copied for each call that only looks something up.
/// Whoever keeps one keeps its `Snapshot`.
public struct SnapshotView: Sendable, BitwiseCopyable {
    /// See `Snapshot`.
    public let generation: UInt64
    /// One record, which lists all tables.
    @usableFromInline let all: RecordView<SnapshotTables>

    init(_ snapshot: Snapshot, _ all: RecordView<SnapshotTables>) {
        generation = snapshot.generation
        self.all = all
    }
}

/// Where the tables of one snapshot lie.
@usableFromInline struct SnapshotTables: Sendable, BitwiseCopyable {
    @usableFromInline let pods: RecordView<PodRecord>
    @usableFromInline let entries: RecordView<EntryRecord>
    @usableFromInline let clusters: RecordView<ClusterRecord>
    @usableFromInline let listeners: RecordView<ListenerRecord>
    @usableFromInline let httpListeners: RecordView<HTTPListenerRecord>
    let http2Limits: RecordView<Configuration.HTTP2Limits>
    @usableFromInline let filters: RecordView<FilterRecord>
    @usableFromInline let subsets: RecordView<SubsetRecord>
    @usableFromInline let hosts: RecordView<HostRecord>
    @usableFromInline let preservesSource: Bool
    @usableFromInline let memoryBytesMax: Int
    @usableFromInline let bufferBytesMax: RecordView<Int>
    let cidrs: RecordView<CIDR>
    let ports: RecordView<PortRange>
    let podCIDRs: RecordView<CIDR>
    let podPlaces: RecordView<AddressIndex.Place>
    let clusterBySlot: RecordView<Int32>
    let subsetsByIdentity: RecordView<Int32>
    let hostByID: RecordView<Int32>
    let listenerBySlot: RecordView<Int32>
    let listenerPorts: RecordView<UInt64>
}

extension SnapshotView {
    /// See `Snapshot`.
    @inlinable public var pods: RecordView<PodRecord> { all[0].pods }
    /// See `Snapshot`.
    @inlinable public var entries: RecordView<EntryRecord> { all[0].entries }
    /// See `Snapshot`.
    @inlinable public var clusters: RecordView<ClusterRecord> { all[0].clusters }
    /// See `Snapshot`.
    @inlinable public var listeners: RecordView<ListenerRecord> { all[0].listeners }
    /// See `Snapshot`.
    @inlinable public var httpListeners: RecordView<HTTPListenerRecord> { all[0].httpListeners }
    /// See `Snapshot`.
    public var http2Limits: RecordView<Configuration.HTTP2Limits> { all[0].http2Limits }
    /// See `Snapshot`.
    @inlinable public var filters: RecordView<FilterRecord> { all[0].filters }
    /// See `Snapshot`.
    @inlinable public var subsets: RecordView<SubsetRecord> { all[0].subsets }
    /// See `Snapshot`.
    @inlinable public var hosts: RecordView<HostRecord> { all[0].hosts }
    /// `interception.preserveSource`; false without interception.
    @inlinable public var preservesSource: Bool { all[0].preservesSource }
    /// See `Snapshot`.
    @inlinable public var memoryBytesMax: Int { all[0].memoryBytesMax }
    /// See `Snapshot`.
    @inlinable public var bufferBytesMax: RecordView<Int> { all[0].bufferBytesMax }
    private var cidrs: RecordView<CIDR> { all[0].cidrs }
    private var ports: RecordView<PortRange> { all[0].ports }
    private var podCIDRs: RecordView<CIDR> { all[0].podCIDRs }
    private var clusterBySlot: RecordView<Int32> { all[0].clusterBySlot }
    private var listenerBySlot: RecordView<Int32> { all[0].listenerBySlot }
    private var listenerPorts: RecordView<UInt64> { all[0].listenerPorts }
    var podPlaces: RecordView<AddressIndex.Place> { all[0].podPlaces }
    var hostByID: RecordView<Int32> { all[0].hostByID }
}

extension SnapshotView {
    /// This host's pod that has `address`: an index into `pods`, 0 for an unlisted one, nil when it is no local pod.
    public func pod(at address: IPAddress) -> Int? {
        if let index = AddressIndex.number(of: address, in: podPlaces) { return pods[index].host == 0 ? index : nil }
        return podCIDRs.indices.contains { podCIDRs[$0].contains(address) } ? Snapshot.unknownPod : nil
    }

    /// The first entry of the pod's outbound table that matches; nil: none, so on to the original destination.
    public func outboundEntry(pod: Int, destination: SocketAddress) -> Int? {
        firstMatch(pods[pod].outbound, address: destination.address, port: destination.port)
    }

    /// The first entry of the pod's inbound table that matches; nil: none, so on to the pod.
    public func inboundEntry(pod: Int, client: IPAddress, port: UInt16) -> Int? {
        firstMatch(pods[pod].inbound, address: client, port: port)
    }

    /// The cluster with this slot: an index into `clusters`.
    public func cluster(slot: Int) -> Int? { Self.index(slot, clusterBySlot) }

    /// The subset with this `SubsetRecord.identity`: an index into `subsets`; nil: no rule of this snapshot names it.
    public func subset(identity: UInt64) -> Int32? {
        var (lower, upper) = (0, all[0].subsetsByIdentity.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if subsets[Int(all[0].subsetsByIdentity[middle])].identity < identity {
                lower = middle + 1
            } else {
                upper = middle
            }
        }
        guard lower < all[0].subsetsByIdentity.count else { return nil }
        let index = all[0].subsetsByIdentity[lower]
        return subsets[Int(index)].identity == identity ? index : nil
    }

    /// The explicit listener with this slot: an index into `listeners`.
    public func listener(slot: Int) -> Int? { Self.index(slot, listenerBySlot) }

    /// Whether an explicit listener has this port: a quick no, before anybody looks at addresses.
    public func hasListener(port: UInt16) -> Bool {
        listenerPorts.count > 0 && listenerPorts[Int(port >> 6)] & (1 << UInt64(port & 63)) != 0
    }

    func holds(_ range: IndexRange, _ address: IPAddress) -> Bool {
        range.indices.contains { cidrs[$0].contains(address) }
    }

    private static func index(_ slot: Int, _ indices: RecordView<Int32>) -> Int? {
        guard slot >= 0, slot < indices.count, indices[slot] >= 0 else { return nil }
        return Int(indices[slot])
    }

    private func firstMatch(_ range: IndexRange, address: IPAddress, port: UInt16) -> Int? {
        for index in range.indices where matches(entries[index], address: address, port: port) { return index }
        return nil
    }

    private func matches(_ entry: EntryRecord, address: IPAddress, port: UInt16) -> Bool {
        (entry.cidrs.isEmpty || entry.cidrs.indices.contains { cidrs[$0].contains(address) })
            && (entry.ports.isEmpty || entry.ports.indices.contains { ports[$0].contains(port) })
    }
}

/// From slots back to indices, for workers that come with a slot from an older snapshot.
enum SlotIndex {
    /// By slot: the index of the thing that has it, -1 for none.
    static func table(_ slots: some Collection<Int>) -> RecordTable<Int32> {
        var indices = [Int32](repeating: -1, count: (slots.max() ?? -1) + 1)
        for (index, slot) in slots.enumerated() { indices[slot] = Int32(index) }
        return RecordTable(indices)
    }

    /// A bit for each port that one of the listeners has; empty when there are none.
    static func ports(_ listeners: [ListenerRecord]) -> RecordTable<UInt64> {
        guard !listeners.isEmpty else { return RecordTable([]) }
        var words = [UInt64](repeating: 0, count: 1 << 10)
        for listener in listeners { words[Int(listener.address.port >> 6)] |= 1 << UInt64(listener.address.port & 63) }
        return RecordTable(words)
    }
}
