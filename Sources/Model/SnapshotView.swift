/// A snapshot as workers read it: bare bits, so that no connection costs a retain or release of anything shared.
/// Whoever keeps one keeps its `Snapshot`.
public struct SnapshotView: Sendable, BitwiseCopyable {
    /// See `Snapshot`.
    public let generation: UInt64
    /// See `Snapshot`.
    public let pods: RecordView<PodRecord>
    /// See `Snapshot`.
    public let entries: RecordView<EntryRecord>
    /// See `Snapshot`.
    public let clusters: RecordView<ClusterRecord>
    /// See `Snapshot`.
    public let listeners: RecordView<ListenerRecord>
    /// See `Snapshot`.
    public let httpListeners: RecordView<HTTPListenerRecord>
    /// See `Snapshot`.
    public let filters: RecordView<FilterRecord>
    /// See `Snapshot`.
    public let subsets: RecordView<SubsetRecord>
    /// See `Snapshot`.
    public let hosts: RecordView<HostRecord>
    /// `interception.preserveSource`; false without interception.
    public let preservesSource: Bool

    /// See `Snapshot`.
    public let memoryBytesMax: Int, bufferBytesMax: RecordView<Int>

    private let cidrs: RecordView<CIDR>
    private let ports: RecordView<PortRange>
    private let podCIDRs: RecordView<CIDR>
    let podPlaces: RecordView<AddressIndex.Place>
    private let clusterBySlot: RecordView<Int32>
    let hostByID: RecordView<Int32>
    private let listenerBySlot: RecordView<Int32>
    private let listenerPorts: RecordView<UInt64>

    init(_ snapshot: Snapshot) {
        generation = snapshot.generation
        pods = snapshot.pods.view
        entries = snapshot.entries.view
        clusters = snapshot.clusters.view
        listeners = snapshot.listeners.view
        httpListeners = snapshot.httpListeners.view
        filters = snapshot.filters.view
        subsets = snapshot.subsets.view
        hosts = snapshot.hosts.view
        preservesSource = snapshot.configuration.interception?.preserveSource ?? false
        memoryBytesMax = snapshot.memoryBytesMax
        bufferBytesMax = snapshot.bufferBytesMax.view
        cidrs = snapshot.cidrs.view
        ports = snapshot.ports.view
        podCIDRs = snapshot.podCIDRs.view
        podPlaces = snapshot.podsByAddress.places.view
        clusterBySlot = snapshot.clusterBySlot.view
        hostByID = snapshot.hostByID.view
        listenerBySlot = snapshot.listenerBySlot.view
        listenerPorts = snapshot.listenerPorts.view
    }
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
