import EventLoop
import HTTP
import Model
import Upstream

/// An upstream HTTP connection: being made, serving an exchange, or waiting in the pool.
///
/// Plain state, no closures. Lives in its worker's slab.
struct ServerSession: ~Copyable {
    /// Where it is in its life.
    enum State: BitwiseCopyable {
        /// The handshake is not done.
        case connecting
        /// Serves `exchange`, or the streams of `multiplex`.
        case busy
        /// In the pool.
        case idle
    }

    var state = State.connecting
    var io: SessionIO
    var decoder: HTTP1Decoder
    /// Whose request it carries; `none` while idle, and where there are streams.
    var exchange = SlabHandle.none
    /// HTTP/2; nil: HTTP/1.
    var multiplex: LentMultiplex?

    /// Under what it may be used again.
    let key: PoolKey
    /// What it holds: cluster, endpoint, source port.
    var plan: ConnectPlan
    /// Given back when it closes: the receiving pod's and the cluster's count.
    var admission: Admission
    /// Whose source port it holds.
    let leg: SourcePorts.Leg
    /// The pod it works for; -1: none.
    let pod: Int
    /// Addresses, for logs.
    let endpoint: SocketAddress
    var source: SocketAddress
    /// How long it may be idle, nanoseconds.
    let idleTimeout: Int64
    /// `Worker.published` when it was made.
    let madeUnder: UInt64

    /// Requests it has carried, the current one included.
    var requests = 0
    /// While connecting: the handshake is over, one way or the other; or its time is.
    var answered = false
    var timedOut = false
    /// Bytes that the kernel took since its current request began.
    var bytesSent = 0
    /// It said more than the response it was asked for, or its end was the response's.
    var hasLeftover = false
    /// Its endpoint is gone: what it carries is its last.
    var isLast = false
    /// What is kept of its input is too little to go on with.
    var needsMoreInput = false
    let startedAt: Int64
    var lastActivity: Int64
    var timer = TimerWheel.Timer.none

    /// Its place in the ready queue, and in whose name.
    var queued = false
    var queuedPod = -1

    init(
        _ io: consuming SessionIO, key: PoolKey, plan: ConnectPlan, admission: Admission, _ record: ConnectionRecord,
        idleTimeout: Int64, limits: HTTP1Limits, madeUnder: UInt64, now: Int64
    ) {
        self.madeUnder = madeUnder
        self.io = io
        decoder = HTTP1Decoder(.response, limits: limits)
        self.key = key
        self.plan = plan
        self.admission = admission
        leg = SourcePorts.Leg(record)
        pod = Int(record.pod >= 0 ? record.pod : record.destinationPod)
        endpoint = record.endpoint
        source = record.source
        self.idleTimeout = idleTimeout
        startedAt = now
        lastActivity = now
    }

    /// Takes the transport out, the rest goes.
    consuming func takeTransport() -> Transport { io.transport }

    /// Whether anything is under way on it: closing must not look like an end in order. A server that works on a request
    /// learns that nobody waits for it any more.
    var isMidway: Bool { state == .busy && multiplex == nil && (decoder.isExpecting || io.hasOutput) }

    /// Whether another request may be sent on it.
    var isReusable: Bool { io.isIdle && decoder.isBetweenMessages && decoder.keepsAlive && !hasLeftover }
}
