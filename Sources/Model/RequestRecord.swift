/// What a request spoke, as the log shows it.
public enum RequestProtocol: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// RFC 1945, RFC 9112 and RFC 9113.
    case http10, http11, http2

    /// `HTTP/1.1`.
    public var label: String {
        switch self {
        case .http10: "HTTP/1.0"
        case .http11: "HTTP/1.1"
        case .http2: "HTTP/2"
        }
    }
}

/// What is known of a finished exchange: plain bits, names by slot. Filled in while the exchange goes on, counted once by
/// `WorkerStatistics.countRequest`, and left for the access log in a `RequestRing` together with its texts.
public struct RequestRecord: Sendable, BitwiseCopyable {
    /// Wall clock of the first byte of the request's head, nanoseconds since 1970.
    public var startedWallNanoseconds: Int64 = 0
    /// From that byte to the last byte of the response, or to whatever ended it.
    public var durationNanoseconds: Int64 = 0
    /// From that byte to the first byte of the final response's head from the endpoint, retries included; 0: none came.
    public var upstreamFirstByteNanoseconds: Int64 = 0
    /// From that byte to the last byte from the endpoint; 0: it never came to that.
    public var upstreamNanoseconds: Int64 = 0
    /// Body bytes of the request and of the response; of an upgraded connection all that flowed.
    public var bytesSent: Int = 0, bytesReceived: Int = 0
    /// The snapshot it was routed under.
    public var generation: UInt64 = 0
    /// What was special about it; empty: nothing.
    public var flags = RequestFlags()
    /// The peer that connected to us.
    public var client = SocketAddress(.anyV4, 0)
    /// The address the client dialled (for an explicit listener: ours).
    public var originalDestination = SocketAddress(.anyV4, 0)
    /// The endpoint of the last attempt; port 0: none.
    public var endpoint = SocketAddress(.anyV4, 0)
    /// Our address on the upstream side; port 0: not known.
    public var source = SocketAddress(.anyV4, 0)
    /// Slot of the client's pod; -1: not a local pod.
    public var pod: Int32 = -1
    /// Slot of the receiving pod; -1: not a local pod.
    public var destinationPod: Int32 = -1
    /// Slot of the cluster; -1: none was chosen.
    public var cluster: Int32 = -1
    /// Slot of the route; -1: none matched.
    public var route: Int32 = -1
    /// Slot of the receiving pod's route, where both pods of one exchange have routes; -1: none.
    public var inboundRoute: Int32 = -1
    /// Slot of the listener; -1: none, a mirrored copy.
    public var listener: Int32 = 0
    /// The id of the protected host on whose behalf it is; 0: this one.
    public var host: UInt16 = 0
    /// Which worker.
    public var worker: UInt16 = 0
    /// The status sent to the client; 0: it got none.
    public var status: UInt16 = 0
    /// The status of a gRPC call; -1: none, or it was no call.
    public var grpcStatus: Int8 = -1
    /// Attempts made upstream; what is past the first are retries.
    public var attempts: UInt8 = 0
    /// Attempts that ended because a time was over, also those that a retry made good.
    public var timeouts: UInt8 = 0
    /// The method's code in the codec; its text is in the ring.
    public var method: UInt8 = 0
    /// What the client spoke.
    public var version: RequestProtocol = .http11
    /// Which way the connection came in.
    public var direction: ConnectionDirection = .outbound

    /// An empty record, to be filled in.
    public init() {}

    /// Attempts after the first.
    public var retries: Int { attempts > 1 ? Int(attempts) - 1 : 0 }
}
