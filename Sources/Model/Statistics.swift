/// The counters of one worker. Single writer; summed over workers by readers.
public final class WorkerStatistics: Sendable {
    /// By pod slot; columns are `PodCounter`, then one for each `EndReason`.
    public let pods = CounterTable(capacity: SlotLimits.pods, width: PodCounter.width)
    /// By cluster slot; columns are `ClusterCounter`.
    public let clusters = CounterTable(capacity: SlotLimits.clusters, width: ClusterCounter.allCases.count)
    /// By endpoint slot, for clusters with outlier detection; columns are `EndpointCounter`.
    public let endpoints = CounterTable(capacity: SlotLimits.endpoints, width: EndpointCounter.allCases.count)
    /// By listener slot; columns are `ListenerCounter`, then one for each `EndReason`.
    public let listeners = CounterTable(capacity: SlotLimits.listeners, width: ListenerCounter.width)
    /// By id of a protected host; columns are `HostCounter`, then one for each `EndReason`.
    public let hosts = CounterTable(capacity: SlotLimits.hosts, width: HostCounter.width)
    /// One block, slot 0; columns as in `pods`: connections of explicit listeners that no pod of this host takes part in.
    public let podless = CounterTable(capacity: 1, width: PodCounter.width)
    /// One block, slot 0; columns are `HalfOpenAge`.
    public let halfOpenAges = CounterTable(capacity: 1, width: HalfOpenAge.width)
    /// By pair slot (pod x cluster); one column: connections.
    public let pairs = CounterTable(capacity: SlotLimits.pairs, width: 1)
    /// One block, slot 0; columns are `WorkerCounter`.
    public let worker = CounterTable(capacity: 1, width: WorkerCounter.allCases.count)
    /// One block, slot 0; columns are `TurnHistogram`'s.
    public let turns = CounterTable(capacity: 1, width: TurnHistogram.width)
    /// Requests.
    public let requests = RequestTables()

    /// Broken rules and limits of HTTP/2, by who broke them (`HTTP2ViolationCount.Peer`); columns are the codec's.
    public let http2Violations = CounterTable(
        capacity: HTTP2ViolationCount.Peer.allCases.count, width: HTTP2ViolationCount.width)

    /// All zero.
    public init() {}
}

/// How often peers of HTTP/2 connections have broken one rule, or one named limit.
public struct HTTP2ViolationCount: Sendable, Equatable {
    /// Who they are to us.
    public enum Peer: Int, CaseIterable, Sendable {
        /// Clients; endpoints of clusters.
        case client, endpoint
    }

    /// Rules that there may be.
    public static let width = 64

    /// Who.
    public let peer: Peer
    /// Which rule, in snake case.
    public let kind: String
    /// How often, over all workers.
    public let count: Int

    /// A count.
    public init(peer: Peer, kind: String, count: Int) {
        self.peer = peer
        self.kind = kind
        self.count = count
    }
}

/// Columns of a pod's counters. Bytes are as the proxy's user sees them: payload, not headers.
public enum PodCounter: Int, CaseIterable, Sendable {
    /// Connections the pod opened, connections it received.
    case outboundConnections, inboundConnections
    /// Bytes the pod sent and received, over both kinds of connection.
    case bytesSent, bytesReceived
    /// Source ports that were taken and skipped.
    case sourcePortClashes
    /// Connections from the host's own address: to the pod itself, or for want of an address of the endpoint's family.
    case sourceHairpin, sourceNoFamily
    /// CPU time of the worker, nanoseconds.
    case cpuNanoseconds
    /// Receive buffers that were made small because of the memory that blocked connections hold.
    case windowClamps

    /// Columns in a block: these and the end reasons.
    public static let width = allCases.count + EndReason.allCases.count
    /// The column that counts connections of a pod that ended for `reason`.
    public static func column(_ reason: EndReason) -> Int { allCases.count + Int(reason.rawValue) }
}

/// Columns of a protected host's counters.
public enum HostCounter: Int, CaseIterable, Sendable {
    /// Connections that came out of its tunnel.
    case connections
    /// Those that are live (goes up and down).
    case connectionsActive
    /// Bytes from and to clients.
    case bytesSent, bytesReceived
    /// Connections on its behalf from this process's own address: into its tunnel (to one of its pods), or past it.
    case ownSourceInside, ownSourceOutside

    /// Columns in a block: these and the end reasons.
    public static let width = allCases.count + EndReason.allCases.count
    /// The column that counts connections that ended for `reason`.
    public static func column(_ reason: EndReason) -> Int { allCases.count + Int(reason.rawValue) }
    /// Whether it only grows.
    public var isTotal: Bool { self != .connectionsActive }
}

/// Columns of a cluster's counters.
public enum ClusterCounter: Int, CaseIterable, Sendable {
    /// Connections established.
    case connections
    /// Connect attempts that failed, that timed out, and that went on to the next endpoint.
    case connectFailures, connectTimeouts, connectRetries
    /// Connections refused by the circuit breaker, for want of endpoints; picks that ignored health (panic).
    case circuitBreakerOpen, noEndpoint, panicPicks
    /// Bytes to and from endpoints.
    case bytesSent, bytesReceived
    /// Active health checks.
    case healthChecksPassed, healthChecksFailed
    /// The latter by reason, as `HealthFailure` has them.
    case checkConnect, checkTimeout, checkClosed, checkProtocolError, checkStatus, checkNotServing, checkUnknownService
    /// Requests refused by the circuit breaker for requests, for waiting requests; retries it refused, and retries
    /// that the budget refused.
    case requestBreakerOpen, pendingBreakerOpen, retryBreakerOpen, retryBudgetEmpty
    /// Endpoints ejected: for failures in a row, for a success rate below the others'.
    case ejectionsConsecutive, ejectionsSuccessRate
    /// Requests that were not mirrored because their body was too long to keep.
    case mirrorsSkipped
}

/// Columns of an endpoint's counters.
public enum EndpointCounter: Int, CaseIterable, Sendable {
    /// Attempts that went well, and that did not, as outlier detection sees it.
    case successes, failures
}

/// Columns of a listener's counters.
public enum ListenerCounter: Int, CaseIterable, Sendable {
    /// Connections accepted.
    case connections
    /// Bytes from and to clients.
    case bytesSent, bytesReceived

    /// Columns in a block: these and the end reasons.
    public static let width = allCases.count + EndReason.allCases.count
    /// The column that counts connections of a listener that ended for `reason`.
    public static func column(_ reason: EndReason) -> Int { allCases.count + Int(reason.rawValue) }
}

extension WorkerCounter {
    /// Whether it only grows: what goes up and down is true of one process.
    public var isTotal: Bool {
        switch self {
        case .connectionsActive, .requestsActive, .upstreamsActive, .upstreamsIdle, .bufferedBytes, .halfOpen,
            .heartbeatMilliseconds:
            false
        case .turns, .gathers, .acceptErrors, .acceptPauses, .accessLogDropped, .bugs, .connectionsPassedOn,
            .rebalances, .patternsOverLimit, .detectedTLS, .detectedHTTP2, .detectedHTTP1, .detectedBytes,
            .detectedServerFirst, .detectedNothing, .upstreamsUnused:
            true
        }
    }
}

/// Columns of a worker's own counters.
public enum WorkerCounter: Int, CaseIterable, Sendable {
    /// Turns of the event loop.
    case turns
    /// Looks at gathered connections; see `GatherPace`.
    case gathers
    /// accept(2) failed; accepting was paused for want of descriptors or memory.
    case acceptErrors, acceptPauses
    /// Access log records that the ring had no room for.
    case accessLogDropped
    /// Events that should not happen and were survived; each is logged.
    case bugs
    /// Fresh connections passed to a worker with fewer; rounds in which live ones were passed on.
    case connectionsPassedOn, rebalances
    /// Connections whose first bytes decided (`SpokenProtocol`), and those that ended before anybody spoke.
    case detectedTLS, detectedHTTP2, detectedHTTP1, detectedBytes, detectedServerFirst, detectedNothing
    /// Upstream connections opened for a silent client that turned out to speak HTTP, and closed again.
    case upstreamsUnused
    /// Live connections (goes up and down).
    case connectionsActive
    /// Requests under way (goes up and down).
    case requestsActive
    /// Upstream connections of HTTP, and those of them that wait to be used again (both go up and down).
    case upstreamsActive, upstreamsIdle
    /// Regular expressions that took more steps than they may and so did not match.
    case patternsOverLimit
    /// Bytes held in buffers for slow readers (goes up and down).
    case bufferedBytes
    /// Connections of which one direction has ended and the other has not (goes up and down).
    case halfOpen
    /// Heartbeat: monotonic milliseconds of the last turn.
    case heartbeatMilliseconds
}

/// How many things of each kind one process can tell apart. Beyond them a configuration is refused; series of pairs
/// past the limit go to `other`.
public enum SlotLimits {
    /// Pods of this host and of hosts it stands in for.
    public static let pods = 65536
    /// Clusters.
    public static let clusters = 65536
    /// Protected hosts, by id.
    public static let hosts = 65536
    /// Endpoints of all clusters.
    public static let endpoints = 1 << 20
    /// Listeners, the interception ones included.
    public static let listeners = 4096
    /// Rules of all route tables.
    public static let routes = 65536
    /// Rate limits of all route tables, listeners and table entries.
    public static let rateBuckets = 65536
    /// Pod x cluster series.
    public static let pairs = 65536
}

/// Process-wide state by slot that limits and balancing look at.
public final class SharedState: Sendable {
    /// Live connections by pod slot (both legs together).
    public let podConnections = AtomicWords(capacity: SlotLimits.pods)
    /// Live connections by cluster slot.
    public let clusterConnections = AtomicWords(capacity: SlotLimits.clusters)
    /// Requests under way by cluster slot.
    public let clusterRequests = AtomicWords(capacity: SlotLimits.clusters)
    /// Requests that wait for a connection, by cluster slot.
    public let clusterPending = AtomicWords(capacity: SlotLimits.clusters)
    /// Retries under way by cluster slot.
    public let clusterRetries = AtomicWords(capacity: SlotLimits.clusters)
    /// Live connections by endpoint slot.
    public let endpointConnections = AtomicWords(capacity: SlotLimits.endpoints)
    /// Verdicts by endpoint slot: 0 may be picked, else bits of `failedCheck` and `ejected`.
    public let endpointHealth = AtomicWords(capacity: SlotLimits.endpoints)
    /// Why the last active check of an endpoint failed, by endpoint slot: 1 + `HealthFailure`; 0: it passed, or there was none.
    public let endpointCheckFailures = AtomicWords(capacity: SlotLimits.endpoints)
    /// Failures in a row by endpoint slot, for clusters with outlier detection.
    public let endpointFailures = AtomicWords(capacity: SlotLimits.endpoints)
    /// When an ejected endpoint comes back, and how often it has been ejected, by endpoint slot; see `Ejection`.
    public let endpointEjections = AtomicWords(capacity: SlotLimits.endpoints)
    /// When an endpoint's slow start began, monotonic nanoseconds, by endpoint slot; 0: never.
    public let endpointRamps = AtomicWords(capacity: SlotLimits.endpoints)
    /// When the last slow start of a cluster ends, monotonic nanoseconds, by cluster slot; 0: there was none.
    public let clusterRampEnds = AtomicWords(capacity: SlotLimits.clusters)
    /// How many of a cluster's endpoints are ejected, by cluster slot.
    public let clusterEjected = AtomicWords(capacity: SlotLimits.clusters)
    /// By cluster slot: goes up whenever the verdict of one of the cluster's endpoints changes, so that balancers need
    /// not look at every endpoint to know whether what they remember still holds.
    public let clusterHealthEpochs = AtomicWords(capacity: SlotLimits.clusters)
    /// Live exchanges by route slot: a slot is not given away under one.
    public let routeRequests = AtomicWords(capacity: SlotLimits.routes)
    /// Requests that wait for a connection, by pod slot: see `PodRecord.pendingRequestsMax`.
    public let podPendingRequests = AtomicWords(capacity: SlotLimits.pods)
    /// See `RateLimitRecord`.
    public let rateBuckets = AtomicWords(capacity: SlotLimits.rateBuckets)
    /// How discovery fares.
    public let discovery = DiscoveryBoard()
    /// Slot 0: live connections of the process.
    public let connections = AtomicWords(capacity: 1)
    /// Bytes that blocked connections hold, in user memory and in their sockets, by pod slot + 1; place 0 is for
    /// connections without a pod.
    public let podBufferBytes = AtomicWords(capacity: SlotLimits.pods + 1)
    /// Slot 0: the same for the process.
    public let bufferBytes = AtomicWords(capacity: 1)

    /// All zero.
    public init() {
        connections.reserve(0)
        podBufferBytes.reserve(0)
        bufferBytes.reserve(0)
    }
}
