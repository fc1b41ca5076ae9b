import Buffers
import HTTP

/// What a session says about bytes, in words, and what it writes: the same for the same bytes, however they are split.
///
/// Requests that are complete are answered; as a client it has three streams open.
public struct HTTP2Transcript: Equatable, Sendable {
    /// One line for each event that means something; parts of a body are one.
    public private(set) var lines: [String] = []
    /// All that was written.
    public private(set) var output: [UInt8] = []
    /// What ended the connection, if something did.
    public private(set) var violation: HTTP2Violation?
    /// Streams that are left.
    public private(set) var streams = 0
    private var body: (stream: UInt32, bytes: [UInt8]) = (0, [])

    /// The events and bytes are the same.
    public static func == (first: HTTP2Transcript, second: HTTP2Transcript) -> Bool {
        first.lines == second.lines && first.output == second.output && first.streams == second.streams
    }

    /// `splits` are places in `bytes` at which the session is first told no more, in ascending order.
    public init(
        _ role: HTTP2Session.Role, _ bytes: [UInt8], splits: [Int] = [], limits: HTTP2Limits = .init(), now: Int64 = 1
    ) {
        var session = HTTP2Session(role, limits: limits)
        var head = MessageHead()
        var written = OutputBuffer()
        session.start(into: &written)
        if role == .client { Self.ask(&session, &written) }
        var start = 0
        for limit in splits + [bytes.count] {
            var isDry = false
            while !isDry && violation == nil {
                let input = bytes.span.extracting(start..<limit)
                let event = session.next(input, head: &head, output: &written, now: now)
                let consumed = event.consumedCount
                isDry = take(event, input, head, &session, &written)
                precondition(consumed >= 0 && consumed <= input.count, "\(event) of \(input.count)")
                precondition(isDry || violation != nil || consumed > 0, "\(event) consumes nothing")
                start += consumed
            }
        }
        flushBody()
        if violation == nil { lines.append("\(bytes.count - start) bytes left") }
        output = unsafe written.withBytes { unsafe Array($0) }
        streams = session.streamCount
    }

    /// GET, HEAD and POST, the last of which goes on.
    private static func ask(_ session: inout HTTP2Session, _ written: inout OutputBuffer) {
        for (index, method) in ["GET", "HEAD", "POST"].enumerated() {
            guard let stream = session.open(tag: UInt64(index) + 10) else { continue }
            var head = MessageHead()
            head.setMethod(Array(method.utf8).span)
            head.setPath(Array("/".utf8).span)
            head.setAuthority(Array("a".utf8).span)
            session.sendRequest(head, on: stream, framing: .none, isEnd: index < 2, into: &written)
        }
    }

    // MARK: - events

    /// Notes an event; whether the session waits for more bytes.
    private mutating func take(
        _ event: HTTP2Event, _ input: Span<UInt8>, _ head: borrowing MessageHead, _ session: inout HTTP2Session,
        _ written: inout OutputBuffer
    ) -> Bool {
        switch event {
        case .needMoreBytes: return true
        case .consumed: return false
        case .data(_, let stream, let tag, let range, let isEnd):
            if body.stream != stream { flushBody() }
            body.stream = stream
            for index in range { body.bytes.append(input[index]) }
            if isEnd {
                flushBody()
                lines.append("end \(stream) tag \(tag)")
                Self.answer(stream, &session, &written)
            }
            return false
        default: break
        }
        flushBody()
        switch event {
        case .head(_, let stream, let tag, let framing, let isEnd):
            lines.append("head \(stream) tag \(tag) \(framing)\(isEnd ? " end" : "") " + Self.describe(head))
            if session.role == .server { session.setTag(stream, UInt64(stream) + 1000) }
            if isEnd { Self.answer(stream, &session, &written) }
        case .trailers(_, let stream, let tag):
            lines.append("trailers \(stream) tag \(tag) " + Transcript.fields(head))
            Self.answer(stream, &session, &written)
        case .reset(_, let stream, let tag, let code, let isOurs):
            let reason = isOurs ? session.streamViolation.map { " \($0.kind)" } ?? "" : ""
            lines.append("reset \(stream) tag \(tag) code \(code)" + reason)
        case .windowOpened(_, let stream, _): lines.append("window \(stream) \(session.sendWindow(stream))")
        case .goAway(_, let last, let code): lines.append("goaway \(last) code \(code)")
        case .violation(let violation):
            self.violation = violation
            lines.append("violation \(violation.kind) \(violation.code)")
        case .data, .consumed, .needMoreBytes: break
        }
        return false
    }

    private static func answer(_ stream: UInt32, _ session: inout HTTP2Session, _ written: inout OutputBuffer) {
        guard session.role == .server else { return }
        var head = MessageHead()
        head.status = 200
        session.sendResponse(head, on: stream, framing: .length(2), isEnd: false, into: &written)
        // The array lives for the call.
        _ = unsafe Array("ok".utf8).withUnsafeBytes {
            unsafe session.sendData($0, on: stream, isEnd: true, into: &written)
        }
    }

    private mutating func flushBody() {
        guard !body.bytes.isEmpty else { return }
        lines.append("body \(body.stream) \(String(decoding: body.bytes, as: UTF8.self).debugDescription)")
        body = (0, [])
    }

    /// A head in words.
    public static func describe(_ head: borrowing MessageHead) -> String {
        let fields = Transcript.fields(head)
        guard head.status == 0 else { return "\(head.status) \(fields)" }
        let (method, path) = (Transcript.text(head, head.methodText), Transcript.text(head, head.path))
        let authority = Transcript.text(head, head.authority)
        let asked = head.protocolName.isNone ? "" : " protocol " + Transcript.text(head, head.protocolName)
        return "\(head.method) \(method) path \(path) authority \(authority)\(asked) \(fields)"
    }
}
