/// What one message may cost before it is refused. Over a limit: a `Violation` with the status named here.
public struct HTTP1Limits: Sendable, BitwiseCopyable {
    /// Start line and fields of one head, bytes on the wire: 431.
    public var headerBytes = 64 << 10
    /// Fields of one head: 431.
    public var headerCount = 128
    /// The start line, bytes: 414, or 502 for a response. RFC 9112 3 asks for 8,000 at least.
    public var startLineBytes = 16 << 10
    /// The method's name, bytes: 501. The longest registered one has 17.
    public var methodBytes = 32
    /// The line that announces a chunk, with its extensions: 400. A size takes 16.
    public var chunkLineBytes = 4 << 10
    /// Extensions of all chunks of one message: 400. Nobody uses them; without a limit each byte of body may cost thousands.
    public var chunkExtensionBytes = 16 << 10
    /// Trailer fields of one message, bytes on the wire: 431.
    public var trailerBytes = 16 << 10
    /// A body's announced length, and its bytes when chunked: 413.
    public var bodyBytes = Int.max >> 1
    /// Empty lines before a request (RFC 9112 2.2): 400. Old clients send one after a body.
    public var leadingEmptyLines = 4
    /// Options in all `Connection` fields of one head: 400. Each is looked up among the fields.
    public var connectionOptions = 32
    /// Interim responses (1xx) before the response: 502.
    public var interimResponses = 16

    /// The limits above.
    public init() {}
}
