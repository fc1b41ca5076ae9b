import Buffers
import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// One request and its response, whatever the framing on either side.
///
/// Plain state, no closures. Lives in its worker's slab from the first byte of the request's head to the last of the
/// response. Knows its sessions by handle, and nothing of their codecs.
struct Exchange: ~Copyable {
    /// Where it is in its life.
    enum Phase: BitwiseCopyable {
        /// The request's head is being received.
        case receiving
        /// A filter lets it wait, or a retry's back-off does: until `timer`.
        case paused
        /// It waits for an upstream connection.
        case acquiring
        /// The request goes out, the response comes in.
        case open
        /// Its response has been produced; what is left of the request is read and dropped.
        case answered
    }

    /// Whose filters are asked.
    enum Stage: BitwiseCopyable {
        case listener, route
        /// The receiving pod's, where both pods are on this host.
        case receiver, receiverRoute
    }

    /// What goes on when a pause is over.
    enum Pause: BitwiseCopyable {
        /// The filters after the one that asked for it.
        case filters
        /// The next attempt.
        case retry
        /// The server has a moment to end a response of which nothing more may come.
        case serverEnd
    }

    /// Which counts it takes part in.
    struct Counted: BitwiseCopyable {
        /// `SharedState.clusterRequests`, `clusterPending`, `clusterRetries` at its cluster's slot.
        var request = false
        var pending = false
        var retry = false
        /// `SharedState.podPendingRequests` at this slot; -1: no.
        var podPending: Int32 = -1
        /// `EndpointPicker`'s requests of the endpoint.
        var endpoint = false
    }

    /// Its own handle.
    var id = SlabHandle.none
    var phase = Phase.receiving
    var stage = Stage.listener
    /// Who asked; `none`: nobody, a mirrored request.
    let client: SlabHandle
    /// Which of the client connection's streams it is; 0: the connection has no streams.
    let clientStream: UInt32
    var server = SlabHandle.none
    /// Which of the upstream connection's streams it has; 0: none, or the connection has no streams.
    var serverStream: UInt32 = 0
    /// Lent by the worker, so that a kilobyte need not move with the exchange.
    let heads: LentHeads

    // MARK: request
    var requestFraming = BodyFraming.none
    /// As the client sent them, once a rule has rewritten them: their bytes stay in the head.
    var asked: (path: ByteRange, authority: ByteRange)?
    var wantsUpgrade = false
    var expectsContinue = false
    /// It asks for a tunnel on its stream, which nobody has agreed to yet; it is one.
    var awaitsTunnel = false
    var isTunnel = false
    /// Over HTTP/2 it asks for what the server may not offer (RFC 8441).
    var needsExtendedConnect: Bool { wantsUpgrade }
    /// The key of a WebSocket client of HTTP/1.1 whose request goes on as a stream: its bytes stay in the head.
    var webSocketKey = ByteRange.none
    /// How long nothing may happen, nanoseconds; 0: as the listener says.
    var idleTimeout: Int64 = 0
    /// A gRPC call.
    var isGRPC = false
    /// All of it has been received; has been handed to the upstream session.
    var requestEnded = false
    var requestSent = false
    /// The upstream's stream has been told of the end, with the last bytes or without any.
    var endedUp = false
    /// Body bytes that the upstream session does not take yet. A connection of many streams is read for all of them, so
    /// what a stream's window allows may have to be kept.
    var heldUp: Chunk?
    /// Body bytes that the upstream session has taken; bytes at the start of `heldUp` that one before has taken.
    var passedOn = 0
    var replayed = 0
    /// Body bytes for another attempt, and how many of them there may be.
    var replay: Chunk?
    var keepsReplay = false
    var replayMax = 0
    /// Memory that is counted for its connection: see `Worker+Kept`; what of it is the request's head.
    var keptBytes = 0
    var headBytes = 0
    /// Bytes of a body that nobody wanted.
    var dropped = 0

    // MARK: response
    /// Its head has been handed to the client's session; all of it has been received.
    var responseStarted = false
    var responseEnded = false
    /// The same as `heldUp` for the client's session; the client's session has been told of the end.
    var heldDown: Chunk?
    var endedDown = false
    /// The request is HEAD: its response has no body.
    var isHead: Bool { heads.reference.value.request.method == .head }
    var responseFraming = BodyFraming.none
    var clientFraming = BodyFraming.none

    // MARK: routing
    /// How the connection's requests are treated.
    var settings: HTTPListenerRecord
    /// Indices in the snapshot of `generation`; -1: none. The rule that matched, the receiving pod's settings and rule.
    var rule = -1
    var receiver = -1
    var receiverRule = -1
    var generation: UInt64 = 0
    /// The next filter of the stage.
    var nextFilter = 0
    var target = ClusterTarget(cluster: 0, subset: -1)
    var clusterSlot = -1
    /// `SubsetRecord.identity` of the target's subset: subsets are numbered anew with each generation; 0: none.
    var subsetIdentity: UInt64 = 0
    var hash: UInt64 = 0

    // MARK: attempts
    var endpoint = SocketAddress(.anyV4, 0)
    /// -1: an original destination, or none.
    var endpointSlot = -1
    var tried = TriedEndpoints()
    var retry = RetryState(nil)
    /// Its method says that twice is as good as once, or its route does.
    var isRepeatable = false
    var lastFailure: UpstreamFailure?
    var backoff: Int64 = 0
    var pause = Pause.filters
    /// What a fault says it will be answered after its delay; 0: nothing.
    var faultStatus = 0
    /// The receiving pod's route has changed the request; `heads.sent` is what it was before.
    var isEditedForReceiver = false
    /// Its copies have begun, if it has any.
    var isMirrored = false

    // MARK: accounts
    var counted = Counted()
    var record: RequestRecord
    /// What was wrong with a message, for the log.
    var detail: StaticString?
    /// Monotonic nanoseconds.
    let startedAt: Int64
    var tryStartedAt: Int64 = 0
    var lastActivity: Int64
    /// When the exchange, the attempt, the pause is over; 0: no such time.
    var deadline: Int64 = 0
    /// `deadline` is what the caller has asked for, and says nothing about the endpoint.
    var isCallersTime = false
    var tryDeadline: Int64 = 0
    var pauseEnd: Int64 = 0
    /// Until when it waits for a connection that the cluster's limit allows; 0: it has not had to.
    var waitEnd: Int64 = 0
    var timer = TimerWheel.Timer.none

    /// When nothing will have happened for too long.
    var idleDeadline: Int64 { lastActivity + silenceMax }
    var silenceMax: Int64 { idleTimeout > 0 ? idleTimeout : settings.streamIdleTimeout }

    /// A body that nobody wants is dropped up to here; then a new connection is cheaper.
    static let droppedBytesMax = 256 << 10

    init(
        client: SlabHandle, stream: UInt32 = 0, heads: LentHeads, settings: HTTPListenerRecord, generation: UInt64,
        record: RequestRecord, now: Int64
    ) {
        clientStream = stream
        self.settings = settings
        self.generation = generation
        replayMax = settings.retryBodyBytes
        self.client = client
        self.heads = heads
        self.record = record
        startedAt = now
        lastActivity = now
    }
}

/// Heads in the worker's slab, as an exchange has them.
struct LentHeads: BitwiseCopyable {
    let handle: SlabHandle
    let reference: SlabReference<MessageHeads>
}

/// The heads of one exchange. Their memory is used again by the next one.
struct MessageHeads: ~Copyable, Sendable {
    var request = MessageHead()
    /// The request as the sender's table left it, where the receiver's has changed it.
    var sent = MessageHead()
    var requestTrailers = MessageHead()
    var response = MessageHead()
    var responseTrailers = MessageHead()

    mutating func removeAll() {
        request.removeAll()
        sent.removeAll()
        requestTrailers.removeAll()
        response.removeAll()
        responseTrailers.removeAll()
    }
}
