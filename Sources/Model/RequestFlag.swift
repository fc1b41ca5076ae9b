/// What was special about a request. A request that simply got its response has none; some have several: a delay was
/// injected, the second connect failed too, and there was no retry left.
///
/// Each is counted by its label and shown in the access log by its letters. The order is that of the bits in
/// `RequestFlags`; within one line of the log it is the order in which flags are shown.
public enum RequestFlag: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// The client reset, or closed before it had the whole response.
    case clientReset
    /// The client stopped answering: keepalive probes, or data past the user timeout.
    case clientVanished
    /// The client's head did not arrive within `headerTimeout`.
    case headerTimeout
    /// No byte either way for the idle timeout of a stream.
    case idleTimeout
    /// The request breaks the protocol or a limit on heads; the log's `detail` says which rule.
    case badRequest
    /// No virtual host or no rule matches.
    case noRoute
    /// The receiving pod's inbound table says `deny`.
    case deniedInbound
    /// A filter answered: local rate limit.
    case rateLimited
    /// A filter delayed the request.
    case faultDelay
    /// A filter answered in the endpoint's place.
    case faultAbort
    /// The cluster has no endpoint (or none that may be used).
    case noEndpoint
    /// `circuitBreaker.connections` or `.requests` of the cluster reached.
    case circuitBreaker
    /// `circuitBreaker.pendingRequests` of the cluster, or `limits.pendingRequests` of the pod, reached.
    case pendingOverflow
    /// No endpoint accepted the connection: refused, unreachable.
    case connectFailed
    /// No endpoint answered within `connectTimeout`.
    case connectTimeout
    /// No free source port towards the endpoint in this leg's half of `sourcePorts`.
    case sourcePortsExhausted
    /// The endpoint closed or reset the connection before its response was complete.
    case upstreamReset
    /// The endpoint stopped answering.
    case upstreamVanished
    /// The endpoint's response breaks the protocol or a limit; the log's `detail` says which rule.
    case upstreamProtocolError
    /// The endpoint had not looked at the request when it refused it: no stream to be had, or its connection was ending.
    case upstreamRefused
    /// The route's `timeout` was over.
    case upstreamTimeout
    /// An attempt took longer than `perTryTimeout`.
    case perTryTimeout
    /// It failed after the last attempt that the policy allows.
    case retryLimit
    /// There would have been a retry, but for `circuitBreaker.retries` or the retry budget.
    case retryOverflow
    /// `limits.connections` of a pod reached.
    case podLimit
    /// The process's descriptor budget is used up.
    case nodeLimit
    /// The largest blocked stream of a pod that is over its `limits.bufferBytes`.
    case bufferLimit
    /// The largest blocked stream of the largest pod while the process is over `limits.memory`.
    case memoryLimit
    /// The destination is one of our own listeners.
    case loop
    /// Its pod left the configuration, or became another one (by UID).
    case podGone
    /// Still under way when `drainTimeout` was over.
    case drainTimeout
    /// A system call failed in a way that is our bug or the host's trouble.
    case internalError
}

extension RequestFlag {
    /// The metric label, snake case.
    public var label: String {
        switch self {
        case .clientReset: "client_reset"
        case .clientVanished: "client_vanished"
        case .headerTimeout: "header_timeout"
        case .idleTimeout: "idle_timeout"
        case .badRequest: "bad_request"
        case .noRoute: "no_route"
        case .deniedInbound: "denied_inbound"
        case .rateLimited: "rate_limited"
        case .faultDelay: "fault_delay"
        case .faultAbort: "fault_abort"
        case .noEndpoint: "no_endpoint"
        case .circuitBreaker: "circuit_breaker"
        case .pendingOverflow: "pending_overflow"
        case .connectFailed: "connect_failed"
        case .connectTimeout: "connect_timeout"
        case .sourcePortsExhausted: "source_ports_exhausted"
        case .upstreamReset: "upstream_reset"
        case .upstreamVanished: "upstream_vanished"
        case .upstreamProtocolError: "upstream_protocol_error"
        case .upstreamRefused: "upstream_refused"
        case .upstreamTimeout: "upstream_timeout"
        case .perTryTimeout: "per_try_timeout"
        case .retryLimit: "retry_limit"
        case .retryOverflow: "retry_overflow"
        case .podLimit: "pod_limit"
        case .nodeLimit: "node_limit"
        case .bufferLimit: "buffer_limit"
        case .memoryLimit: "memory_limit"
        case .loop: "loop"
        case .podGone: "pod_gone"
        case .drainTimeout: "drain_timeout"
        case .internalError: "internal_error"
        }
    }

    /// The access log's letters; where Envoy has some for the case, the same.
    public var letters: String {
        switch self {
        case .clientReset: "DC"
        case .clientVanished: "DC_GONE"
        case .headerTimeout: "HDR_TIMEOUT"
        case .idleTimeout: "SI"
        case .badRequest: "DPE"
        case .noRoute: "NR"
        case .deniedInbound: "DENY_IN"
        case .rateLimited: "RL"
        case .faultDelay: "DI"
        case .faultAbort: "FI"
        case .noEndpoint: "UH"
        case .circuitBreaker: "UO"
        case .pendingOverflow: "UO_PENDING"
        case .connectFailed: "UF"
        case .connectTimeout: "UF_TIMEOUT"
        case .sourcePortsExhausted: "NO_PORT"
        case .upstreamReset: "UC"
        case .upstreamVanished: "UC_GONE"
        case .upstreamProtocolError: "UPE"
        case .upstreamRefused: "UC_REFUSED"
        case .upstreamTimeout: "UT"
        case .perTryTimeout: "UT_TRY"
        case .retryLimit: "URX"
        case .retryOverflow: "UO_RETRY"
        case .podLimit: "POD_LIMIT"
        case .nodeLimit: "NODE_LIMIT"
        case .bufferLimit: "BUF_LIMIT"
        case .memoryLimit: "OM"
        case .loop: "LOOP"
        case .podGone: "POD_GONE"
        case .drainTimeout: "DRAIN"
        case .internalError: "BUG"
        }
    }
}
