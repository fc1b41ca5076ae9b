import Buffers
import Synchronization

/// One side of an HTTP/2 connection (RFC 9113), sans-IO: bytes in, events out, and frames for what is to be sent.
///
/// A value: limits, windows, two HPACK tables, the table of streams. It never keeps bytes of the input but those of header
/// blocks that come in more than one frame. It answers what must be answered by itself, into the buffer it is given, and
/// refuses what RFC 9113 refuses: the stream where that is enough, else the connection. Flow control is end to end: what the
/// caller has passed on it releases. The same bytes give the same events, however they are split; only bodies come in parts.
///
/// Time is passed in, for rate limits alone. It allocates when the first field enters a table and when there are more streams
/// than ever before, not in steady state.
public struct HTTP2Session: ~Copyable, Sendable {
    /// Keeps it where it is: a struct that could be loaded as a whole is copied, half a KiB, for each call that only reads it. One
    /// with an atomic has an address, and is lent.
    private let anchor = Atomic<UInt8>(0)
    /// Which side of the connection this is.
    public let role: Role
    let limits: HTTP2Limits
    var state: State
    var failure: HTTP2Violation?
    var streams = HTTP2StreamTable()
    var decoder: HPACKDecoder
    var encoder: HPACKEncoder

    /// What is known of ids (RFC 9113 5.1.1).
    var ids = HTTP2StreamIDs()
    /// The header block that goes on in CONTINUATION frames.
    var block = HTTP2HeaderBlock()
    /// The DATA frame whose payload is not all there yet.
    var body = HTTP2BodyFrame()
    /// The peer's settings.
    var peer = HTTP2PeerSettings()
    var flow: HTTP2ConnectionFlow
    var gates = HTTP2Gates()
    /// SETTINGS we have sent that were not acknowledged.
    var settingsUnanswered = 0

    /// The last one of a stream, for counters: why `HTTP2Event.reset` is ours.
    public internal(set) var streamViolation: HTTP2Violation?
    /// Client role: what requests say their scheme is.
    public var scheme = Scheme.http
    /// The peer reads nothing at the moment: answers that are written are counted and limited.
    public var outputIsBlocked = false {
        didSet { if !outputIsBlocked { gates.unreadAnswers = 0 } }
    }

    /// Which side of a connection.
    public enum Role: UInt8, BitwiseCopyable, Sendable {
        /// Receives requests.
        case server
        /// Sends them.
        case client
    }

    /// What is below the connection.
    public enum Scheme: UInt8, BitwiseCopyable, Sendable {
        /// TCP; TLS.
        case http, https
    }

    enum State: UInt8, BitwiseCopyable, Sendable {
        case preface, settings, frames, failed
    }

    /// What a client sends first (RFC 9113 3.4).
    public static var preface: StaticString { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" }

    /// A session at the start of a connection.
    public init(_ role: Role, limits: HTTP2Limits = .init()) {
        self.role = role
        self.limits = limits
        state = role == .server ? .preface : .settings
        decoder = HPACKDecoder(size: limits.headerTableBytes)
        encoder = HPACKEncoder(sizeLimit: limits.headerTableBytes)
        flow = HTTP2ConnectionFlow(limits)
    }

    /// Writes what must come before all else: the preface, SETTINGS, and the connection's window.
    public mutating func start(into output: inout OutputBuffer) {
        if role == .client { output.append(Self.preface) }
        let start = output.count
        output.appendFrame(0, HTTP2Frame.Kind.settings, 0, 0)
        if role == .client { output.appendSetting(HTTP2Frame.Setting.enablePush, 0) }
        if role == .server {
            output.appendSetting(HTTP2Frame.Setting.maxConcurrentStreams, limits.concurrentStreams)
            output.appendSetting(HTTP2Frame.Setting.enableConnectProtocol, 1)
        }
        output.appendSetting(HTTP2Frame.Setting.initialWindowSize, limits.streamWindow)
        output.appendSetting(HTTP2Frame.Setting.maxHeaderListSize, limits.headerBytes)
        if limits.headerTableBytes != HPACKDecoder.sizeAtStart {
            output.appendSetting(HTTP2Frame.Setting.headerTableSize, limits.headerTableBytes)
        }
        output.setFrameLength(output.count - start - HTTP2Frame.headerSize, at: start)
        settingsUnanswered = 1
        let more = limits.connectionWindow - HTTP2Frame.windowAtStart
        if more > 0 {
            output.appendFrame(4, HTTP2Frame.Kind.windowUpdate, 0, 0)
            output.appendWord(UInt32(truncatingIfNeeded: more))
        }
    }

    // MARK: - streams

    /// Sets the word that events of the stream carry. `isKept`: also when both sides have ended it stays, and counts, until
    /// `reset`: what was begun for it may not be over.
    public mutating func setTag(_ stream: UInt32, _ tag: UInt64, isKept: Bool = false) {
        let slot = streams.find(stream)
        guard slot >= 0 else { return }
        streams[slot].tag = tag
        if isKept { streams[slot].set(.isKept) }
    }

    /// That word; nil: there is no such stream.
    public func tag(_ stream: UInt32) -> UInt64? {
        let slot = streams.find(stream)
        return slot >= 0 ? streams[slot].tag : nil
    }

    /// Streams that are open, on one side at least.
    public var streamCount: Int { streams.count }

    /// Client role: how many there may be now. 0 after GOAWAY.
    public var streamsMax: Int {
        guard role == .client, !ids.isGoingAway, state != .failed, ids.nextOwn <= HTTP2StreamIDs.max else { return 0 }
        return min(peer.concurrentStreams, limits.concurrentStreams)
    }

    /// Client role: a new stream, or nil: there are `streamsMax` already. Its request is to be sent before that of the next
    /// one, because ids go up on the wire (RFC 9113 5.1.1).
    public mutating func open(tag: UInt64) -> UInt32? {
        guard streams.count < streamsMax else { return nil }
        let id = ids.nextOwn
        ids.nextOwn += 2
        addStream(id, tag: tag)
        return id
    }

    /// The id and the tag of each stream.
    public func forEachStream(_ body: (UInt32, UInt64) -> Void) {
        for slot in streams.indices where streams[slot].id != 0 { body(streams[slot].id, streams[slot].tag) }
    }

    /// Whether a header block has begun that goes on in further frames.
    public var isInBlock: Bool { block.isOpen }

    /// The tags, but for 0, of all streams, beginning about where `first` is: another one each time gives all a turn.
    public func appendTags(from first: UInt32, to tags: inout [UInt64]) {
        let count = streams.indices.count
        let start = streams.place(first)
        for step in 0..<count {
            let slot = (start &+ step) & (count &- 1)
            if streams[slot].id != 0, streams[slot].tag != 0 { tags.append(streams[slot].tag) }
        }
    }

    /// Of all bodies, what the peer takes now.
    public var connectionWindow: Int { max(flow.sendWindow, 0) }

    /// Whether the peer's first SETTINGS are there.
    public var hasPeerSettings: Bool { state == .frames }

    /// Client role: whether the peer understands extended CONNECT (RFC 8441).
    public var takesExtendedConnect: Bool { peer.takesExtendedConnect }

    @discardableResult
    mutating func addStream(_ id: UInt32, tag: UInt64) -> Int {
        var stream = HTTP2Stream()
        stream.id = id
        stream.tag = tag
        stream.sendWindow = Int32(truncatingIfNeeded: peer.initialWindow)
        stream.receiveWindow = Int32(truncatingIfNeeded: flow.streamWindow)
        return streams.insert(stream)
    }
}
