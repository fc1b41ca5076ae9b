import Buffers
import HTTP
import Model

/// One call of `grpc.health.v1.Health/Check` over a connection of its own: bytes in, bytes out, and a verdict.
///
/// An object, because most probes have none, and it is larger than they are. Lives as long as the check.
final class HealthCall {
    private var session: HTTP2Session
    private var output = OutputBuffer(capacity: 1 << 10)
    private var head = MessageHead()
    private var stream: UInt32 = 0
    /// Read, but not decoded: at most one frame.
    private var input: [UInt8] = []
    /// The response's body.
    private var message: [UInt8] = []

    /// How the check has ended.
    enum Verdict: Equatable {
        case passed
        case failed(HealthFailure)
    }

    /// Of the answer, which has a handful of bytes.
    private static let messageBytesMax = 4 << 10

    /// `authority`: whom to ask, where the configuration does not say so.
    init(_ check: Configuration.HealthCheck.GRPC, authority: String) {
        var limits = HTTP2Limits()
        // Nothing of what is not read is to be sent.
        limits.streamWindow = 65535
        limits.connectionWindow = 65535
        session = HTTP2Session(.client, limits: limits)
        session.start(into: &output)
        guard let stream = session.open(tag: 0) else { return }
        self.stream = stream
        let body = Self.request(service: check.service)
        setHead(authority: check.host ?? authority)
        session.sendRequest(head, on: stream, framing: .length(body.count), isEnd: false, into: &output)
        // Only read by the call, which copies it.
        _ = unsafe body.withUnsafeBytes { unsafe session.sendData($0, on: stream, isEnd: true, into: &output) }
        head.removeAll()
    }

    private func setHead(authority: String) {
        head.setMethod(Array("POST".utf8).span)
        head.setPath(Array("/grpc.health.v1.Health/Check".utf8).span)
        head.setAuthority(Array(authority.utf8).span)
        head.append(.contentType, "application/grpc")
        head.append(.te, "trailers")
        head.append(Array("user-agent".utf8).span, Array("apusd-health".utf8).span)
    }

    /// The message `HealthCheckRequest`, with gRPC's prefix: its field 1 is the service.
    private static func request(service: String) -> [UInt8] {
        let text = Array(service.utf8)
        let fields = text.isEmpty ? [] : [0x0A, UInt8(truncatingIfNeeded: text.count)] + text
        return [0, 0, 0, 0, UInt8(truncatingIfNeeded: fields.count)] + fields
    }

    /// What is to be sent now, once.
    func takeOutput() -> [UInt8] {
        var bytes: [UInt8] = []
        // Copied at once.
        unsafe output.withBytes { unsafe bytes.append(contentsOf: $0) }
        output.removeAll()
        return bytes
    }

    /// Takes in what the endpoint has sent; nil: no verdict yet.
    func receive(_ bytes: UnsafeRawBufferPointer, now: Int64) -> Verdict? {
        // Copied at once.
        unsafe input.append(contentsOf: bytes)
        var consumed = 0
        defer { input.removeFirst(consumed) }
        while true {
            let rest = input.span.extracting(consumed...)
            let event = session.next(rest, head: &head, output: &output, now: now)
            if case .needMoreBytes(let count) = event {
                consumed += count
                return nil
            }
            let start = consumed
            consumed += event.consumedCount
            if let verdict = judge(event, start: start) { return verdict }
        }
    }

    private func judge(_ event: HTTP2Event, start: Int) -> Verdict? {
        switch event {
        case .head(_, _, _, _, let isEnd):
            if head.status < 200 { return nil }
            guard head.status == 200, head.isGRPC else { return .failed(.status) }
            return isEnd ? judge(status: head.grpcStatus) : nil
        case .data(_, let stream, _, let body, let isEnd):
            // The status comes behind it, in trailers.
            guard !isEnd, message.count + body.count <= Self.messageBytesMax else { return .failed(.protocolError) }
            message += input[start + body.lowerBound..<start + body.upperBound]
            session.release(body.count, of: stream, into: &output)
            return nil
        case .trailers: return judge(status: head.grpcStatus)
        case .reset, .violation: return .failed(.protocolError)
        case .goAway(_, let last, _): return last < stream ? .failed(.ended) : nil
        case .consumed, .windowOpened, .needMoreBytes: return nil
        }
    }

    private func judge(status: Int?) -> Verdict {
        guard let status else { return .failed(.protocolError) }
        switch GRPCStatus(rawValue: status) {
        case .ok:
            guard let isServing = HealthMessage.isServing(message[...]) else { return .failed(.protocolError) }
            return isServing ? .passed : .failed(.notServing)
        case .notFound: return .failed(.unknownService)
        default: return .failed(.status)
        }
    }
}
