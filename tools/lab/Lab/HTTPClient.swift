import Model
import Synchronization

/// A client's HTTP/1.1 connection: one request at a time, over a socket that stays open. For one thread.
public final class HTTPClient: Sendable {
    /// The connection below.
    public let socket: LabSocket
    private let input = Mutex<[UInt8]>([])

    /// A client on a connection.
    public init(_ socket: LabSocket) { self.socket = socket }

    /// Sends a request and waits for its response; interim responses are passed over.
    @discardableResult
    public func request(
        _ method: String = "GET", _ path: String = "/", host: String = "web", _ fields: [String: String] = [:],
        body: String? = nil
    ) throws(LabError) -> HTTPReply {
        try send(method, path, host: host, fields, body: body)
        return try receive(toHead: method == "HEAD")
    }

    /// Sends a request.
    public func send(
        _ method: String = "GET", _ path: String = "/", host: String = "web", _ fields: [String: String] = [:],
        body: String? = nil
    ) throws(LabError) {
        var text = "\(method) \(path) HTTP/1.1\r\nhost: \(host)\r\n"
        for (name, value) in fields.sorted(by: { $0.key < $1.key }) { text += "\(name): \(value)\r\n" }
        if let body { text += "content-length: \(body.utf8.count)\r\n" }
        try socket.send(text + "\r\n" + (body ?? ""))
    }

    /// Waits for a response.
    public func receive(toHead: Bool = false) throws(LabError) -> HTTPReply {
        while true {
            if let reply = try take(toEnd: false, toHead), reply.status >= 200 { return reply }
            let more = try socket.receive()
            if more.isEmpty {
                if let reply = try take(toEnd: true, toHead) { return reply }
                throw HTTPClient.ended(after: input.withLock(\.count))
            }
            input.withLock { $0 += more }
        }
    }

    private func take(toEnd: Bool, _ toHead: Bool) throws(LabError) -> HTTPReply? {
        try input.withLock { (input) throws(LabError) -> HTTPReply? in
            guard let message = try HTTPMessage(input, toEnd: toEnd, hasBody: !toHead) else { return nil }
            input.removeFirst(message.count)
            return try HTTPReply(message)
        }
    }

    /// Whether the peer has ended the connection without a byte more: waits for it.
    public func isEnded(within limit: Duration) -> Bool {
        do throws(LabError) {
            try socket.limit(to: limit)
            return try socket.receive().isEmpty
        } catch {
            return false
        }
    }

    private static func ended(after count: Int) -> LabError { LabError("http: end of stream after \(count) bytes") }
}

/// A response.
public struct HTTPReply: Sendable {
    /// 200, ...
    public let status: Int
    /// Names in lower case, in order.
    public let fields: [HTTPField]
    /// The body as text, without chunks.
    public let body: String

    init(_ message: HTTPMessage) throws(LabError) {
        let words = message.start.split(separator: " ")
        guard words.count > 1, let status = Int(words[1]) else { throw LabError("http: no status: \(message.start)") }
        self.status = status
        fields = message.fields
        body = String(decoding: message.body, as: UTF8.self)
    }

    /// The first field of that name.
    public func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// What an `HTTPServer` said of the connection.
    public var greeting: Greeting {
        get throws(LabError) { try Greeting(String(body.split(separator: "\n").first ?? "")) }
    }

    /// The first line of the request as the server had it.
    public var requestLine: String {
        let lines = body.split(separator: "\n")
        return lines.count > 1 ? String(lines[1]) : ""
    }

    /// A field of the request as the server had it.
    public func requestField(_ name: String) -> String? {
        body.split(separator: "\n").first { $0.hasPrefix(name + ": ") }.map { String($0.dropFirst(name.count + 2)) }
    }
}

extension Node {
    /// Connects an HTTP client from here.
    public func connectHTTP(
        to destination: SocketAddress, from source: SocketAddress? = nil, timeout: Duration = .seconds(5)
    ) throws -> HTTPClient {
        HTTPClient(try connect(to: destination, from: source, timeout: timeout))
    }
}
