/// The header block that goes on in CONTINUATION frames (RFC 9113 6.10). Such peers cost memory of their own.
struct HTTP2HeaderBlock: Sendable {
    var stream: UInt32 = 0
    var isEnd = false
    var frames = 0
    var bytes: [UInt8] = []
    /// Only CONTINUATION may come now.
    var isOpen: Bool { stream != 0 }
}

/// The DATA frame of which a part is still to come.
struct HTTP2BodyFrame: BitwiseCopyable, Sendable {
    var stream: UInt32 = 0
    var isEnd = false
    /// Bytes of the body to come, and of padding behind it.
    var left = 0
    var padding = 0

    @inline(__always) var isOpen: Bool { left | padding != 0 }
}

/// What the peer has said in SETTINGS (RFC 9113 6.5.2).
struct HTTP2PeerSettings: BitwiseCopyable, Sendable {
    var maxFrameSize = HTTP2Frame.payloadMax
    var initialWindow = HTTP2Frame.windowAtStart
    /// Until the peer has said something, what RFC 9113 advises it to allow at least.
    var concurrentStreams = 100
    var takesExtendedConnect = false
}

/// Flow control of the whole connection (RFC 9113 5.2).
struct HTTP2ConnectionFlow: BitwiseCopyable, Sendable {
    var sendWindow = HTTP2Frame.windowAtStart
    var receiveWindow: Int
    /// Released, and not in a WINDOW_UPDATE yet.
    var unannounced = 0
    /// From which on it is always worth one.
    let updateSize: Int
    /// The receive window of a new stream: until the peer knows a smaller one, that of the start.
    var streamWindow: Int

    init(_ limits: HTTP2Limits) {
        receiveWindow = min(max(limits.connectionWindow, HTTP2Frame.windowAtStart), HTTP2Frame.windowMax)
        updateSize = receiveWindow / 2
        streamWindow = min(max(limits.streamWindow, HTTP2Frame.windowAtStart), HTTP2Frame.windowMax)
    }
}

/// Rate limits (see `HTTP2Limits`).
struct HTTP2Gates: BitwiseCopyable, Sendable {
    var resets = RateGate()
    var settings = RateGate()
    var pings = RateGate()
    var emptyFrames = RateGate()
    var ignoredFrames = RateGate()
    var windowUpdates = RateGate()
    var unreadAnswers = 0
    /// What body that was sent is worth in WINDOW_UPDATEs, in bytes: they come later than the body, and many together.
    private var earned = 0

    /// Of a body, that is worth one.
    private static let bytesPerUpdate = 256
    /// As much is remembered: more than the updates that are under way for the largest windows in use.
    private static let earnedMax = 16 << 20

    /// Body was sent. Small pieces are acknowledged one by one, too; pieces that the window made small are not.
    @inline(__always) mutating func earnWindowUpdates(_ count: Int, isCutShort: Bool) {
        earned = min(earned &+ count &+ (isCutShort ? 0 : 3 &* Self.bytesPerUpdate), Self.earnedMax)
    }

    /// Whether one more may come.
    @inline(__always) mutating func takesWindowUpdate(_ rate: HTTP2Limits.Rate, now: Int64) -> Bool {
        guard earned < Self.bytesPerUpdate else {
            earned &-= Self.bytesPerUpdate
            return true
        }
        return windowUpdates.passes(rate, now: now)
    }
}
