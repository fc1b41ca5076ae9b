extension Configuration {
    /// A step that a request goes through before it is routed (filters of a listener) or sent on (those of a rule).
    public struct Filter: Sendable, Equatable {
        /// What it does.
        public enum Kind: Sendable, Equatable {
            /// Makes requests slow or fail, to see how clients take it.
            case fault(Fault)
            /// Holds requests to a rate.
            case localRateLimit(LocalRateLimit)
        }
        /// Requests it is for; others pass it.
        public var match: RequestMatch
        /// See `Kind`.
        public var kind: Kind

        /// A filter.
        public init(match: RequestMatch = RequestMatch(), _ kind: Kind) {
            self.match = match
            self.kind = kind
        }
    }

    /// Delays and errors for a share of requests, drawn independently.
    public struct Fault: Sendable, Equatable {
        /// Of how many requests, 0...1.
        public var delayShare: Double
        /// How long these wait.
        public var delay: Duration
        /// Of how many requests, 0...1.
        public var abortShare: Double
        /// What these are answered.
        public var abortStatus: Int

        /// A fault.
        public init(
            delayShare: Double = 0, delay: Duration = .zero, abortShare: Double = 0, abortStatus: Int = 503
        ) {
            self.delayShare = delayShare
            self.delay = delay
            self.abortShare = abortShare
            self.abortStatus = abortStatus
        }
    }

    /// A token bucket of this process, one for each place of the configuration where it is written.
    public struct LocalRateLimit: Sendable, Equatable {
        /// This many...
        public var requests: Int
        /// ... in this time, on average.
        public var per: Duration
        /// This many at once after a pause.
        public var burst: Int
        /// What requests past it are answered.
        public var status: Int

        /// A rate limit; `burst` is by default as many as `requests`.
        public init(requests: Int, per: Duration = .seconds(1), burst: Int? = nil, status: Int = 429) {
            self.requests = requests
            self.per = per
            self.burst = burst ?? requests
            self.status = status
        }
    }
}
