/// Why a connection ended. Anything but `completed` is a reset that is counted by its label and shown in the access log
/// by its flag.
public enum EndReason: UInt8, Sendable, CaseIterable, BitwiseCopyable {
    /// Both sides closed in order.
    case completed
    /// The client reset.
    case clientReset
    /// The upstream reset, after it had been connected.
    case upstreamReset
    /// The pod's outbound table says `deny`.
    case deniedOutbound
    /// The receiving pod's inbound table says `deny`.
    case deniedInbound
    /// `limits.connections` of the pod reached.
    case podLimit
    /// The process's descriptor budget is used up.
    case nodeLimit
    /// `circuitBreaker.connections` of the cluster reached.
    case circuitBreaker
    /// The cluster has no endpoint (or none that may be used).
    case noEndpoint
    /// No endpoint accepted the connection: refused, unreachable.
    case connectFailed
    /// No endpoint answered within `connectTimeout`.
    case connectTimeout
    /// No free source port towards the endpoint in this leg's half of `sourcePorts`.
    case sourcePortsExhausted
    /// The destination is one of our own listeners.
    case loop
    /// No byte either way for the idle timeout.
    case idleTimeout
    /// Its pod left the configuration, or became another one (by UID): what it was allowed was allowed to that pod.
    case podGone
    /// Still open when `drainTimeout` was over.
    case drainTimeout
    /// A system call failed in a way that is our bug or the host's trouble; the log has the errno.
    case internalError
    /// The client stopped answering: keepalive probes, or data past the user timeout.
    case clientVanished
    /// The upstream stopped answering, after it had been connected.
    case upstreamVanished
    /// The largest blocked connection of a pod that is over its `limits.bufferBytes`.
    case bufferLimit
    /// The largest blocked connection of the largest pod while the process is over `limits.memory`.
    case memoryLimit
    /// It came out of a tunnel of no host in `failover.protects`, or without the mark that says whose tunnel it was.
    case unknownHost
    /// Its client did not begin with what its entry is for: no TLS ClientHello where `protocol: tls` says so.
    case unexpectedProtocol
}

extension EndReason {
    /// The metric label, snake case.
    public var label: String {
        switch self {
        case .completed: "completed"
        case .clientReset: "client_reset"
        case .upstreamReset: "upstream_reset"
        case .deniedOutbound: "denied_outbound"
        case .deniedInbound: "denied_inbound"
        case .podLimit: "pod_limit"
        case .nodeLimit: "node_limit"
        case .circuitBreaker: "circuit_breaker"
        case .noEndpoint: "no_endpoint"
        case .connectFailed: "connect_failed"
        case .connectTimeout: "connect_timeout"
        case .sourcePortsExhausted: "source_ports_exhausted"
        case .loop: "loop"
        case .idleTimeout: "idle_timeout"
        case .podGone: "pod_gone"
        case .drainTimeout: "drain_timeout"
        case .internalError: "internal_error"
        case .clientVanished: "client_vanished"
        case .upstreamVanished: "upstream_vanished"
        case .bufferLimit: "buffer_limit"
        case .memoryLimit: "memory_limit"
        case .unknownHost: "unknown_host"
        case .unexpectedProtocol: "unexpected_protocol"
        }
    }

    /// The access log's response flag; where Envoy has one for the case, the same letters.
    public var flag: String {
        switch self {
        case .completed: "-"
        case .clientReset: "DC"
        case .upstreamReset: "UC"
        case .deniedOutbound: "DENY_OUT"
        case .deniedInbound: "DENY_IN"
        case .podLimit: "POD_LIMIT"
        case .nodeLimit: "NODE_LIMIT"
        case .circuitBreaker: "UO"
        case .noEndpoint: "UH"
        case .connectFailed: "UF"
        case .connectTimeout: "UT"
        case .sourcePortsExhausted: "NO_PORT"
        case .loop: "LOOP"
        case .idleTimeout: "SI"
        case .podGone: "POD_GONE"
        case .drainTimeout: "DRAIN"
        case .internalError: "BUG"
        case .clientVanished: "DC_GONE"
        case .upstreamVanished: "UC_GONE"
        case .bufferLimit: "BUF_LIMIT"
        case .memoryLimit: "OM"
        case .unknownHost: "NO_HOST"
        case .unexpectedProtocol: "PROTO"
        }
    }
}
