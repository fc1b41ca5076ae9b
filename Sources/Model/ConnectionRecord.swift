/// Which way a connection came in.
public enum ConnectionDirection: UInt8, Sendable, BitwiseCopyable, CaseIterable {
    /// Intercepted: a local pod opened it.
    case outbound
    /// Intercepted: it came to a local pod.
    case inbound
    /// Through an explicit listener.
    case listener
}

/// What is known of a finished connection, as a worker leaves it in its `RecordRing`: plain bits, names by slot.
public struct ConnectionRecord: Sendable, BitwiseCopyable {
    /// Who ended it.
    public enum Side: UInt8, Sendable, BitwiseCopyable { case client, upstream, proxy }

    /// Wall clock of the accept, nanoseconds since 1970.
    public var startedWallNanoseconds: Int64 = 0
    /// From accept to the last close.
    public var durationNanoseconds: Int64 = 0
    /// From accept to the upstream's handshake; 0 when it never came to that.
    public var connectNanoseconds: Int64 = 0
    /// Payload, client to upstream and back.
    public var bytesSent: Int = 0, bytesReceived: Int = 0
    /// The snapshot it was accepted under.
    public var generation: UInt64 = 0
    /// The peer that connected to us.
    public var client = SocketAddress(.anyV4, 0)
    /// The address the client dialled (for an explicit listener: ours).
    public var originalDestination = SocketAddress(.anyV4, 0)
    /// The endpoint connected to, or last tried; port 0: none.
    public var endpoint = SocketAddress(.anyV4, 0)
    /// Our address on the upstream side; port 0: not known.
    public var source = SocketAddress(.anyV4, 0)
    /// Slot of the client's pod; -1: not a local pod.
    public var pod: Int32 = -1
    /// Slot of the receiving pod; -1: not a local pod.
    public var destinationPod: Int32 = -1
    /// Slot of the cluster; -1: none was chosen.
    public var cluster: Int32 = -1
    /// Slot of the listener.
    public var listener: Int32 = 0
    /// The id of the protected host on whose behalf it is; 0: this one.
    public var host: UInt16 = 0
    /// Which worker.
    public var worker: UInt16 = 0
    /// Connect attempts made.
    public var attempts: UInt8 = 0
    /// Why it ended.
    public var reason: EndReason = .completed
    /// Who ended it.
    public var closedBy: Side = .proxy
    /// What it turned out to speak; nil: nobody looked, or nothing was said.
    public var spoken: SpokenProtocol?
    /// Which way it came in.
    public var direction: ConnectionDirection = .outbound

    /// An empty record, to be filled in.
    public init() {}
}
