/// What one peer of an HTTP/2 connection may cost. Over a limit: a violation of the kind named here, which ends the stream or
/// the connection.
public struct HTTP2Limits: Sendable, BitwiseCopyable {
    /// Fields of one head, as SETTINGS_MAX_HEADER_LIST_SIZE counts them (32 for each beside its bytes), which announces it:
    /// `headTooLarge`, stream. What a block that is in CONTINUATION frames may have on the wire: `continuationFlood`,
    /// connection.
    public var headerBytes = 64 << 10
    /// Fields of one head or trailer section: `tooManyFields`, stream.
    public var headerCount = 128
    /// Trailers, counted as above: `trailersTooLarge`, stream.
    public var trailerBytes = 16 << 10
    /// A body's announced length: `bodyTooLarge`, stream.
    public var bodyBytes = Int.max >> 1
    /// Interim responses before the response: `tooManyInterimResponses`, stream.
    public var interimResponses = 16
    /// Streams at a time: announced to clients, whose further ones are refused (`tooManyStreams`, stream; RFC 9113 6.5.2 advises
    /// 100 at least), and an upper limit for those we open.
    public var concurrentStreams = 100
    /// Bytes of one body that may be on their way and not passed on. 256 KiB fill 1 Gbit/s at a round trip of 2 ms.
    public var streamWindow = 256 << 10
    /// The same for all bodies of a connection. Bounds the memory that a peer can take with readers that are slow.
    public var connectionWindow = 1 << 20
    /// Dynamic table, both ways: announced for ours, and the most that is used of the peer's.
    public var headerTableBytes = 4096
    /// CONTINUATION frames of one block: `continuationFlood`, connection. Five frames hold 64 KiB.
    public var continuationFrames = 32
    /// Streams that end with a reset before they were answered, by the peer or because of what it has sent: `resetFlood`,
    /// connection. An answered reset costs the peer as much as us; an unanswered one costs a request to an upstream.
    public var resets = Rate(burst: 1000, perSecond: 100)
    /// SETTINGS: `settingsFlood`, connection. Each is answered. Peers send one, some a few more.
    public var settings = Rate(burst: 50, perSecond: 5)
    /// PING: `pingFlood`, connection. Each is answered. gRPC measures bandwidth with them, once each round trip.
    public var pings = Rate(burst: 1000, perSecond: 200)
    /// Frames without content that end nothing: `emptyFrameFlood`, connection.
    public var emptyFrames = Rate(burst: 200, perSecond: 20)
    /// Frames without an effect: PRIORITY, unknown types, those for streams we have reset beyond what may have been on its way
    /// then (a window of body, a few others): `ignoredFrameFlood`, connection.
    public var ignoredFrames = Rate(burst: 5000, perSecond: 500)
    /// WINDOW_UPDATE, beyond one for each 256 bytes of body that were sent, and three for each piece that the window did not
    /// cut short: `windowUpdateFlood`, connection. A window that opens byte by byte has us send frames of one byte.
    public var windowUpdates = Rate(burst: 5000, perSecond: 500)
    /// Answers written while the peer reads nothing (`outputIsBlocked`): `unreadAnswers`, connection.
    public var unreadAnswers = 1000

    /// The limits above.
    public init() {}

    /// How many at once, and how many more each second.
    public struct Rate: Sendable, BitwiseCopyable, Equatable {
        /// At once.
        public var burst: Int
        /// On the long run; more than none.
        public var perSecond: Int

        /// A rate.
        public init(burst: Int, perSecond: Int) {
            self.burst = burst
            self.perSecond = perSecond
        }
    }
}
