extension Configuration {
    /// A host name and a port: every address of the name, with the port, is an endpoint.
    public struct DNSName: Sendable, Hashable {
        /// The name, in lower case, without a dot at its end.
        public var host: String
        /// The port of all endpoints.
        public var port: UInt16

        /// A name.
        public init(host: String, port: UInt16) {
            self.host = host
            self.port = port
        }
    }

    /// The names whose addresses are endpoints.
    public var dnsNames: Set<DNSName> {
        Set(
            clusters.compactMap { cluster in
                guard case .dns(let name) = cluster.discovery else { return nil }
                return name
            })
    }

    /// Active health checking, by a TCP connect, an HTTP request or a gRPC call.
    public struct HealthCheck: Sendable, Equatable {
        /// A request that must be answered with an expected status.
        public struct HTTP: Sendable, Equatable {
            /// Of the request: path and query.
            public var path: String
            /// The Host header; nil: the endpoint's address and port.
            public var host: String?
            /// Statuses that pass.
            public var expected: [Int]

            /// A request.
            public init(path: String, host: String? = nil, expected: [Int] = [200]) {
                self.path = path
                self.host = host
                self.expected = expected
            }
        }
        /// A call of `grpc.health.v1.Health/Check` that must be answered with SERVING.
        public struct GRPC: Sendable, Equatable {
            /// Whose health is asked for; empty: the server's.
            public var service: String
            /// The authority of the request; nil: the endpoint's address and port.
            public var host: String?

            /// A call.
            public init(service: String = "", host: String? = nil) {
                self.service = service
                self.host = host
            }
        }
        /// With neither, a check passes when the connect does.
        public var http: HTTP?
        /// See `http`.
        public var grpc: GRPC?
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
            healthyAfter: Int = 2, http: HTTP? = nil, grpc: GRPC? = nil
        ) {
            self.interval = interval
            self.timeout = timeout
            self.unhealthyAfter = unhealthyAfter
            self.healthyAfter = healthyAfter
            self.http = http
            self.grpc = grpc
        }
    }

    /// Judging endpoints by how requests and connects to them fare: one that fails is ejected for a while.
    public struct OutlierDetection: Sendable, Equatable {
        /// Failures in a row, over all workers, that eject an endpoint.
        public var consecutiveFailures: Int
        /// How long the first ejection lasts; the Nth in a row lasts N times as long, up to `ejectionMax`.
        public var baseEjection: Duration
        /// At most this share of a cluster's endpoints is ejected at once, 0...1; one of two or more always may be.
        public var maxEjected: Double
        /// nil: endpoints are not compared with each other.
        public var successRate: SuccessRate?

        /// Ejects who succeeds much less often than the others: below mean - factor x standard deviation.
        public struct SuccessRate: Sendable, Equatable {
            /// How often endpoints are compared, by what happened since the last time.
            public var interval: Duration
            /// An endpoint with fewer requests in that time is left alone, and does not count for the mean.
            public var requestsMin: Int
            /// With fewer such endpoints nobody is compared.
            public var endpointsMin: Int
            /// Standard deviations.
            public var factor: Double

            /// Envoy's numbers.
            public init(
                interval: Duration = .seconds(10), requestsMin: Int = 100, endpointsMin: Int = 5, factor: Double = 1.9
            ) {
                self.interval = interval
                self.requestsMin = requestsMin
                self.endpointsMin = endpointsMin
                self.factor = factor
            }
        }

        /// The longest ejection, unless `baseEjection` is longer.
        public static let ejectionMax = Duration.seconds(300)

        /// With the documented defaults.
        public init(
            consecutiveFailures: Int = 5, baseEjection: Duration = .seconds(30), maxEjected: Double = 0.5,
            successRate: SuccessRate? = SuccessRate()
        ) {
            self.consecutiveFailures = consecutiveFailures
            self.baseEjection = baseEjection
            self.maxEjected = maxEjected
            self.successRate = successRate
        }
    }
}
