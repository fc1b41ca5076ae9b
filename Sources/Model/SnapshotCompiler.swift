/// Turns validated configurations into snapshots, one after the other, keeping slots stable between them.
///
/// Owned by the control side; not shared. Refuses only what validation cannot know: more things than there are slots.
public struct SnapshotCompiler: Sendable {
    let shared: SharedState
    let names: SlotNames
    var generation: UInt64 = 0
    private var podSlots = SlotTable<PodKey>(capacity: SlotLimits.pods)
    var clusterSlots = SlotTable<String>(capacity: SlotLimits.clusters)
    var endpointSlots: EndpointSlots
    /// What was found last for DNS names.
    var discovered: [Configuration.DNSName: [Configuration.Endpoint]] = [:]
    private var listenerSlots = SlotTable<String>(capacity: SlotLimits.listeners)
    var routeSlots = SlotTable<RouteName>(capacity: SlotLimits.routes)
    var rateSlots = SlotTable<RateLimitKey>(capacity: SlotLimits.rateBuckets)
    var oldestGenerationInUse: UInt64 = 0
    private(set) var now: Int64 = 0

    /// A thing that has no slot left, e.g. `clusters: more than 65536`.
    public struct TooMany: Error, CustomStringConvertible {
        /// What, and the limit.
        public let description: String
    }

    /// A pod with another UID is another pod, whatever its name, and so is one of another node (nil: this one).
    private struct PodKey: Hashable, Sendable {
        let name: String
        let uid: String?
        let node: String?
    }

    struct Parts {
        var generation: UInt64
        var configuration: Configuration
        var pods: [PodRecord] = []
        var entries: [EntryRecord] = []
        var cidrs: [CIDR] = []
        var ports: [PortRange] = []
        var clusters: [ClusterRecord] = []
        var endpointSets: [EndpointSet] = []
        var endpointSlotCount = 0
        var listeners: [ListenerRecord] = []
        var hosts: [HostRecord] = []
        var routes = RouteParts()
        var freshSlots = FreshSlots()
        var gonePods: [Int] = []
        var goneEndpoints: [UInt32] = []
        var bufferBytesMax = [Int.max]
        var podIndexByAddress: [IPAddress: UInt32] = [:]
        var clusterIndexByName: [String: Int] = [:]
    }

    /// A compiler whose slots are those of `shared`; names of slots go to `names`.
    public init(shared: SharedState, names: SlotNames) {
        self.shared = shared
        self.names = names
        endpointSlots = EndpointSlots(shared: shared)
    }

    /// The next generation. `oldestGenerationInUse` is the oldest snapshot that any worker still holds (0: none), `now`
    /// the monotonic time in nanoseconds, at which the slow start of new endpoints begins.
    public mutating func compile(
        _ configuration: Configuration, oldestGenerationInUse: UInt64, now: Int64 = 0
    ) throws(TooMany) -> Snapshot {
        generation += 1
        self.oldestGenerationInUse = oldestGenerationInUse
        self.now = now
        var parts = Parts(generation: generation, configuration: configuration)
        try addClusters(to: &parts)
        try addRoutes(to: &parts)
        try addPods(to: &parts)
        try addListeners(to: &parts)
        parts.gonePods = podSlots.retireUnseen(in: generation)
        removeUnseenClusters()
        parts.goneEndpoints = endpointSlots.takeGone()
        parts.endpointSlotCount = endpointSlots.count
        listenerSlots.retireUnseen(in: generation)
        routeSlots.retireUnseen(in: generation)
        rateSlots.retireUnseen(in: generation)
        return Snapshot(parts)
    }

    // MARK: pods

    /// What pods have that name nothing of their own.
    struct PodDefaults {
        var tables: Configuration.PodTables
        var outbound, inbound: IndexRange
    }

    private mutating func addPods(to parts: inout Parts) throws(TooMany) {
        let tables = parts.configuration.podDefaults
        let defaults = PodDefaults(
            tables: tables,
            outbound: try addEntries(tables.outbound ?? [], .outbound, of: "podDefaults", to: &parts),
            inbound: try addEntries(tables.inbound ?? [], .inbound, of: "podDefaults", to: &parts))
        let unknown = Configuration.Pod(name: SlotNames.unknownPod, addresses: [])
        try addPod(unknown, isUnknown: true, defaults, to: &parts)
        for pod in parts.configuration.pods {
            let index = UInt32(parts.pods.count)
            try addPod(pod, isUnknown: false, defaults, to: &parts)
            for address in pod.addresses { parts.podIndexByAddress[address] = index }
        }
        try addHosts(defaults, to: &parts)
    }

    mutating func addPod(
        _ pod: Configuration.Pod, isUnknown: Bool, _ defaults: PodDefaults, to parts: inout Parts
    ) throws(TooMany) {
        let slot = try podSlot(pod, &parts)
        var (outbound, inbound) = (defaults.outbound, defaults.inbound)
        if let table = pod.tables.outbound {
            outbound = try addEntries(table, .outbound, of: "pod \(pod.name)", to: &parts)
        }
        if let table = pod.tables.inbound {
            inbound = try addEntries(table, .inbound, of: "pod \(pod.name)", to: &parts)
        }
        // `unknown` is many pods: one pod's default would be too little for all of them together.
        parts.pods.append(
            PodRecord(
                slot: slot, host: UInt16(truncatingIfNeeded: pod.host), outbound: outbound, inbound: inbound,
                connectionsMax: pod.tables.connectionsMax ?? defaults.tables.connectionsMax
                    ?? (isUnknown ? .max : Configuration.PodTables.defaultConnectionsMax),
                pendingRequestsMax: pod.tables.pendingRequestsMax ?? defaults.tables.pendingRequestsMax
                    ?? (isUnknown ? .max : Configuration.PodTables.defaultPendingRequestsMax),
                v4: pod.addresses.first(where: \.isV4), v6: pod.addresses.first { !$0.isV4 }))
        parts.setBufferLimit(
            pod.tables.bufferBytesMax ?? defaults.tables.bufferBytesMax
                ?? (isUnknown ? .max : parts.configuration.limits.podBytesMax), slot: slot)
    }

    private mutating func podSlot(_ pod: Configuration.Pod, _ parts: inout Parts) throws(TooMany) -> Int {
        let words = shared.podConnections
        let given = podSlots.slot(
            for: key(pod, parts.configuration.failover), generation: generation,
            oldestGenerationInUse: oldestGenerationInUse
        ) { words.loadAcquiring($0) == 0 }
        guard let given else { throw TooMany(description: "pods: more than \(SlotLimits.pods)") }
        words.reserve(given.slot)
        shared.podBufferBytes.reserve(given.slot + 1)
        shared.podPendingRequests.reserve(given.slot)
        if given.isFresh {
            parts.freshSlots.pods.append(given.slot)
            names.set(.pod, given.slot, pod.name)
        }
        return given.slot
    }

    private func key(_ pod: Configuration.Pod, _ failover: Configuration.Failover) -> PodKey {
        let host = pod.host == 0 ? nil : failover.protects.first { $0.id == pod.host }
        return PodKey(name: pod.name, uid: pod.uid, node: host?.node)
    }

    private mutating func addEntries(
        _ table: [Configuration.TableEntry], _ direction: ConnectionDirection, of owner: @autoclosure () -> String,
        to parts: inout Parts
    ) throws(TooMany) -> IndexRange {
        let first = parts.entries.count
        for (index, entry) in table.enumerated() {
            let http = try http(entry, direction, place: "\(owner()) \(direction) \(index)", to: &parts)
            let firstCIDR = parts.cidrs.count
            let firstPort = parts.ports.count
            parts.cidrs += entry.cidrs
            parts.ports += entry.ports
            parts.entries.append(
                EntryRecord(
                    cidrs: IndexRange(firstCIDR..<parts.cidrs.count),
                    ports: IndexRange(firstPort..<parts.ports.count), action: action(entry.action, parts),
                    http: http, protocolKind: entry.protocolKind))
        }
        return IndexRange(first..<parts.entries.count)
    }

    private func action(_ action: Configuration.TableEntry.Action, _ parts: Parts) -> EntryRecord.Action {
        switch action {
        case .passthrough: .cluster(Snapshot.passthroughCluster)
        case .deny: .deny
        // Validation has refused unknown names; refusing the connection is the safe reading of one all the same.
        case .cluster(let name): parts.clusterIndexByName[name].map(EntryRecord.Action.cluster) ?? .deny
        }
    }

    // MARK: listeners

    private mutating func addListeners(to parts: inout Parts) throws(TooMany) {
        for name in [SlotNames.outboundListener, SlotNames.inboundListener] { _ = try listenerSlot(name, &parts) }
        for listener in parts.configuration.listeners {
            let slot = try listenerSlot(listener.name, &parts)
            let http = try http(listener, to: &parts)
            // An unknown cluster is refused by validation; without one there are routes.
            let cluster = parts.clusterIndexByName[listener.cluster ?? ""]
            guard let cluster = cluster ?? (http < 0 ? nil : Snapshot.passthroughCluster) else { continue }
            parts.listeners.append(
                ListenerRecord(
                    slot: slot, address: listener.address, cluster: cluster, http: http,
                    protocolKind: listener.protocolKind))
        }
    }

    private mutating func listenerSlot(_ name: String, _ parts: inout Parts) throws(TooMany) -> Int {
        // A listener's connections are not counted by slot, so its slot is reused only by its own name.
        let given = listenerSlots.slot(
            for: name, generation: generation, oldestGenerationInUse: oldestGenerationInUse
        ) { _ in false }
        guard let given else { throw TooMany(description: "listeners: more than \(SlotLimits.listeners)") }
        if given.isFresh { names.set(.listener, given.slot, name) }
        return given.slot
    }
}

extension SnapshotCompiler.Parts {
    fileprivate mutating func setBufferLimit(_ bytes: Int, slot: Int) {
        let missing = slot + 2 - bufferBytesMax.count
        // Slots of pods that are gone have no connections left to limit.
        if missing > 0 { bufferBytesMax += Array(repeating: .max, count: missing) }
        bufferBytesMax[slot + 1] = bytes
    }
}

extension Duration {
    /// Whole nanoseconds; a duration past 292 years is held at that.
    public var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (product, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, past) = product.addingReportingOverflow(attoseconds / 1_000_000_000)
        return past ? .max : sum
    }
}
