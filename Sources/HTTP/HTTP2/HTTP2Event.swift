/// What a session has found. `consumed` counts bytes of the input that are done with; the rest is to be given again, with
/// more behind it. `tag` is the word that was set for the stream, 0 before that.
public enum HTTP2Event: Sendable, Equatable {
    /// Nothing more can be said without more bytes.
    case needMoreBytes(consumed: Int)
    /// Something without a meaning to the caller (SETTINGS, PING, ...).
    case consumed(Int)
    /// A request's or response's head is in `head`. A status below 200 is an interim one: another follows. `none` without
    /// END_STREAM: DATA without bytes will end it.
    case head(consumed: Int, stream: UInt32, tag: UInt64, framing: BodyFraming, isEnd: Bool)
    /// Body bytes, at `body` of the input; maybe none at the end.
    case data(consumed: Int, stream: UInt32, tag: UInt64, body: Range<Int>, isEnd: Bool)
    /// Trailers are in `head`; nothing more comes on this stream.
    case trailers(consumed: Int, stream: UInt32, tag: UInt64)
    /// The stream is gone. `isOurs`: the peer has broken a rule on it (`HTTP2Session.streamViolation`) and was told so; such
    /// a stream may be one that no head was returned of.
    case reset(consumed: Int, stream: UInt32, tag: UInt64, code: UInt32, isOurs: Bool)
    /// Body can be sent on the stream again, 0: on any.
    case windowOpened(consumed: Int, stream: UInt32, tag: UInt64)
    /// The peer is going away. Streams above `last` that we have opened were not processed.
    case goAway(consumed: Int, last: UInt32, code: UInt32)
    /// GOAWAY was written. Every later call says so again.
    case violation(HTTP2Violation)
}

extension HTTP2Event {
    /// Bytes of the input that are done with.
    @inlinable public var consumedCount: Int {
        switch self {
        case .needMoreBytes(let count), .consumed(let count), .head(let count, _, _, _, _),
            .data(let count, _, _, _, _),
            .trailers(let count, _, _), .reset(let count, _, _, _, _), .windowOpened(let count, _, _),
            .goAway(let count, _, _):
            count
        case .violation: 0
        }
    }
}
