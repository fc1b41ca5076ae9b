/// What a decoder has found. `consumed` counts bytes of the input that are done with; the rest is to be given again, with
/// more behind it.
public enum HTTP1Event: Sendable, Equatable {
    /// Nothing more can be said without more bytes. Complete lines are in the head already.
    case needMoreBytes(consumed: Int)
    /// The head is complete. For responses, a status of 1xx other than 101 is an interim head: another head follows.
    case head(consumed: Int)
    /// Body bytes, at `body` of the input. Ends within the `consumed` bytes, which include chunk lines.
    case data(consumed: Int, body: Range<Int>)
    /// The message is complete; trailers, if any, are in `trailers`. Comes once for each message, but for tunnels.
    case end(consumed: Int)
    /// The bytes are refused; every later call says so again.
    case violation(Violation)
}

/// What the peer's end of its direction means at this point.
public enum EndOfInput: BitwiseCopyable, Sendable, Equatable {
    /// Between messages (before the first byte of one), or in a tunnel.
    case clean
    /// The end of a body that lasts until close: the message is complete.
    case endOfBody
    /// In the middle of a message.
    case truncated
}
