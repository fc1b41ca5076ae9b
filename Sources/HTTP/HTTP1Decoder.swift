/// Decodes one direction of an HTTP/1 connection: bytes in, events out, message after message.
///
/// Plain state without memory. It never keeps bytes: what it has not consumed is given again, with more behind it, and how far
/// that was looked through is remembered, so that bytes which arrive one at a time cost no more than all at once. It refuses
/// whatever two parsers might read in two ways (RFC 9112 11.2). The same bytes give the same events, however they are split.
///
/// Who calls it owns `head` and `trailers`, which are emptied when a message's first line arrives, and holds back the bytes
/// behind a request that may turn the connection into a tunnel (`upgrade`, CONNECT).
public struct HTTP1Decoder: BitwiseCopyable, Sendable {
    /// What this decoder reads.
    public let role: Role
    let limits: HTTP1Limits

    @usableFromInline var state: State
    /// Bytes of an incomplete line, the first of the input, that were looked through.
    @usableFromInline var scanned = 0
    /// Bytes consumed since the message began, and since its head or trailers began.
    var offset = 0
    var sectionBytes = 0
    /// Bytes left of the body or of the chunk.
    var remaining = 0
    var bodyBytes = 0
    var extensionBytes = 0
    var emptyLines = 0
    @usableFromInline var interimResponses = 0
    var request = Expectation()
    var failure: Violation?

    /// How the body ends of the message whose head was last returned.
    public internal(set) var framing = BodyFraming.none
    /// Whether another message may follow on this connection, as far as this one says: version, `Connection`, framing.
    public internal(set) var keepsAlive = true
    /// Of requests: the client waits for `100 Continue` before it sends the body.
    public internal(set) var expectsContinue = false
    /// Of requests: the client asks for another protocol (not for h2c, which would take requests past the routes), and the
    /// request has no body. Of responses: 101, the other protocol begins.
    public internal(set) var upgrade = false

    /// Which messages are read.
    public enum Role: UInt8, BitwiseCopyable, Sendable {
        /// From clients.
        case request
        /// From servers.
        case response
    }

    /// What is read next.
    @usableFromInline enum State: UInt8, BitwiseCopyable, Sendable {
        /// A response that nobody has asked for.
        case unexpected
        case startLine, fields, length, untilClose, chunkLine, chunkData, chunkEnd, trailers
        /// The message is complete and `end` is still to be said.
        case finished
        case tunnel, failed
    }

    /// What the request was that the next response answers.
    struct Expectation: BitwiseCopyable {
        var isHead = false
        var isConnect = false
        var isUpgrade = false
    }

    /// A decoder at the start of a connection.
    public init(_ role: Role, limits: HTTP1Limits = .init()) {
        self.role = role
        self.limits = limits
        state = role == .request ? .startLine : .unexpected
    }

    /// After 101, or 2xx to CONNECT: all that follows is `data`, without an end.
    @inlinable public var isTunnel: Bool { state == .tunnel }

    /// No byte of a message has come whose end was not said.
    @inlinable public var isBetweenMessages: Bool {
        (state == .startLine && scanned == 0 && interimResponses == 0) || state == .unexpected
    }

    /// All of a message has come, and only its end is still to be said: `next` does so without input.
    @inlinable public var isFinished: Bool { state == .finished }

    /// Of responses: one was announced by `expectResponse`, and its end was not said.
    @inlinable public var isExpecting: Bool { role == .response && state != .unexpected }

    /// Says what the next response answers. Before each response, also before its first byte is there: what comes without
    /// this is a violation. Without `toUpgrade` a response 101 is one, too.
    public mutating func expectResponse(toHead: Bool, toConnect: Bool, toUpgrade: Bool = false) {
        assert(role == .response && state == .unexpected, "responses come one after the other")
        request = Expectation(isHead: toHead, isConnect: toConnect, isUpgrade: toUpgrade)
        if state == .unexpected { state = .startLine }
    }

    /// The next event in `input`, the bytes that are not consumed yet. Ends of messages come even without input: call it
    /// until it needs more bytes.
    public mutating func next(
        _ input: Span<UInt8>, head: inout MessageHead, trailers: inout MessageHead
    ) -> HTTP1Event {
        switch state {
        case .startLine, .fields: return readHead(input, &head, &trailers)
        case .length: return readLength(input)
        case .chunkLine, .chunkData, .chunkEnd, .trailers: return readChunks(input, &trailers)
        case .finished: return finish(consumed: 0)
        case .untilClose, .tunnel:
            let count = input.count
            offset &+= count
            return count == 0 ? .needMoreBytes(consumed: 0) : .data(consumed: count, body: 0..<count)
        case .unexpected: return input.isEmpty ? .needMoreBytes(consumed: 0) : refuse(.unexpectedResponse, at: 0)
        case .failed: return failure.map(HTTP1Event.violation) ?? refuse(.malformedStartLine, at: 0)
        }
    }

    /// The peer sends nothing more. Bytes that `next` did not consume belong to a truncated message.
    public mutating func endOfInput() -> EndOfInput {
        switch state {
        case .untilClose:
            state = .unexpected
            return .endOfBody
        case .unexpected, .tunnel, .finished: return .clean
        case .startLine: return isBetweenMessages ? .clean : .truncated
        case .fields, .length, .chunkLine, .chunkData, .chunkEnd, .trailers, .failed: return .truncated
        }
    }

    // MARK: - steps

    /// `end`, and on to the next message.
    mutating func finish(consumed: Int) -> HTTP1Event {
        state = role == .request ? .startLine : .unexpected
        offset = 0
        emptyLines = 0
        interimResponses = 0
        return .end(consumed: consumed)
    }

    mutating func refuse(_ kind: Violation.Kind, at position: Int) -> HTTP1Event {
        let violation = Violation(kind, at: offset &+ position, role)
        state = .failed
        failure = violation
        keepsAlive = false
        return .violation(violation)
    }

    /// A body of known length.
    private mutating func readLength(_ input: Span<UInt8>) -> HTTP1Event {
        let count = min(remaining, input.count)
        guard count > 0 else { return .needMoreBytes(consumed: 0) }
        remaining &-= count
        offset &+= count
        if remaining == 0 { state = .finished }
        return .data(consumed: count, body: 0..<count)
    }
}
