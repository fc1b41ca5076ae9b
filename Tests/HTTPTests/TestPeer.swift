import Buffers
import HTTP
import HTTPChecks

/// A session that a test feeds, and what it has said and written.
struct TestPeer: ~Copyable {
    var session: HTTP2Session
    var head = MessageHead()
    var output = OutputBuffer()
    var now: Int64 = 1
    /// Events that mean something, in words.
    var lines: [String] = []
    var violation: HTTP2Violation?
    /// Body bytes that came, by stream.
    var bodies: [UInt32: [UInt8]] = [:]
    /// Streams whose receiving side is over.
    var ended: Set<UInt32> = []
    /// Bytes that are not consumed yet.
    private var rest: [UInt8] = []

    init(_ role: HTTP2Session.Role, limits: HTTP2Limits = .init()) {
        session = HTTP2Session(role, limits: limits)
        session.start(into: &output)
    }

    /// What was written since the last time.
    mutating func take() -> [UInt8] {
        defer { output.removeAll() }
        return unsafe output.withBytes { unsafe Array($0) }
    }

    /// The same as frames, in words.
    mutating func frames() -> [String] { HTTP2Bytes.describe(take()) }

    mutating func feed(_ bytes: [UInt8]) {
        let input = rest + bytes
        var start = 0
        while violation == nil {
            let event = session.next(input.span.extracting(start...), head: &head, output: &output, now: now)
            if case .needMoreBytes = event { break }
            if case .data(_, let stream, _, let range, let isEnd) = event {
                bodies[stream, default: []] += input[start + range.lowerBound..<start + range.upperBound]
                if isEnd { ended.insert(stream) }
            }
            note(event)
            start += event.consumedCount
        }
        rest = Array(input[start...])
    }

    private mutating func note(_ event: HTTP2Event) {
        switch event {
        case .head(_, let stream, let tag, let framing, let isEnd):
            lines.append("head \(stream) tag \(tag) \(framing) " + HTTP2Transcript.describe(head))
            if isEnd { ended.insert(stream) }
        case .trailers(_, let stream, _):
            lines.append("trailers \(stream)")
            ended.insert(stream)
        case .reset(_, let stream, let tag, let code, let isOurs):
            let reason = isOurs ? session.streamViolation.map { " \($0.kind)" } ?? "" : ""
            lines.append("reset \(stream) tag \(tag) code \(code)" + reason)
        case .windowOpened(_, let stream, let tag): lines.append("window \(stream) tag \(tag)")
        case .goAway(_, let last, let code): lines.append("goaway \(last) code \(code)")
        case .violation(let violation):
            self.violation = violation
            lines.append("violation \(violation.kind)")
        case .data, .consumed, .needMoreBytes: break
        }
    }

    /// Sends a response's head.
    mutating func respond(_ stream: UInt32, _ status: Int = 200, isEnd: Bool) {
        var head = MessageHead()
        head.status = status
        session.sendResponse(head, on: stream, framing: isEnd ? .none : .chunked, isEnd: isEnd, into: &output)
    }

    /// Opens a stream with the tag 77, and sends a request on it.
    mutating func request(_ method: String = "GET", isEnd: Bool = true) -> UInt32 {
        guard let stream = session.open(tag: 77) else { return 0 }
        var head = MessageHead()
        head.setMethod(Array(method.utf8).span)
        head.setPath(Array("/".utf8).span)
        head.setAuthority(Array("a".utf8).span)
        session.sendRequest(head, on: stream, framing: isEnd ? .none : .chunked, isEnd: isEnd, into: &output)
        return stream
    }

    /// Sends body; how many bytes were taken.
    @discardableResult
    mutating func send(_ bytes: [UInt8], on stream: UInt32, isEnd: Bool = false) -> Int {
        // The array lives for the call.
        unsafe bytes.withUnsafeBytes { unsafe session.sendData($0, on: stream, isEnd: isEnd, into: &output) }
    }
}
