import Buffers
import HTTP

/// What a decoder says about bytes, in words: the same for the same bytes, however they are split.
public struct Transcript: Equatable, Sendable {
    /// One line for each head, body, trailer section and end, and how it ended.
    public private(set) var lines: [String] = []
    /// What the encoder makes of the messages.
    public private(set) var encoded: [UInt8] = []
    /// The refusal, if there was one.
    public private(set) var violation: Violation?
    /// Heads of messages, without interim ones.
    public private(set) var messages = 0
    /// Messages that are complete.
    public private(set) var ends = 0
    private var body: [UInt8] = []

    /// Decodes requests. `splits` are places in `bytes` at which the decoder is first told no more, in ascending order.
    public static func requests(_ bytes: [UInt8], splits: [Int] = [], limits: HTTP1Limits = .init()) -> Transcript {
        var transcript = Transcript()
        var decoder = HTTP1Decoder(.request, limits: limits)
        transcript.run(&decoder, bytes, splits, answers: nil)
        return transcript
    }

    /// What a response answers.
    public struct Answer: Sendable {
        /// See `HTTP1Decoder.expectResponse`.
        public var toHead = false
        /// See there.
        public var toConnect = false
        /// See there.
        public var toUpgrade = false

        /// An answer to a request of that kind.
        public init(toHead: Bool = false, toConnect: Bool = false, toUpgrade: Bool = false) {
            self.toHead = toHead
            self.toConnect = toConnect
            self.toUpgrade = toUpgrade
        }
    }

    /// Decodes responses that answer `answers`, one after the other, and then nothing.
    public static func responses(
        _ bytes: [UInt8], to answers: [Answer], splits: [Int] = [], limits: HTTP1Limits = .init()
    ) -> Transcript {
        var transcript = Transcript()
        var decoder = HTTP1Decoder(.response, limits: limits)
        transcript.run(&decoder, bytes, splits, answers: answers)
        return transcript
    }

    // MARK: - events

    private mutating func run(_ decoder: inout HTTP1Decoder, _ bytes: [UInt8], _ splits: [Int], answers: [Answer]?) {
        var head = MessageHead()
        var trailers = MessageHead()
        var output = OutputBuffer(capacity: 64)
        var answers = answers.map { $0[...] }
        Self.expect(&decoder, &answers)
        var start = 0
        for limit in splits + [bytes.count] {
            var isDry = false
            while !isDry && violation == nil {
                let input = bytes.span.extracting(start..<limit)
                let event = decoder.next(input, head: &head, trailers: &trailers)
                precondition(event.consumed >= 0 && event.consumed <= input.count, "\(event) of \(input.count)")
                isDry = take(event, input, decoder, head, trailers, &output)
                if case .end = event { Self.expect(&decoder, &answers) }
                start += event.consumed
            }
        }
        flushBody()
        if violation == nil {
            let left = bytes.count - start
            lines.append("\(left) bytes left, between messages: \(decoder.isBetweenMessages)")
            lines.append("end of input: \(decoder.endOfInput())")
        }
        unsafe output.withBytes { unsafe encoded = Array($0) }
    }

    private static func expect(_ decoder: inout HTTP1Decoder, _ answers: inout ArraySlice<Answer>?) {
        guard let next = answers?.popFirst() else { return }
        decoder.expectResponse(toHead: next.toHead, toConnect: next.toConnect, toUpgrade: next.toUpgrade)
    }

    /// Notes an event; whether the decoder waits for more bytes.
    private mutating func take(
        _ event: HTTP1Event, _ input: Span<UInt8>, _ decoder: HTTP1Decoder, _ head: borrowing MessageHead,
        _ trailers: borrowing MessageHead, _ output: inout OutputBuffer
    ) -> Bool {
        switch event {
        case .needMoreBytes: return true
        case .head: takeHead(decoder, head, &output)
        case .data(let consumed, let range):
            precondition(!range.isEmpty && range.lowerBound >= 0 && range.upperBound <= consumed, "\(event)")
            let bytes = input.extracting(range)
            if decoder.framing == .chunked {
                HTTP1Encoder.chunk(bytes, into: &output)
            } else {
                output.append(bytes)
            }
            for index in bytes.indices { body.append(bytes[index]) }
        case .end:
            flushBody()
            ends += 1
            lines.append("end, trailers: \(Self.fields(trailers))")
            if decoder.framing == .chunked { HTTP1Encoder.lastChunk(trailers: trailers, into: &output) }
        case .violation(let violation):
            flushBody()
            self.violation = violation
            lines.append("refused: \(violation.kind) \(violation.status) at \(violation.offset)")
        }
        return false
    }

    private mutating func takeHead(
        _ decoder: HTTP1Decoder, _ head: borrowing MessageHead, _ output: inout OutputBuffer
    ) {
        flushBody()
        let about = "\(decoder.framing) keeps \(decoder.keepsAlive) continue \(decoder.expectsContinue)"
        let fields = Self.fields(head)
        if decoder.role == .request {
            messages += 1
            let (method, path) = (Self.text(head, head.methodText), Self.text(head, head.path))
            lines.append(
                "\(head.method) \(method) path \(path) authority \(Self.text(head, head.authority))"
                    + " 1.\(head.minorVersion) \(about) upgrade \(decoder.upgrade) \(fields)")
            HTTP1Encoder.request(head, framing: decoder.framing, upgrade: decoder.upgrade, into: &output)
        } else {
            messages += head.status >= 200 || head.status == 101 ? 1 : 0
            lines.append(
                "\(head.status) \(Self.text(head, head.reason)) 1.\(head.minorVersion) \(about)"
                    + " tunnel \(decoder.isTunnel) \(fields)")
            let connection: HTTP1Encoder.ConnectionOption =
                decoder.upgrade ? .upgrade : decoder.keepsAlive ? .keepAlive(announce: false) : .close
            HTTP1Encoder.response(head, framing: decoder.framing, connection: connection, into: &output)
        }
    }

    private mutating func flushBody() {
        guard !body.isEmpty else { return }
        lines.append("body \(String(decoding: body, as: UTF8.self).debugDescription)")
        body = []
    }

    // MARK: - words

    static func fields(_ head: borrowing MessageHead) -> String {
        var all: [String] = []
        for index in 0..<head.fieldCount {
            let field = head.field(index)
            all.append(
                "\(field.known)\(field.isHopByHop ? "!" : "") \(text(head, field.name))=\(text(head, field.value))")
        }
        return "[" + all.joined(separator: ", ") + "]"
    }

    /// The bytes at `range`, readable; `-` for none.
    public static func text(_ head: borrowing MessageHead, _ range: ByteRange) -> String {
        guard !range.isNone else { return "-" }
        let span = head.bytes(range)
        var bytes: [UInt8] = []
        for index in span.indices { bytes.append(span[index]) }
        return String(decoding: bytes, as: UTF8.self).debugDescription
    }
}

extension HTTP1Event {
    /// Bytes of the input that are done with.
    var consumed: Int {
        switch self {
        case .needMoreBytes(let consumed), .head(let consumed), .data(let consumed, _), .end(let consumed): consumed
        case .violation: 0
        }
    }
}
