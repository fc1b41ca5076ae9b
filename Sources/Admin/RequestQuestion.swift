import HTTP
import Model

/// The request of which `explain` asks what it would meet. It is put into the bytes that a client would send and read by
/// the codec, so that what the codec refuses is refused here.
public struct RequestQuestion: Sendable, Equatable {
    let method, path: String
    /// nil: the address that is dialled.
    let host: String?
    let headers: [Header]

    struct Header: Sendable, Equatable {
        let name, value: String
    }

    /// What an admin request may carry is bounded, but an explanation should not be asked to read a novel.
    private static let headersMax = 100

    /// A request; what is nil gets a default: GET, `/`, and the dialled address as the host. `headers` are `NAME=VALUE`.
    public init(
        method: String? = nil, host: String? = nil, path: String? = nil, headers: [String] = []
    ) throws(Explanation.BadQuestion) {
        self.method = try Self.checked(method ?? "GET", "method")
        self.path = try Self.checked(path ?? "/", "path")
        var (host, fields) = (host, [Header]())
        guard headers.count <= Self.headersMax else {
            throw Explanation.BadQuestion(description: "header: more than \(Self.headersMax)")
        }
        for header in headers {
            let parts = header.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, !parts[0].isEmpty else {
                throw Explanation.BadQuestion(description: "header: \(header): expected NAME=VALUE")
            }
            let field = Header(
                name: try Self.checked(String(parts[0]), "header"), value: try Self.checked(String(parts[1]), "header"))
            if field.name.lowercased() == "host" { host = host ?? field.value } else { fields.append(field) }
        }
        self.host = try host.map { text throws(Explanation.BadQuestion) in try Self.checked(text, "host") }
        self.headers = fields
    }

    /// A line break in one part must not become another part.
    private static func checked(_ text: String, _ name: String) throws(Explanation.BadQuestion) -> String {
        guard text.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else {
            throw Explanation.BadQuestion(description: "\(name): control characters cannot be sent")
        }
        return text
    }

    private func bytes(to destination: SocketAddress) -> [UInt8] {
        var text = "\(method) \(path) HTTP/1.1\r\nhost: \(host ?? destination.description)\r\n"
        for header in headers { text += "\(header.name): \(header.value)\r\n" }
        return Array((text + "\r\n").utf8)
    }

    /// Why the codec would not take it.
    struct Refusal: Error {
        let status: Int
        let why: String
    }

    /// The head as the data plane has it when it looks for a route.
    func head(to destination: SocketAddress, _ listener: HTTPListenerRecord) throws(Refusal) -> MessageHead {
        var head = MessageHead()
        var trailers = MessageHead()
        var limits = HTTP1Limits()
        limits.headerBytes = listener.headerBytes
        limits.headerCount = listener.headerCount
        limits.startLineBytes = listener.requestTargetBytes
        var decoder = HTTP1Decoder(.request, limits: limits)
        let bytes = bytes(to: destination)
        var position = 0
        while position < bytes.count {
            switch decoder.next(bytes.span.extracting(position...), head: &head, trailers: &trailers) {
            case .violation(let violation): throw Refusal(status: violation.status, why: "\(violation.kind.label)")
            case .head:
                if let problem = head.normalizePath() { throw Refusal(status: 400, why: "\(problem.label)") }
                return head
            case .needMoreBytes(let consumed), .data(let consumed, _), .end(let consumed):
                guard consumed > 0 else { throw Refusal(status: 400, why: "incomplete") }
                position += consumed
            }
        }
        throw Refusal(status: 400, why: "incomplete")
    }
}

extension MessageHead {
    /// The text of a part, for eyes.
    func text(_ range: ByteRange) -> String {
        let span = bytes(range)
        var copy: [UInt8] = []
        copy.reserveCapacity(span.count)
        for index in span.indices { copy.append(span[index]) }
        return String(decoding: copy, as: UTF8.self)
    }
}
