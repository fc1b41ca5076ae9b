/// One element of `GET /pods`.
public struct PodView: Codable, Sendable, Equatable {
    /// `namespace/name`; `unknown` stands for addresses in podCIDRs without a pod.
    public var name: String
    /// The protected host it runs on; absent: this one.
    public var host: String?
    /// The pod's UID, if the configuration has it.
    public var uid: String?
    /// Its addresses.
    public var addresses: [String]
    /// Live connections, both legs, and the limit.
    public var connectionsActive: Int, connectionsMax: Int
    /// Connections it opened and received.
    public var outboundConnections: Int, inboundConnections: Int
    /// Payload it sent and received, bodies of requests included.
    public var bytesSent: Int, bytesReceived: Int
    /// Requests it sent, requests it received; absent before the first.
    public var requestsSent: RequestsView?, requestsReceived: RequestsView?
    /// Source ports that were taken and skipped.
    public var sourcePortClashes: Int
    /// Connections from the host's own address, by cause.
    public var sourceHairpin: Int, sourceNoFamily: Int
    /// Connections that did not end in order, by reason; reasons that never occurred are left out.
    public var resets: [String: Int]
    /// Its tables, in order.
    public var outbound: [TableEntryView], inbound: [TableEntryView]
}

/// An entry of a listener table, in words.
public struct TableEntryView: Codable, Sendable, Equatable {
    /// `any`, or e.g. `cidrs 10.96.0.0/12 ports 80, 443`.
    public var match: String
    /// `passthrough`, `deny`, `cluster NAME` or `http routes TABLE`.
    public var action: String
}

/// One element of `GET /clusters`.
public struct ClusterView: Codable, Sendable, Equatable {
    /// The cluster's name; `passthrough` is the original destination.
    public var name: String
    /// `static` or `originalDestination`.
    public var discovery: String
    /// As in the configuration.
    public var loadBalancer: String
    /// Live connections; the circuit breaker's limit, absent when there is none.
    public var connectionsActive: Int, connectionsMax: Int?
    /// Connections established since the start.
    public var connections: Int
    /// Connect attempts that failed, timed out, went on to the next endpoint.
    public var connectFailures: Int, connectTimeouts: Int, connectRetries: Int
    /// Connections refused by the breaker, for want of endpoints; picks that ignored health.
    public var circuitBreakerOpen: Int, noEndpoint: Int, panicPicks: Int
    /// Payload to and from endpoints, bodies of requests included.
    public var bytesSent: Int, bytesReceived: Int
    /// Requests under way, and those of them that wait for a connection; the limits, absent when there is none.
    public var requestsActive: Int, requestsMax: Int?, requestsPending: Int, pendingMax: Int?
    /// Requests and retries that these limits, that of retries and the retry budget refused.
    public var requestOverflows: Int, pendingOverflows: Int, retryOverflows: Int, retryBudgetEmpty: Int
    /// Endpoints ejected: for failures in a row, for their success rate.
    public var ejectionsConsecutive: Int, ejectionsSuccessRate: Int
    /// Absent before the first request.
    public var requests: RequestsView?
    /// Active health checks.
    public var healthChecksPassed: Int, healthChecksFailed: Int
    /// Its endpoints.
    public var endpoints: [EndpointView]
}

/// An endpoint of a cluster.
public struct EndpointView: Codable, Sendable, Equatable {
    /// Where it listens.
    public var address: String
    /// Relative share of traffic.
    public var weight: Int
    /// `healthy`, `unhealthy`, `ejected`, or `unchecked` when the cluster has neither health check nor outlier detection.
    public var health: String
    /// Why the last health check failed; absent: it passed, or there was none.
    public var checkFailure: String?
    /// Live connections.
    public var connectionsActive: Int
}

/// One element of `GET /listeners`.
public struct ListenerStatusView: Codable, Sendable, Equatable {
    /// The listener's name; `outbound` and `inbound` are those of interception.
    public var name: String
    /// The bound address, with the port the kernel picked where 0 was asked for.
    public var address: String
    /// Workers that listen on it.
    public var workers: Int
    /// Connections accepted. Sockets of one listener share their counters.
    public var connections: Int
    /// Payload sent and received by clients, bodies of requests included.
    public var bytesSent: Int, bytesReceived: Int
    /// Absent before the first request; without durations.
    public var requests: RequestsView?
    /// Connections that did not end in order, by reason.
    public var resets: [String: Int]
}

/// The answer of `GET /connections`.
public struct ConnectionListView: Codable, Sendable, Equatable {
    /// Live connections, oldest first.
    public var connections: [LiveConnectionView]
    /// Workers that did not answer in time.
    public var missingWorkers: [Int]
    /// Whether there are more than the limit.
    public var truncated: Bool
}

/// A live connection; the fields are those of the access log.
public struct LiveConnectionView: Codable, Sendable, Equatable {
    /// When it was accepted, RFC 3339.
    public var started: String
    /// `connecting`, `open` or `halfClosed`.
    public var state: String
    /// The snapshot it was accepted under, and the worker it lives on.
    public var generation: UInt64, worker: Int
    /// The protected host on whose behalf it is; absent: this one.
    public var host: String?
    /// The client's pod, the receiving pod, if they are of that host.
    public var pod: String?, destinationPod: String?
    /// The listener, and `outbound`, `inbound` or `listener`.
    public var listener: String?, direction: String
    /// The peer, and what it dialled.
    public var client: String, originalDestination: String
    /// Where it goes, and our address on that side.
    public var cluster: String?, endpoint: String?, source: String?
    /// What it turned out to speak, as the log has it; absent: nobody looked, or nothing was said yet.
    public var detected: String?
    /// Connect attempts made.
    public var attempts: Int
    /// Payload, client to upstream and back.
    public var bytesSent: Int, bytesReceived: Int
    /// Since the accept, and since the last byte.
    public var ageMilliseconds: Int64, idleMilliseconds: Int64
    /// Held for a slow reader.
    public var bufferedBytes: Int
}

/// The answer of `GET /version`.
public struct VersionView: Codable, Sendable, Equatable {
    /// `apusd`.
    public var name: String
    /// As in CHANGELOG.
    public var version: String
}

/// The answer of `GET /status`: the whole process at a glance.
public struct StatusView: Codable, Sendable, Equatable {
    /// As in CHANGELOG.
    public var version: String
    /// The node's name and `local` or `remote`; absent before the first configuration.
    public var node: String?, mode: String?
    /// `starting`, `serving`, `draining` or `stopped`.
    public var phase: String
    /// As `GET /ready`.
    public var readiness: ReadinessView
    /// Number of the configuration in force, and when it was taken over (RFC 3339).
    public var generation: UInt64, configured: String?
    /// How many there are.
    public var workers: Int, pods: Int, clusters: Int, listeners: Int
    /// Live connections, and requests under way.
    public var connectionsActive: Int, requestsActive: Int
    /// Requests since the start.
    public var requests: Int
    /// Resident memory, bytes.
    public var residentBytes: Int?
}

/// The answer to anything that went wrong.
public struct ErrorView: Codable, Sendable, Equatable {
    /// What is wrong and what was expected.
    public var error: String
    /// For an unknown path: the known ones.
    public var paths: [String]?
}
