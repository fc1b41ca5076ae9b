import EventLoop
import HTTP

/// What a connection of many streams (HTTP/2) has beyond a session: its codec, whose streams are tagged with the handles of
/// their exchanges.
///
/// Plain state, no closures. Lives in its worker's slab as long as its session does.
struct Multiplex: ~Copyable, Sendable {
    var codec: HTTP2Session
    /// An exchange holds bytes because the socket took no more: they go on when it does.
    var isStalled = false
    /// The connection's window has opened in this turn; the stream that comes first when all of them go on.
    var hasOpened = false
    var nextStream: UInt32 = 0
    /// The peer has broken the protocol: nothing of it is read any more.
    var isBroken = false
    /// No further stream is to be begun on it.
    var isLeaving = false
    /// Downstream: when the last stream is said, if the client has not answered before. Monotonic nanoseconds.
    var leaveBy: Int64 = 0

    // MARK: clients only
    /// Memory of the heads of its requests, and from where on no further one is taken.
    var headBytes = 0
    static let headBytesMax = 1 << 20

    // MARK: upstream only
    /// Exchanges that wait for the handshake, or, but for the first one, for the server's limit of streams.
    var waiters: [SlabHandle] = []
    /// As many wait at most before another connection is made.
    var waitersMax = 100
    /// It is found by its key: see `Worker+Shared`.
    var isShared = false
    /// The next one with the same key.
    var next = SlabHandle.none

    init(_ role: HTTP2Session.Role, _ limits: HTTP2Limits) { codec = HTTP2Session(role, limits: limits) }
}

/// A multiplex in the worker's slab, as its session has it.
struct LentMultiplex: BitwiseCopyable {
    let handle: SlabHandle
    let reference: SlabReference<Multiplex>
}

extension SlabHandle {
    /// As one word; 0 for `none`.
    var bits: UInt64 { UInt64(generation) << 32 | UInt64(index) }

    init(bits: UInt64) {
        self.init(index: UInt32(truncatingIfNeeded: bits), generation: UInt32(truncatingIfNeeded: bits >> 32))
    }
}
