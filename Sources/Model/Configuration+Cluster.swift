extension Configuration {
    /// A named group of endpoints and how to use it.
    public struct Cluster: Sendable, Equatable {
        /// Where endpoints come from.
        public enum Discovery: Sendable, Equatable {
            /// Listed here.
            case endpoints([Endpoint])
            /// The address the client dialled is the one endpoint.
            case originalDestination
        }
        /// How an endpoint is picked.
        public enum LoadBalancer: String, Sendable, CaseIterable, BitwiseCopyable {
            case roundRobin, leastRequest, random, ringHash, maglev
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

        /// A cluster with the documented defaults.
        public init(
            name: String, discovery: Discovery, loadBalancer: LoadBalancer = .roundRobin,
            connectTimeout: Duration = .seconds(5), tunnelIdleTimeout: Duration = .seconds(3600),
            healthCheck: HealthCheck? = nil, panicThreshold: Double = 0.5, connectionsMax: Int? = nil
        ) {
            self.name = name
            self.discovery = discovery
            self.loadBalancer = loadBalancer
            self.connectTimeout = connectTimeout
            self.tunnelIdleTimeout = tunnelIdleTimeout
            self.healthCheck = healthCheck
            self.panicThreshold = panicThreshold
            self.connectionsMax = connectionsMax
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

    /// Active TCP health checking: a check passes when the connect does.
    public struct HealthCheck: Sendable, Equatable {
        /// Time between checks of one endpoint.
        public var interval: Duration
        /// How long one check may take.
        public var timeout: Duration
        /// Failed checks in a row that make an endpoint unhealthy.
        public var unhealthyAfter: Int
        /// Passed checks in a row that make it healthy again.
        public var healthyAfter: Int

        /// A health check.
        public init(
            interval: Duration = .seconds(2), timeout: Duration = .seconds(1), unhealthyAfter: Int = 3,
            healthyAfter: Int = 2
        ) {
            self.interval = interval
            self.timeout = timeout
            self.unhealthyAfter = unhealthyAfter
            self.healthyAfter = healthyAfter
        }
    }
}
