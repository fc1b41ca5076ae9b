extension Configuration {
    /// How a connection is read.
    public enum TrafficProtocol: String, Sendable, CaseIterable, BitwiseCopyable {
        /// Bytes, passed on as they are.
        case tcp
        /// HTTP/1.1 and 1.0; anything else is answered with 400.
        case http1
        /// HTTP/2 with prior knowledge; anything else is answered with GOAWAY.
        case http2
        /// HTTP/2 where the connection begins with its preface, else HTTP/1.1 and 1.0.
        case http
        /// A TLS ClientHello, then bytes; anything else is reset.
        case tls
        /// What the first bytes say: HTTP as with `http`, anything else as with `tcp`.
        case auto

        /// Whether requests are read, if they come.
        public var mayBeHTTP: Bool { self != .tcp && self != .tls }
    }

    /// What an ordinary listener does with `x-request-id`.
    public enum RequestIdentity: String, Sendable, CaseIterable, BitwiseCopyable {
        /// A request's own is kept; one without gets one.
        case keep
        /// Always a new one: what the client says is not believed.
        case generate
        /// Left as it is.
        case off
    }

    /// What an ordinary listener does with `x-forwarded-for`.
    public enum ForwardedFor: String, Sendable, CaseIterable, BitwiseCopyable {
        /// Left as it is.
        case off
        /// The peer's address is added to what is there.
        case append
        /// The peer's address replaces what is there, but for the entries of trusted hops.
        case replace
    }

    /// Bounds on what one HTTP connection may cost.
    public struct HTTPLimits: Sendable, Equatable {
        /// A head: start line and header fields, bytes.
        public var headerBytes: Int
        /// Header fields of one head.
        public var headerCount: Int
        /// The target in the request line (path and query), bytes.
        public var requestTargetBytes: Int
        /// From the first byte of a head to its end.
        public var headerTimeout: Duration
        /// A client's connection without a request for this long is closed.
        public var keepAliveTimeout: Duration
        /// An exchange without a byte either way for this long is ended.
        public var streamIdleTimeout: Duration
        /// A request body up to this size is kept, so that the request can be sent again.
        public var retryBodyBytes: Int
        /// A client's connection this old, give or take a tenth, is led to its end; nil: none is too old.
        public var maxConnectionAge: Duration?
        /// See `HTTP2Limits`.
        public var http2: HTTP2Limits

        /// The documented defaults.
        public init(
            headerBytes: Int = 64 << 10, headerCount: Int = 128, requestTargetBytes: Int = 16 << 10,
            headerTimeout: Duration = .seconds(10), keepAliveTimeout: Duration = .seconds(60),
            streamIdleTimeout: Duration = .seconds(300), retryBodyBytes: Int = 64 << 10,
            maxConnectionAge: Duration? = nil,
            http2: HTTP2Limits = HTTP2Limits()
        ) {
            self.headerBytes = headerBytes
            self.headerCount = headerCount
            self.requestTargetBytes = requestTargetBytes
            self.headerTimeout = headerTimeout
            self.keepAliveTimeout = keepAliveTimeout
            self.streamIdleTimeout = streamIdleTimeout
            self.retryBodyBytes = retryBodyBytes
            self.maxConnectionAge = maxConnectionAge
            self.http2 = http2
        }
    }
}
