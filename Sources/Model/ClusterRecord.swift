/// A cluster as workers see it. Times are nanoseconds; a limit that is not set is `Int.max`.
public struct ClusterRecord: Sendable, BitwiseCopyable {
    /// For counters and the words of `SharedState`.
    public let slot: Int
    /// The address the client dialled is the one endpoint.
    public let isOriginalDestination: Bool
    /// How an endpoint is picked.
    public let loadBalancer: Configuration.Cluster.LoadBalancer
    /// What the endpoints speak.
    public let upstreamProtocol: Configuration.Cluster.UpstreamProtocol
    /// Whether endpoints of the node's own zone are preferred.
    public let isZoneAware: Bool
    /// How long one connect attempt may take.
    public let connectTimeout: Int64
    /// A tunnel without a byte for this long is reset.
    public let tunnelIdleTimeout: Int64
    /// A pooled connection that is not used for this long is closed.
    public let idleTimeout: Int64
    /// How long the share of a new endpoint grows; 0: it is full at once.
    public let slowStart: Int64
    /// Healthy share, 0...1, below which health is ignored.
    public let panicThreshold: Double
    /// At most: live connections, requests under way, requests that wait for a connection, retries under way.
    public let connectionsMax: Int, requestsMax: Int, pendingMax: Int, retriesMax: Int
    /// nil: not checked.
    public let healthCheck: HealthCheckRecord?
    /// nil: not judged by how requests fare.
    public let outlierDetection: OutlierRecord?

    /// Whether endpoints are judged by how requests and connects to them fare, which the worker has to report then.
    public var hasOutlierDetection: Bool { outlierDetection != nil }
    /// Whether `SharedState.endpointHealth` means something for the cluster's endpoints.
    public var hasVerdicts: Bool { healthCheck != nil || outlierDetection != nil }
}

/// A health check as workers see it. Times are nanoseconds.
public struct HealthCheckRecord: Sendable, BitwiseCopyable, Equatable {
    /// Time between checks of one endpoint, and how long one may take.
    public let interval, timeout: Int64
    /// Results in a row that change the verdict.
    public let unhealthyAfter, healthyAfter: Int
    /// Whether it is a request; otherwise a check passes when the connect does.
    public let asks: Bool
    /// Differs when the request or what is expected does (`Snapshot.healthRequests` has them).
    public let fingerprint: UInt64
}

/// Outlier detection as workers see it. Times are nanoseconds.
public struct OutlierRecord: Sendable, BitwiseCopyable, Equatable {
    /// Failures in a row that eject an endpoint.
    public let consecutiveFailures: Int
    /// How long the first ejection lasts, and any at most.
    public let baseEjection, ejectionMax: Int64
    /// Share of endpoints ejected at most, 0...1.
    public let maxEjected: Double
    /// How often endpoints are compared by success rate; 0: never.
    public let interval: Int64
    /// See `Configuration.OutlierDetection.SuccessRate`.
    public let requestsMin, endpointsMin: Int
    /// See `Configuration.OutlierDetection.SuccessRate`.
    public let factor: Double
}

extension ClusterRecord {
    init(_ cluster: Configuration.Cluster, slot: Int) {
        self.slot = slot
        isOriginalDestination = cluster.discovery == .originalDestination
        loadBalancer = cluster.loadBalancer
        upstreamProtocol = cluster.upstreamProtocol
        isZoneAware = cluster.isZoneAware
        connectTimeout = cluster.connectTimeout.nanoseconds
        tunnelIdleTimeout = cluster.tunnelIdleTimeout.nanoseconds
        idleTimeout = cluster.idleTimeout.nanoseconds
        slowStart = cluster.slowStart?.nanoseconds ?? 0
        panicThreshold = cluster.panicThreshold
        connectionsMax = cluster.connectionsMax ?? .max
        requestsMax = cluster.requestsMax ?? .max
        pendingMax = cluster.pendingMax ?? .max
        retriesMax = cluster.retriesMax ?? .max
        healthCheck = cluster.healthCheck.map(HealthCheckRecord.init)
        outlierDetection = cluster.outlierDetection.map(OutlierRecord.init)
    }
}

extension HealthCheckRecord {
    init(_ check: Configuration.HealthCheck) {
        interval = check.interval.nanoseconds
        timeout = check.timeout.nanoseconds
        unhealthyAfter = check.unhealthyAfter
        healthyAfter = check.healthyAfter
        asks = check.http != nil || check.grpc != nil
        fingerprint = Self.fingerprint(check)
    }

    /// FNV-1a of all that is in the request.
    private static func fingerprint(_ check: Configuration.HealthCheck) -> UInt64 {
        var text = ""
        if let http = check.http { text = "http\n\(http.path)\n\(http.host ?? "")\n\(http.expected)" }
        if let grpc = check.grpc { text = "grpc\n\(grpc.service)\n\(grpc.host ?? "")" }
        return text.utf8.reduce(0xcbf2_9ce4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
    }
}

extension OutlierRecord {
    init(_ detection: Configuration.OutlierDetection) {
        consecutiveFailures = detection.consecutiveFailures
        baseEjection = detection.baseEjection.nanoseconds
        ejectionMax = max(baseEjection, Configuration.OutlierDetection.ejectionMax.nanoseconds)
        maxEjected = detection.maxEjected
        interval = detection.successRate?.interval.nanoseconds ?? 0
        requestsMin = detection.successRate?.requestsMin ?? .max
        endpointsMin = detection.successRate?.endpointsMin ?? .max
        factor = detection.successRate?.factor ?? 0
    }
}
