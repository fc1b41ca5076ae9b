import Model
import Upstream

/// How an attempt to get a response from an upstream failed.
enum UpstreamFailure: UInt8, BitwiseCopyable {
    /// No connection: refused, unreachable.
    case connectFailed
    case connectTimeout
    case portsExhausted
    case nodeLimit
    case forbidden
    /// The receiving pod's table says `deny`.
    case denied
    /// The receiving pod has as many connections as it may have.
    case receiverFull
    /// The connection ended before the response was complete.
    case reset
    /// ... because the server no longer answers.
    case vanished
    /// The response breaks the protocol.
    case protocolError
    /// The server has not looked at the request: it refuses the stream, or has no place for it.
    case refused
    /// ... because it was about to end the connection.
    case goneAway
    /// ... and has not looked at any: it ends the connections that are made to it.
    case turnedAway
    /// The route's time for one attempt, for the whole exchange, is over.
    case perTryTimeout
    case timeout

    /// What the client is told when nothing of a response has been sent.
    var status: Int {
        switch self {
        case .connectFailed, .connectTimeout, .portsExhausted, .nodeLimit, .refused, .goneAway, .turnedAway: 503
        // A pod of another host that denies resets the connection, and its callers are to see the same of one here.
        case .denied, .receiverFull, .reset, .vanished, .protocolError: 502
        case .perTryTimeout, .timeout: 504
        case .forbidden: 500
        }
    }

    var flag: RequestFlag {
        switch self {
        case .connectFailed: .connectFailed
        case .connectTimeout: .connectTimeout
        case .portsExhausted: .sourcePortsExhausted
        case .nodeLimit: .nodeLimit
        case .forbidden: .internalError
        case .denied: .deniedInbound
        case .receiverFull: .podLimit
        case .reset: .upstreamReset
        case .vanished: .upstreamVanished
        case .protocolError: .upstreamProtocolError
        case .refused, .goneAway, .turnedAway: .upstreamRefused
        case .perTryTimeout: .perTryTimeout
        case .timeout: .upstreamTimeout
        }
    }

    var text: StaticString {
        switch self {
        case .connectFailed: "no endpoint accepts the connection\n"
        case .connectTimeout: "no endpoint answers\n"
        case .portsExhausted: "no free source port towards the endpoint\n"
        case .nodeLimit: "the proxy is out of connections\n"
        case .forbidden: "the proxy may not connect\n"
        case .denied, .receiverFull, .reset, .vanished: "the connection to the endpoint ended before its response\n"
        case .protocolError: "the endpoint's response is not valid HTTP\n"
        case .refused, .goneAway, .turnedAway: "the endpoint refuses the request\n"
        case .perTryTimeout, .timeout: "the endpoint took too long\n"
        }
    }

    /// What it says of the endpoint; nil: nothing.
    var endpointFailure: EndpointFailure? {
        switch self {
        case .connectFailed, .connectTimeout, .turnedAway: .connect
        // To its callers, a pod that denies is an endpoint that resets.
        case .denied, .receiverFull, .reset, .vanished, .protocolError: .reset
        case .perTryTimeout, .timeout: .timeout
        case .portsExhausted, .nodeLimit, .forbidden, .refused, .goneAway: nil
        }
    }

    /// Whether a time was over.
    var isTimeout: Bool { self == .connectTimeout || self == .perTryTimeout || self == .timeout }
}

extension ConnectFailure {
    var failure: UpstreamFailure {
        switch self {
        case .refused: .connectFailed
        case .portsExhausted: .portsExhausted
        case .shortage: .nodeLimit
        case .forbidden: .forbidden
        }
    }
}
