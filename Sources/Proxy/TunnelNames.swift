import Model

/// What slots of one snapshot are called, in words that hold in another process, and back.
///
/// A pod with a UID is called by name and UID: with another UID it is another pod, whatever its name. A pod of a
/// protected host has that host's name behind it.
public struct TunnelNames: Sendable {
    private let snapshot: Snapshot
    private let clusterIndexBySlot: [Int: Int]
    private let nameBySlot: [SlotNames.Kind: [Int: String]]
    private let slotByName: [SlotNames.Kind: [String: Int]]

    /// The names of a snapshot.
    public init(_ snapshot: Snapshot) {
        self.snapshot = snapshot
        clusterIndexBySlot = Dictionary(
            snapshot.clusters.enumerated().map { ($1.slot, $0) }
        ) { first, _ in first }
        var nameBySlot: [SlotNames.Kind: [Int: String]] = [:]
        nameBySlot[.pod] = Self.pods(snapshot)
        nameBySlot[.cluster] = Self.clusters(snapshot)
        nameBySlot[.listener] = Self.listeners(snapshot)
        nameBySlot[.route] = Self.routes(snapshot)
        nameBySlot[.host] = Self.hosts(snapshot)
        self.nameBySlot = nameBySlot
        slotByName = nameBySlot.mapValues { names in
            Dictionary(names.map { ($1, $0) }) { first, _ in first }
        }
    }

    /// The snapshot's number.
    public var generation: UInt64 { snapshot.generation }

    /// The slot of a cluster's endpoint; -1: an original destination, or an endpoint that is gone.
    func endpointSlot(cluster slot: Int32, _ address: SocketAddress) -> Int {
        guard let cluster = clusterIndexBySlot[Int(slot)] else { return -1 }
        return snapshot.endpoints(ofCluster: cluster).records.first { $0.address == address }?.slot ?? -1
    }

    func name(_ kind: SlotNames.Kind, _ slot: Int32) -> String? { nameBySlot[kind]?[Int(slot)] }
    func slot(_ kind: SlotNames.Kind, _ name: String) -> Int? { slotByName[kind]?[name] }
    /// The protected host with this id; nil: this one, or none.
    func host(_ id: UInt16) -> String? { id == 0 ? nil : name(.host, Int32(id)) }
    /// All names of a kind with their slots.
    func all(_ kind: SlotNames.Kind) -> [Int: String] { nameBySlot[kind] ?? [:] }

    private static func pods(_ snapshot: Snapshot) -> [Int: String] {
        let hosts = hosts(snapshot)
        let listed = snapshot.configuration.pods.map { pod in
            let name = pod.uid.map { "\(pod.name) \($0)" } ?? pod.name
            return hosts[pod.host].map { "\(name)\t\($0)" } ?? name
        }
        let unlisted = snapshot.hosts.map { "\(SlotNames.unknownPod)\t\(hosts[$0.id] ?? "")" }
        return dictionary(snapshot.pods.map(\.slot), [SlotNames.unknownPod] + listed + unlisted)
    }

    private static func hosts(_ snapshot: Snapshot) -> [Int: String] {
        let hosts = snapshot.configuration.failover.protects
        return dictionary(hosts.map(\.id), hosts.map(\.node))
    }

    private static func clusters(_ snapshot: Snapshot) -> [Int: String] {
        dictionary(snapshot.clusters.map(\.slot), ["passthrough"] + snapshot.configuration.clusters.map(\.name))
    }

    private static func listeners(_ snapshot: Snapshot) -> [Int: String] {
        dictionary(
            [Snapshot.outboundListenerSlot, Snapshot.inboundListenerSlot] + snapshot.listeners.map(\.slot),
            [SlotNames.outboundListener, SlotNames.inboundListener] + snapshot.configuration.listeners.map(\.name))
    }

    private static func routes(_ snapshot: Snapshot) -> [Int: String] {
        var names: [Int: String] = [:]
        snapshot.forEachRule { names[Int(snapshot.routeLinks[$0.index].slot)] = snapshot.routeName($0, $1) }
        return names
    }

    private static func dictionary(_ slots: [Int], _ names: [String]) -> [Int: String] {
        Dictionary(zip(slots, names)) { first, _ in first }
    }
}
