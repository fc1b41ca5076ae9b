extension Configuration {
    /// Bounds on what one connection of HTTP/2 may cost: `limits.http2`. What each is for is said where it holds, in the
    /// codec's limits of the same names.
    public struct HTTP2Limits: Sendable, Equatable, BitwiseCopyable {
        /// Streams at a time.
        public var maxConcurrentStreams = 100
        /// Bytes of a stream's body that may be on their way, bytes.
        public var initialStreamWindow = 256 << 10
        /// The same for all streams together; 0: as much as they may have.
        public var initialConnectionWindow = 0
        /// A trailer section, bytes.
        public var trailerBytes = 16 << 10
        /// The dynamic table of HPACK in either direction, bytes.
        public var headerTableBytes = 4 << 10
        /// CONTINUATION frames of one header block.
        public var continuationFrames = 32
        /// Answers that a peer does not read.
        public var unreadAnswers = 1000
        /// Streams reset before they were answered.
        public var resets = Rate(burst: 1000, perSecond: 100)
        /// SETTINGS frames.
        public var settings = Rate(burst: 50, perSecond: 5)
        /// PING frames.
        public var pings = Rate(burst: 1000, perSecond: 200)
        /// Frames without content.
        public var emptyFrames = Rate(burst: 200, perSecond: 20)
        /// Frames without effect.
        public var ignoredFrames = Rate(burst: 5000, perSecond: 500)
        /// WINDOW_UPDATE frames that open little.
        public var windowUpdates = Rate(burst: 5000, perSecond: 500)

        /// The documented defaults.
        public init() {}

        /// How many at once, and how many more each second.
        public struct Rate: Sendable, Equatable, BitwiseCopyable {
            /// At once.
            public var burst: Int
            /// On the long run.
            public var perSecond: Int

            /// A rate.
            public init(burst: Int, perSecond: Int) {
                self.burst = burst
                self.perSecond = perSecond
            }
        }
    }
}
