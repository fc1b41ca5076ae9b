import Foundation
import Model

/// A host's view of its proxy's admin API, over one short connection per request.
public struct AdminClient: Sendable {
    let host: Node
    /// Where it listens on the host's loopback.
    var port = ProxyConfiguration.adminPort

    /// An answer.
    public struct Answer: Sendable {
        /// The HTTP status.
        public let status: Int
        /// The body as text.
        public let body: String
    }

    /// GET or POST a path.
    public func request(_ path: String, method: String = "GET", timeout: Duration = .seconds(5)) throws -> Answer {
        let target = SocketAddress(.loopbackV4, port)
        let socket = try host.connect(to: target, timeout: timeout)
        try socket.send("\(method) \(path) HTTP/1.1\r\nhost: admin\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        return try Self.parse(socket.receiveAll())
    }

    static func parse(_ bytes: [UInt8]) throws(LabError) -> Answer {
        let text = String(decoding: bytes, as: UTF8.self)
        guard let end = text.range(of: "\r\n\r\n") else { throw LabError("admin: no HTTP answer: \(text)") }
        let head = text[..<end.lowerBound]
        let fields = head.split(separator: " ", maxSplits: 2)
        guard fields.count > 1, let status = Int(fields[1]) else { throw LabError("admin: no status: \(head)") }
        let body = String(text[end.upperBound...])
        let isChunked = head.lowercased().contains("transfer-encoding: chunked")
        return Answer(status: status, body: isChunked ? joinChunks(body) : body)
    }

    private static func joinChunks(_ text: String) -> String {
        var bytes = Array(text.utf8)[...]
        var body: [UInt8] = []
        while let end = bytes.firstIndex(of: UInt8(ascii: "\r")),
            let size = Int(String(decoding: bytes[..<end], as: UTF8.self), radix: 16), size > 0
        {
            body += bytes.dropFirst(end - bytes.startIndex + 2).prefix(size)
            bytes = bytes.dropFirst(end - bytes.startIndex + 2 + size + 2)
        }
        return String(decoding: body, as: UTF8.self)
    }

    /// The sum of a metric over the series that carry all of `labels`, as `["pod": "shop/a1"]`; 0 when there is none.
    public func metric(_ name: String, _ labels: [String: String] = [:]) throws -> Double {
        let answer = try request("/metrics")
        guard answer.status == 200 else { throw LabError("admin: /metrics: status \(answer.status)") }
        var sum = 0.0
        for line in answer.body.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            let series = line[..<space]
            guard series == name || series.hasPrefix(name + "{") else { continue }
            if labels.allSatisfy({ series.contains("\($0.key)=\"\($0.value)\"") }) { sum += value }
        }
        return sum
    }
}
