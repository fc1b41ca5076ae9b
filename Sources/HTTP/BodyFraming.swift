/// How a message's body ends (RFC 9112 6.3).
public enum BodyFraming: BitwiseCopyable, Sendable, Equatable {
    /// There is no body, whatever the head says.
    case none
    /// That many bytes, announced by Content-Length. May be 0.
    case length(Int)
    /// Chunks, the last one of size 0, and trailers.
    case chunked
    /// Everything until the connection ends. Responses only.
    case untilClose
}
