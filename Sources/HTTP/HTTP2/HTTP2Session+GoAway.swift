import Buffers

/// The end of a connection in order (RFC 9113 6.8).
extension HTTP2Session {
    /// GOAWAY. Not `isFinal`: new streams are still taken, but the peer shall open none. Else those that come after this are
    /// not processed; said once.
    public mutating func goAway(_ code: HTTP2ErrorCode, isFinal: Bool, into output: inout OutputBuffer) {
        guard state != .failed, !hasSaidLast else { return }
        ids.goAwaySent = true
        if isFinal { ids.lastAccepted = ids.lastProcessed }
        writeGoAway(last: isFinal ? ids.lastProcessed : HTTP2StreamIDs.max, code, &output)
    }

    /// GOAWAY in two steps, so that no stream is lost: the peer shall open no more, and what it had opened before it knew is
    /// still taken. A PING goes behind; with its answer nothing can be on its way any more, and the last stream is said.
    public mutating func drain(into output: inout OutputBuffer) {
        guard state != .failed, !ids.goAwaySent else { return }
        goAway(.noError, isFinal: false, into: &output)
        ping(Self.drainPayload, into: &output)
    }

    /// Whether the last stream that is processed was said, or nothing is processed any more.
    public var hasSaidLast: Bool { state == .failed || ids.goAwaySent && ids.lastAccepted < HTTP2StreamIDs.max }

    /// Whether either side has said that no more streams are to be opened.
    public var isGoingAway: Bool { ids.isGoingAway || state == .failed }

    /// PING. Its answer is `consumed`.
    public mutating func ping(_ payload: UInt64, into output: inout OutputBuffer) {
        guard state != .failed else { return }
        output.appendFrame(8, HTTP2Frame.Kind.ping, 0, 0)
        output.appendWord(UInt32(truncatingIfNeeded: payload &>> 32))
        output.appendWord(UInt32(truncatingIfNeeded: payload))
    }

    /// An answer to a PING of ours.
    mutating func pingAnswered(_ payload: Span<UInt8>, _ output: inout OutputBuffer) {
        let (high, low) = (payload.bigEndianWord(at: 0), payload.bigEndianWord(at: 4))
        guard ids.goAwaySent, UInt64(high) << 32 | UInt64(low) == Self.drainPayload else { return }
        goAway(.noError, isFinal: true, into: &output)
    }

    /// "apus end".
    private static let drainPayload: UInt64 = 0x6170_7573_2065_6e64

    func writeGoAway(last: UInt32, _ code: HTTP2ErrorCode, _ output: inout OutputBuffer) {
        output.appendFrame(8, HTTP2Frame.Kind.goAway, 0, 0)
        output.appendWord(last)
        output.appendWord(code.rawValue)
    }
}
