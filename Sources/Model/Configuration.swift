/// The declarative configuration, as every source (file, later Kubernetes, xDS, ...) fills it: named things that refer
/// to each other by name. It has passed validation when a source hands it out; `Snapshot.init(compiling:)` turns it into
/// the flat form workers read. Names and meanings are those of docs/configuration.md.
public struct Configuration: Sendable, Equatable {
    /// This host.
    public var node: Node
    /// Worker threads; nil: one per core the process may use.
    public var workers: Int?
    /// The longest time for which frames of busy HTTP/2 connections wait to be handled together; zero: none.
    public var gatherMax: Duration
    /// How long live connections may finish after SIGTERM or `POST /drain`.
    public var drainTimeout: Duration
    /// Where the admin API listens.
    public var admin: SocketAddress
    /// nil: no access log.
    public var accessLog: AccessLog?
    /// Metric series beyond this many are counted in the series `other`.
    public var statisticsSeriesMax: Int
    /// nil: explicit listeners only; needs no privilege.
    public var interception: Interception?
    /// What the host does when the local proxy is gone.
    public var failover: Failover
    /// Connections to their original destination.
    public var passthrough: Passthrough
    /// This host's pods (and those of hosts it stands in for). Pods of other hosts have been left out.
    public var pods: [Pod]
    /// For pods that name none, and for addresses in `podCIDRs` without a pod.
    public var podDefaults: PodTables
    /// Process-wide limits.
    public var limits: ProcessLimits
    /// Ordinary listeners.
    public var listeners: [Listener]
    /// Route tables.
    public var routes: [RouteTable]
    /// Upstream clusters.
    public var clusters: [Cluster]

    /// A configuration with the documented defaults.
    public init(
        node: Node = Node(name: "local"), workers: Int? = nil, gatherMax: Duration = .microseconds(400),
        drainTimeout: Duration = .seconds(30),
        admin: SocketAddress = SocketAddress(.loopbackV4, 15000), accessLog: AccessLog? = nil,
        statisticsSeriesMax: Int = 50000, interception: Interception? = nil, failover: Failover = Failover(),
        passthrough: Passthrough = Passthrough(), pods: [Pod] = [], podDefaults: PodTables = PodTables(),
        limits: ProcessLimits = ProcessLimits(), listeners: [Listener] = [], routes: [RouteTable] = [],
        clusters: [Cluster] = []
    ) {
        self.node = node
        self.workers = workers
        self.gatherMax = gatherMax
        self.drainTimeout = drainTimeout
        self.admin = admin
        self.accessLog = accessLog
        self.statisticsSeriesMax = statisticsSeriesMax
        self.interception = interception
        self.failover = failover
        self.passthrough = passthrough
        self.pods = pods
        self.podDefaults = podDefaults
        self.limits = limits
        self.listeners = listeners
        self.routes = routes
        self.clusters = clusters
    }
}

extension Configuration {
    /// This host.
    public struct Node: Sendable, Equatable {
        /// Whether the proxy serves its own host or stands in for others.
        public enum Mode: String, Sendable, CaseIterable { case local, remote }
        /// The host's name, compared with `pods[].node`.
        public var name: String
        /// See `Mode`.
        public var mode: Mode
        /// The failure domain, for zone-aware balancing.
        public var zone: String?

        /// A host.
        public init(name: String, mode: Mode = .local, zone: String? = nil) {
            self.name = name
            self.mode = mode
            self.zone = zone
        }
    }

    /// One line per finished connection.
    public struct AccessLog: Sendable, Equatable {
        /// How a line is written.
        public enum Format: String, Sendable, CaseIterable { case json, text }
        /// A file to append to; `/dev/stdout` and `/dev/stderr` work.
        public var path: String
        /// See `Format`.
        public var format: Format

        /// An access log.
        public init(path: String, format: Format = .json) {
            self.path = path
            self.format = format
        }
    }

    /// Traffic of pods, taken by the host's rules.
    public struct Interception: Sendable, Equatable {
        /// TPROXY target for what pods send.
        public var outboundPort: UInt16
        /// TPROXY target for what pods receive.
        public var inboundPort: UInt16
        /// Ports of spoofed upstream sources: lower half outbound leg, upper half inbound leg.
        public var sourcePorts: PortRange
        /// The field of the packet mark and the connection mark that is ours.
        public var mark: MarkField
        /// This host's pods; rules are written for these.
        public var podCIDRs: [CIDR]
        /// Destinations that are never intercepted.
        public var excludeCIDRs: [CIDR]
        /// Destination ports that are never intercepted on the outbound leg.
        public var excludeOutboundPorts: [PortRange]
        /// Destination ports that are never intercepted on the inbound leg.
        public var excludeInboundPorts: [PortRange]
        /// Connect on with the client's own address.
        public var preserveSource: Bool

        /// Interception for `podCIDRs` with the documented defaults.
        public init(
            podCIDRs: [CIDR], outboundPort: UInt16 = 15001, inboundPort: UInt16 = 15006,
            sourcePorts: PortRange? = nil, mark: MarkField = MarkField(), excludeCIDRs: [CIDR] = [],
            excludeOutboundPorts: [PortRange] = [], excludeInboundPorts: [PortRange] = [], preserveSource: Bool = true
        ) {
            self.podCIDRs = podCIDRs
            self.outboundPort = outboundPort
            self.inboundPort = inboundPort
            self.sourcePorts = sourcePorts ?? Self.defaultSourcePorts
            self.mark = mark
            self.excludeCIDRs = excludeCIDRs
            self.excludeOutboundPorts = excludeOutboundPorts
            self.excludeInboundPorts = excludeInboundPorts
            self.preserveSource = preserveSource
        }

        /// `10240-19999`: below the kernel's `ip_local_port_range`, so pods never use them.
        public static let defaultSourcePorts = PortRange(10240, 19999) ?? PortRange(10240)
    }

    /// Three adjacent bits of the 32-bit mark; `value` is the lowest of them, so the field holds seven marks.
    public struct MarkField: Sendable, Equatable {
        /// The lowest bit of the field: the mark that means "deliver to the local stack".
        public var value: UInt32
        /// All three bits.
        public var mask: UInt32

        /// A mark field.
        public init(value: UInt32 = 0x10, mask: UInt32 = 0x70) {
            self.value = value
            self.mask = mask
        }

        /// Mark number `number` (1...7) of the field: 1 deliver locally, 2 the proxy's upstream, ...
        public func mark(_ number: UInt32) -> UInt32 { value &* number }
    }

    /// Connections to the original destination.
    public struct Passthrough: Sendable, Equatable {
        /// How long a connect may take.
        public var connectTimeout: Duration
        /// A tunnel without a byte either way for this long is closed.
        public var tunnelIdleTimeout: Duration

        /// Pass-through timings.
        public init(connectTimeout: Duration = .seconds(5), tunnelIdleTimeout: Duration = .seconds(3600)) {
            self.connectTimeout = connectTimeout
            self.tunnelIdleTimeout = tunnelIdleTimeout
        }
    }

    /// One pod.
    public struct Pod: Sendable, Equatable {
        /// `namespace/name`; unique on its node.
        public var name: String
        /// With it, an address that moves to another pod is another identity.
        public var uid: String?
        /// The pod's addresses, all inside its node's podCIDRs.
        public var addresses: [IPAddress]
        /// Its service account, for logs and policies.
        public var serviceAccount: String?
        /// The id of the protected host it runs on (`ProtectedHost.id`); 0: this host.
        public var host: Int
        /// Its own answer when its host's proxy is gone; nil: the node's.
        public var failoverPolicy: [Failover.Answer]?
        /// Tables and limits; an absent one comes from `podDefaults`.
        public var tables: PodTables

        /// A pod.
        public init(
            name: String, uid: String? = nil, addresses: [IPAddress], serviceAccount: String? = nil,
            tables: PodTables = PodTables(), host: Int = 0, failoverPolicy: [Failover.Answer]? = nil
        ) {
            self.name = name
            self.uid = uid
            self.addresses = addresses
            self.serviceAccount = serviceAccount
            self.tables = tables
            self.host = host
            self.failoverPolicy = failoverPolicy
        }
    }

    /// What can be set for a pod or for all pods; nil means "not named here".
    public struct PodTables: Sendable, Equatable {
        /// Ordered matches for what the pod sends.
        public var outbound: [TableEntry]?
        /// Ordered matches for what the pod receives.
        public var inbound: [TableEntry]?
        /// At most this many connections at once, both legs together.
        public var connectionsMax: Int?
        /// At most this many bytes in blocked connections, user and socket memory together.
        public var bufferBytesMax: Int?
        /// At most this many requests that wait for a connection to an endpoint.
        public var pendingRequestsMax: Int?

        /// Tables and limits.
        public init(
            outbound: [TableEntry]? = nil, inbound: [TableEntry]? = nil, connectionsMax: Int? = nil,
            bufferBytesMax: Int? = nil, pendingRequestsMax: Int? = nil
        ) {
            self.outbound = outbound
            self.inbound = inbound
            self.connectionsMax = connectionsMax
            self.bufferBytesMax = bufferBytesMax
            self.pendingRequestsMax = pendingRequestsMax
        }

        /// 10,000 connections a pod.
        public static let defaultConnectionsMax = 10000
        /// 1,024 waiting requests a pod.
        public static let defaultPendingRequestsMax = 1024
    }

    /// One entry of a listener table. First match wins.
    public struct TableEntry: Sendable, Equatable {
        /// What happens to a connection that matches.
        public enum Action: Sendable, Equatable {
            /// On to the original destination, uninterpreted.
            case passthrough
            /// To an endpoint of the named cluster.
            case cluster(String)
            /// Reset, counted.
            case deny
        }
        /// Outbound: the original destination; inbound: the client's address. Empty: any.
        public var cidrs: [CIDR]
        /// Outbound: the original destination's port; inbound: the pod's port. Empty: any.
        public var ports: [PortRange]
        /// See `Action`. `passthrough` where there are `routes`.
        public var action: Action
        /// How the connection is read.
        public var protocolKind: TrafficProtocol
        /// The route table's name; nil: the action decides for all requests.
        public var routes: String?
        /// In order, for HTTP.
        public var filters: [Filter]

        /// A table entry.
        public init(
            cidrs: [CIDR] = [], ports: [PortRange] = [], action: Action = .passthrough,
            protocolKind: TrafficProtocol = .tcp, routes: String? = nil, filters: [Filter] = []
        ) {
            self.cidrs = cidrs
            self.ports = ports
            self.action = action
            self.protocolKind = protocolKind
            self.routes = routes
            self.filters = filters
        }
    }

    /// Limits of the process.
    public struct ProcessLimits: Sendable, Equatable {
        /// Memory of blocked connections, user and socket memory together, bytes.
        public var memoryBytesMax: Int
        /// What a pod may hold of it that has no `limits.bufferBytes`: one pod alone never takes all.
        public var podBytesMax: Int { memoryBytesMax / 2 }

        /// Limits of HTTP connections.
        public var http: HTTPLimits

        /// Process limits.
        public init(memoryBytesMax: Int = 512 << 20, http: HTTPLimits = HTTPLimits()) {
            self.memoryBytesMax = memoryBytesMax
            self.http = http
        }
    }

    /// An ordinary listener: to a cluster, or (HTTP) by a route table.
    public struct Listener: Sendable, Equatable {
        /// Unique name.
        public var name: String
        /// Where it listens. Port 0: the kernel picks one, shown by `GET /listeners`.
        public var address: SocketAddress
        /// The cluster it forwards to; nil where there are `routes`.
        public var cluster: String?
        /// How connections are read.
        public var protocolKind: TrafficProtocol
        /// The route table's name.
        public var routes: String?
        /// In order, for HTTP.
        public var filters: [Filter]
        /// For HTTP.
        public var requestId: RequestIdentity
        /// For HTTP.
        public var forwardedFor: ForwardedFor
        /// Proxies in front of this one that write `x-forwarded-for` and are believed.
        public var trustedHops: Int
        /// For HTTP; nil: the process's.
        public var limits: HTTPLimits?

        /// A listener.
        public init(
            name: String, address: SocketAddress, cluster: String? = nil, protocolKind: TrafficProtocol = .tcp,
            routes: String? = nil, filters: [Filter] = [], requestId: RequestIdentity = .keep,
            forwardedFor: ForwardedFor = .replace, trustedHops: Int = 0, limits: HTTPLimits? = nil
        ) {
            self.name = name
            self.address = address
            self.cluster = cluster
            self.protocolKind = protocolKind
            self.routes = routes
            self.filters = filters
            self.requestId = requestId
            self.forwardedFor = forwardedFor
            self.trustedHops = trustedHops
            self.limits = limits
        }
    }
}
