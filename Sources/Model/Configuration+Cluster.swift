extension Configuration {
    /// A named group of endpoints and how to use it.
    public struct Cluster: Sendable, Equatable {
        /// Where endpoints come from.
        public enum Discovery: Sendable, Equatable {
            /// Listed here.
            case endpoints([Endpoint])
            /// The address the client dialled is the one endpoint.
            case originalDestination
            /// All addresses of a name, asked for again and again.
            case dns(DNSName)
        }
        /// How an endpoint is picked.
        public enum LoadBalancer: String, Sendable, CaseIterable, BitwiseCopyable {
            case roundRobin, leastRequest, random, ringHash, maglev, peakEwma
        }
        /// What the endpoints speak.
        public enum UpstreamProtocol: String, Sendable, CaseIterable, BitwiseCopyable {
            /// What the client's side of the connection speaks.
            case asDownstream
            case http1, http2, tcp
        }
        /// Unique name.
        public var name: String
        /// See `Discovery`.
        public var discovery: Discovery
        /// See `LoadBalancer`. The two hashing ones hash the client's address at L4.
        public var loadBalancer: LoadBalancer
        /// How long one connect attempt may take.
        public var connectTimeout: Duration
        /// A tunnel without a byte either way for this long is closed.
        public var tunnelIdleTimeout: Duration
        /// nil: endpoints are taken to be healthy.
        public var healthCheck: HealthCheck?
        /// With less than this share of endpoints healthy (0...1), health is ignored: all are used.
        public var panicThreshold: Double
        /// At most this many connections at once from this process; nil: no limit.
        public var connectionsMax: Int?
        /// At most this many requests that wait for a connection, that are under way, that are retries; nil: no limit.
        public var pendingMax: Int?, requestsMax: Int?, retriesMax: Int?
        /// A pooled connection that is not used for this long is closed.
        public var idleTimeout: Duration
        /// See `UpstreamProtocol`.
        public var upstreamProtocol: UpstreamProtocol
        /// How long the share of an endpoint that is new, or has just become healthy, takes to grow; nil: it is full at
        /// once.
        public var slowStart: Duration?
        /// Endpoints of the node's own zone are preferred.
        public var isZoneAware: Bool
        /// nil: endpoints are not judged by how requests to them fare.
        public var outlierDetection: OutlierDetection?

        /// A cluster with the documented defaults.
        public init(
            name: String, discovery: Discovery, loadBalancer: LoadBalancer = .roundRobin,
            connectTimeout: Duration = .seconds(5), tunnelIdleTimeout: Duration = .seconds(3600),
            healthCheck: HealthCheck? = nil, panicThreshold: Double = 0.5, connectionsMax: Int? = nil,
            pendingMax: Int? = nil, requestsMax: Int? = nil, retriesMax: Int? = nil,
            idleTimeout: Duration = .seconds(60), upstreamProtocol: UpstreamProtocol = .asDownstream,
            slowStart: Duration? = nil, isZoneAware: Bool = false, outlierDetection: OutlierDetection? = nil
        ) {
            self.name = name
            self.discovery = discovery
            self.loadBalancer = loadBalancer
            self.connectTimeout = connectTimeout
            self.tunnelIdleTimeout = tunnelIdleTimeout
            self.healthCheck = healthCheck
            self.panicThreshold = panicThreshold
            self.connectionsMax = connectionsMax
            self.pendingMax = pendingMax
            self.requestsMax = requestsMax
            self.retriesMax = retriesMax
            self.idleTimeout = idleTimeout
            self.upstreamProtocol = upstreamProtocol
            self.slowStart = slowStart
            self.isZoneAware = isZoneAware
            self.outlierDetection = outlierDetection
        }
    }

    /// One server of a cluster.
    public struct Endpoint: Sendable, Equatable {
        /// Where it listens.
        public var address: SocketAddress
        /// Relative share of traffic, 1...1000.
        public var weight: Int
        /// Its failure domain.
        public var zone: String?
        /// For subset routing.
        public var labels: [String: String]

        /// An endpoint.
        public init(address: SocketAddress, weight: Int = 1, zone: String? = nil, labels: [String: String] = [:]) {
            self.address = address
            self.weight = weight
            self.zone = zone
            self.labels = labels
        }
    }

}
