import EventLoop
import HTTP
import Model
import Upstream

/// A downstream HTTP connection: what it is and how far its codec has come. One exchange at a time (HTTP/1), or as many as
/// `multiplex` has streams.
///
/// Plain state, no closures. Lives in its worker's slab.
struct ClientSession: ~Copyable {
    /// Where it is in its life.
    enum State: BitwiseCopyable {
        /// Requests come and are answered.
        case open
        /// The last response has been sent and the end announced: what the client still sends is read and dropped for a
        /// while, because closing at once would make the kernel reset the connection and the client lose the response.
        case lingering
    }

    var state = State.open
    var io: SessionIO
    var decoder: HTTP1Decoder
    /// The request being received or answered; `none` between requests, and where there are streams.
    var exchange = SlabHandle.none
    /// HTTP/2; nil: HTTP/1, or not known yet.
    var multiplex: LentMultiplex?
    /// Its first bytes decide which.
    var isUndecided: Bool
    /// The idle upstream connection that serves it alone, if there is one.
    var privateServer = SlabHandle.none

    /// What is known of the connection: addresses, pods, listener.
    var record: ConnectionRecord
    /// What it was admitted under, given back when it closes.
    var admission: Admission
    /// How requests are treated, as the snapshot of `generation` says.
    var settings: HTTPListenerRecord
    var generation: UInt64
    /// The tables no longer take it for HTTP: its next request is its last.
    var isOrphan = false
    /// Where its requests go whatever their routes say: an outbound L4 entry has picked the endpoint already, and the
    /// receiving pod's table wants the bytes decoded.
    var pinned: PinnedUpstream?

    /// No further request is served on it.
    var isClosing = false
    /// It is to be reset for this reason at its next turn.
    var abortReason: EndReason?
    /// What is kept of its input is too little to go on with.
    var needsMoreInput = false
    /// Bytes read while lingering.
    var lingered = 0
    /// Requests begun.
    var requests = 0
    /// Monotonic nanoseconds: accepted, a byte moved last, the current request's head began (0: none is being received).
    let startedAt: Int64
    var lastActivity: Int64
    var headStartedAt: Int64 = 0
    /// When it is too old: what is under way goes on, nothing new is begun. `max`: never.
    var expiresAt = Int64.max
    var timer = TimerWheel.Timer.none
    var timerAt: Int64 = 0

    /// The memory it and its upstream are charged for, towards the server and back, and its place in `Worker.held`.
    var upHold = Hold()
    var downHold = Hold()
    var heldPlace: Int32 = -1
    /// Memory of body bytes that its exchanges hold.
    var heldBytes = 0
    /// Memory of heads, and of bodies for other attempts, that its exchanges have.
    var keptBytes = 0
    /// Its place in the ready queue.
    var queued = false

    init(
        _ io: consuming SessionIO, _ decoder: HTTP1Decoder, _ record: ConnectionRecord, _ admission: Admission,
        settings: HTTPListenerRecord, generation: UInt64, now: Int64
    ) {
        self.io = io
        self.decoder = decoder
        self.record = record
        self.admission = admission
        self.settings = settings
        self.generation = generation
        isUndecided = settings.protocolKind != .http1
        startedAt = now
        lastActivity = now
    }

    /// Takes the transport out, the rest goes.
    consuming func takeTransport() -> Transport { io.transport }

    /// What of its exchanges' memory is charged: ordinary requests need some, and are not asked about it each time.
    var chargedBytes: Int { heldBytes + (keptBytes > Self.keptBytesFree ? keptBytes : 0) }
    private static let keptBytesFree = 256 << 10

    /// The pod whose share of the worker it uses: the client's, else the receiver's.
    var fairnessSlot: Int { record.pod >= 0 ? Int(record.pod) : Int(record.destinationPod) }
}

/// An upstream that was decided on when the connection came.
struct PinnedUpstream: BitwiseCopyable {
    /// The cluster, by its slot, and the endpoint; slot -1: the original destination.
    let clusterSlot: Int
    let endpointSlot: Int
    let address: SocketAddress
}

extension SlabHandle {
    /// A handle that finds nothing: generations of taken places are odd.
    static let none = SlabHandle(index: 0, generation: 0)
    /// Whether it is one.
    var isNone: Bool { generation == 0 }
}
