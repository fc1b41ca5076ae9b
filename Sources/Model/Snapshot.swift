/// One generation of the configuration in the form workers read: flat arrays of plain records addressed by index.
///
/// Immutable and shared: a worker holds one reference and hands it back when the next one comes; the last release
/// happens on the control side. Workers read it through `view`, which counts no references. Indices are meaningful within one snapshot only; what must outlive it (counters,
/// connection counts, health) goes by slot. Names are apart from the records, for logs and the admin API.
public final class Snapshot: Sendable {
    /// 1, 2, 3, ... in the order of publication.
    public let generation: UInt64
    /// What this was compiled from.
    public let configuration: Configuration
    /// Index 0 is the pod `unknown`: any address inside `podCIDRs` that belongs to no listed pod.
    public let pods: RecordTable<PodRecord>
    /// All table entries; pods name ranges of it.
    public let entries: RecordTable<EntryRecord>
    /// Prefixes that entries name ranges of.
    public let cidrs: RecordTable<CIDR>
    /// Ports that entries name ranges of.
    public let ports: RecordTable<PortRange>
    /// Clusters. Index 0 is `passthrough`: the original destination, with the `passthrough` timings.
    public let clusters: RecordTable<ClusterRecord>
    /// Listeners: the explicit ones in the order of the configuration.
    public let listeners: RecordTable<ListenerRecord>
    /// Where HTTP is spoken; entries and listeners name one.
    public let httpListeners: RecordTable<HTTPListenerRecord>
    /// Limits of HTTP/2: the process's first, then those of listeners that have their own.
    public let http2Limits: RecordTable<Configuration.HTTP2Limits>
    /// Filters; HTTP listeners and rules name ranges of it.
    public let filters: RecordTable<FilterRecord>
    /// What each of `filters` is for.
    public let filterMatches: [Configuration.RequestMatch]
    /// The configuration's route tables in its order, then those of HTTP listeners that have a cluster instead.
    public let routeTables: [Configuration.RouteTable]
    /// By number what rules of `routeTables` name: one for each rule, in their order.
    public let routeLinks: RecordTable<RouteLinks>
    /// Rules name ranges of these.
    public let routeTargets: RecordTable<RouteTarget>, routeMirrors: RecordTable<RouteMirror>
    /// Label sets of clusters that rules name.
    public let subsets: RecordTable<SubsetRecord>
    /// By cluster index: the labels of its subsets, by their number.
    public let subsetLabels: [Int: [[String: String]]]
    /// Clusters whose endpoints are the addresses of a DNS name: their indices, by name.
    public let dnsClusters: [Configuration.DNSName: [Int]]
    /// Health checks that ask something, by cluster index.
    public let healthRequests: [Int: Configuration.HealthCheck]
    /// One past the highest endpoint slot that was ever in use.
    public let endpointSlotCount: Int
    /// Hosts this one stands in for.
    public let hosts: RecordTable<HostRecord>
    /// Slots that mean something else than in the generation before: their counters start at zero.
    public let freshSlots: FreshSlots
    /// Slots of pods that the generation before had and this one has not: their connections end on adoption.
    public let gonePods: [Int]
    /// Slots of endpoints that were there before and are not any more.
    public let goneEndpoints: [UInt32]
    /// Memory of blocked connections at most, bytes: of the process, and by pod slot + 1 (place 0: without a pod).
    public let memoryBytesMax: Int, bufferBytesMax: RecordTable<Int>

    let endpointSets: EndpointSets
    let podsByAddress: AddressIndex
    let podCIDRs: RecordTable<CIDR>
    let clusterBySlot, listenerBySlot, hostByID: RecordTable<Int32>
    /// Indices into `subsets`, in ascending order of their identities.
    let subsetsByIdentity: RecordTable<Int32>
    /// A bit for each port of `listeners`.
    let listenerPorts: RecordTable<UInt64>
    /// One record, for `view`.
    private let tables: RecordTable<SnapshotTables>

    init(_ parts: SnapshotCompiler.Parts) {
        generation = parts.generation
        configuration = parts.configuration
        pods = RecordTable(parts.pods)
        entries = RecordTable(parts.entries)
        cidrs = RecordTable(parts.cidrs)
        ports = RecordTable(parts.ports)
        clusters = RecordTable(parts.clusters)
        endpointSets = EndpointSets(parts.endpointSets)
        endpointSlotCount = parts.endpointSlotCount
        dnsClusters = Self.dnsClusters(parts.configuration)
        healthRequests = Self.healthRequests(parts.configuration)
        subsetLabels = parts.routes.subsetLabels
        listeners = RecordTable(parts.listeners)
        httpListeners = RecordTable(parts.routes.httpListeners)
        http2Limits = RecordTable([parts.configuration.limits.http.http2] + parts.routes.http2Limits)
        filters = RecordTable(parts.routes.filters)
        filterMatches = parts.routes.filterMatches
        routeTables = parts.routes.tables
        routeLinks = RecordTable(parts.routes.links)
        routeTargets = RecordTable(parts.routes.targets)
        routeMirrors = RecordTable(parts.routes.mirrors)
        subsets = RecordTable(parts.routes.subsets)
        hosts = RecordTable(parts.hosts)
        freshSlots = parts.freshSlots
        gonePods = parts.gonePods
        goneEndpoints = parts.goneEndpoints
        memoryBytesMax = parts.configuration.limits.memoryBytesMax
        bufferBytesMax = RecordTable(parts.bufferBytesMax)
        podsByAddress = AddressIndex(parts.podIndexByAddress)
        podCIDRs = RecordTable(parts.configuration.interception?.podCIDRs ?? [])
        clusterBySlot = SlotIndex.table(parts.clusters.map(\.slot))
        listenerBySlot = SlotIndex.table(parts.listeners.map(\.slot))
        let identities = parts.routes.subsets.map(\.identity)
        subsetsByIdentity = RecordTable(identities.indices.sorted { identities[$0] < identities[$1] }.map(Int32.init))
        hostByID = SlotIndex.table(parts.hosts.map(\.id))
        listenerPorts = SlotIndex.ports(parts.listeners)
        let tables = SnapshotTables(
            pods: pods.view, entries: entries.view, clusters: clusters.view, listeners: listeners.view,
            httpListeners: httpListeners.view, http2Limits: http2Limits.view, filters: filters.view,
            subsets: subsets.view, hosts: hosts.view,
            preservesSource: configuration.interception?.preserveSource ?? false, memoryBytesMax: memoryBytesMax,
            bufferBytesMax: bufferBytesMax.view, cidrs: cidrs.view, ports: ports.view, podCIDRs: podCIDRs.view,
            podPlaces: podsByAddress.places.view, clusterBySlot: clusterBySlot.view,
            subsetsByIdentity: subsetsByIdentity.view, hostByID: hostByID.view, listenerBySlot: listenerBySlot.view,
            listenerPorts: listenerPorts.view)
        self.tables = RecordTable([tables])
    }

    /// Index 0 is `passthrough`.
    private static func dnsClusters(_ configuration: Configuration) -> [Configuration.DNSName: [Int]] {
        var indices: [Configuration.DNSName: [Int]] = [:]
        for (index, cluster) in configuration.clusters.enumerated() {
            if case .dns(let name) = cluster.discovery { indices[name, default: []].append(index + 1) }
        }
        return indices
    }

    private static func healthRequests(_ configuration: Configuration) -> [Int: Configuration.HealthCheck] {
        var checks: [Int: Configuration.HealthCheck] = [:]
        for (index, cluster) in configuration.clusters.enumerated() {
            guard let check = cluster.healthCheck, check.http != nil || check.grpc != nil else { continue }
            checks[index + 1] = check
        }
        return checks
    }

    /// For workers; good for as long as they hold this snapshot.
    public var view: SnapshotView { SnapshotView(self, tables.view) }
}

extension Snapshot {
    /// What a cluster's endpoints are now. Not for workers, who have their own view of it.
    public func endpoints(ofCluster index: Int) -> EndpointSet { endpointSets[index] }

    /// All endpoints, cluster by cluster: takes time in their number.
    public var endpoints: [EndpointRecord] { clusters.indices.flatMap { Array(endpointSets[$0].records) } }

    /// The pod `unknown`.
    public static let unknownPod = 0
    /// The cluster `passthrough`.
    public static let passthroughCluster = 0
    /// Listener slots of the two interception listeners; explicit listeners come after.
    public static let outboundListenerSlot = 0, inboundListenerSlot = 1

    /// See `SnapshotView`.
    public func pod(at address: IPAddress) -> Int? { withExtendedLifetime(self) { view.pod(at: address) } }

    /// See `SnapshotView`.
    public func outboundEntry(pod: Int, destination: SocketAddress) -> Int? {
        withExtendedLifetime(self) { view.outboundEntry(pod: pod, destination: destination) }
    }

    /// See `SnapshotView`.
    public func inboundEntry(pod: Int, client: IPAddress, port: UInt16) -> Int? {
        withExtendedLifetime(self) { view.inboundEntry(pod: pod, client: client, port: port) }
    }
}

/// A half-open range of indices into one of a snapshot's arrays, as plain bits.
public struct IndexRange: Sendable, BitwiseCopyable, Equatable {
    /// The first index.
    public let lower: UInt32
    /// One past the last index; not below `lower`.
    public let upper: UInt32

    /// Indices below 2^32.
    public init(_ range: Range<Int>) {
        lower = UInt32(range.lowerBound)
        upper = UInt32(range.upperBound)
    }

    /// How many.
    public var count: Int { Int(upper) - Int(lower) }
    /// Whether there is none.
    public var isEmpty: Bool { upper == lower }
    /// The indices.
    public var indices: Range<Int> { Int(lower)..<Int(upper) }
}

/// A pod as workers see it.
public struct PodRecord: Sendable, BitwiseCopyable {
    /// For counters and the connection count.
    public let slot: Int
    /// The id of the protected host it runs on; 0: this one.
    public let host: UInt16
    /// Its tables, in `Snapshot.entries`.
    public let outbound, inbound: IndexRange
    /// Live connections at most, both legs together.
    public let connectionsMax: Int
    /// Requests that may wait for a connection.
    public let pendingRequestsMax: Int
    /// Its first address of each family, to connect from.
    public let v4, v6: IPAddress?
}

/// One entry of a listener table as workers see it.
public struct EntryRecord: Sendable, BitwiseCopyable {
    /// What happens to a connection that matches.
    public enum Action: Sendable, BitwiseCopyable, Equatable {
        /// To an endpoint of the cluster with this index (0: the original destination).
        case cluster(Int)
        /// Reset, counted.
        case deny
    }
    /// In `Snapshot.cidrs`; empty: any.
    public let cidrs: IndexRange
    /// In `Snapshot.ports`; empty: any.
    public let ports: IndexRange
    /// See `Action`. Where HTTP is spoken the route decides on the cluster.
    public let action: Action
    /// In `Snapshot.httpListeners`; -1: bytes.
    public let http: Int32
    /// How connections are read.
    public let protocolKind: Configuration.TrafficProtocol
}

/// An explicit listener as workers see it.
public struct ListenerRecord: Sendable, BitwiseCopyable {
    /// For counters.
    public let slot: Int
    /// Where it listens.
    public let address: SocketAddress
    /// The cluster's index. Where HTTP is spoken the route decides on it.
    public let cluster: Int
    /// In `Snapshot.httpListeners`; -1: bytes.
    public let http: Int32
    /// How connections are read. With `auto` there is a cluster beside the routes, for what is not HTTP.
    public let protocolKind: Configuration.TrafficProtocol
}

/// Slots that were given to new things in this generation. (Those of listeners are never given away.)
public struct FreshSlots: Sendable {
    /// By kind.
    public var pods: [Int] = [], clusters: [Int] = [], routes: [Int] = [], hosts: [Int] = []
}
