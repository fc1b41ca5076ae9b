import Loopback
import Model

/// One end of an HTTP/1.1 connection of a test: sends what it is told, whole or broken, and reads messages one after the
/// other. Lenient, so that it sees what is there.
final class HTTPConnection {
    let peer: Peer
    /// Received, and not part of a message yet.
    private(set) var rest: [UInt8] = []

    init(_ peer: Peer) { self.peer = peer }

    /// Connects. `receiveBuffer`: as of `Peer`.
    convenience init(to address: SocketAddress, receiveBuffer: Int32? = nil) throws {
        self.init(try Peer(to: address, receiveBuffer: receiveBuffer))
    }

    func send(_ text: String) throws { try peer.send(text) }

    /// Sends a request with `fields` (each with its line break), and a body with its length.
    func send(_ method: String, _ path: String, fields: String = "", body: [UInt8]? = nil) throws {
        let length = body.map { "content-length: \($0.count)\r\n" } ?? ""
        try peer.send(Array("\(method) \(path) HTTP/1.1\r\nhost: test\r\n\(fields)\(length)\r\n".utf8) + (body ?? []))
    }

    /// Sends a response with `fields`, and a body with its length.
    func answer(_ body: [UInt8] = Array("ok".utf8), status: Int = 200, fields: String = "") throws {
        let head = "HTTP/1.1 \(status) Status\r\n\(fields)content-length: \(body.count)\r\n\r\n"
        try peer.send(Array(head.utf8) + body)
    }

    /// The next message; nil when the stream ends before its first byte. `answersHead`: a response without a body,
    /// whatever its fields say.
    func message(answersHead: Bool = false) throws -> HTTPMessage? {
        while true {
            if let end = Self.headEnd(rest) {
                var message = HTTPMessage(head: String(decoding: rest[..<end], as: UTF8.self))
                rest.removeFirst(end + 4)
                if !answersHead { try readBody(of: &message) }
                return message
            }
            guard try receive() else { return nil }
        }
    }

    /// The next message, which has to be there, and whole.
    func required(answersHead: Bool = false) throws -> HTTPMessage {
        guard let message = try message(answersHead: answersHead) else { throw PeerError(call: "message", code: 0) }
        guard message.isWhole else { throw PeerError(call: "body", code: 0) }
        return message
    }

    private func readBody(of message: inout HTTPMessage) throws {
        if message.field("transfer-encoding") != nil {
            message.isWhole = try readChunks(of: &message)
        } else if let length = message.field("content-length").flatMap({ Int($0) }), message.mayHaveBody {
            message.isWhole = try fill(length)
            message.body = take(length)
        } else if message.status != nil, message.mayHaveBody {
            while try receive() {}
            message.body = take(rest.count)
        }
    }

    private func readChunks(of message: inout HTTPMessage) throws -> Bool {
        while true {
            guard let line = try readLine() else { return false }
            guard let size = Int(line.prefix { $0 != ";" }, radix: 16) else { return false }
            if size == 0 { break }
            guard try fill(size + 2) else { return false }
            message.body += take(size)
            message.chunks += 1
            _ = take(2)
        }
        while let line = try readLine() {
            if line.isEmpty { return true }
            message.trailers.append(line)
        }
        return false
    }

    private func readLine() throws -> String? {
        while true {
            if let end = rest.firstIndex(of: 10) {
                let line = String(decoding: rest[..<max(0, end - 1)], as: UTF8.self)
                rest.removeFirst(end + 1)
                return line
            }
            guard try receive() else { return nil }
        }
    }

    private func fill(_ count: Int) throws -> Bool {
        rest.reserveCapacity(count)
        while rest.count < count { guard try receive() else { return false } }
        return true
    }

    private func take(_ count: Int) -> [UInt8] {
        let bytes = Array(rest.prefix(count))
        rest.removeFirst(bytes.count)
        return bytes
    }

    private func receive() throws -> Bool {
        let bytes = try peer.receive(atMost: 1 << 20)
        rest += bytes
        return !bytes.isEmpty
    }

    private static func headEnd(_ bytes: [UInt8]) -> Int? {
        var index = 0
        while index + 3 < bytes.count {
            if bytes[index] == 13, bytes[index + 1] == 10, bytes[index + 2] == 13, bytes[index + 3] == 10 {
                return index
            }
            index += 1
        }
        return nil
    }
}

/// A request or a response as a test's connection has read it.
struct HTTPMessage: Sendable {
    /// Start line and fields, without the empty line.
    let head: String
    var body: [UInt8] = []
    var trailers: [String] = []
    /// Chunks that the body came in.
    var chunks = 0
    /// The stream did not end within it.
    var isWhole = true

    init(head: String) { self.head = head }

    private var words: [Substring] {
        head.split(separator: "\r\n", maxSplits: 1).first?.split(separator: " ", maxSplits: 2) ?? []
    }

    var method: String { String(words.first ?? "") }
    var path: String { words.count > 1 ? String(words[1]) : "" }
    /// Of a response.
    var status: Int? { head.hasPrefix("HTTP/") && words.count > 1 ? Int(words[1]) : nil }
    var text: String { String(decoding: body, as: UTF8.self) }

    var mayHaveBody: Bool { status.map { $0 >= 200 && $0 != 204 && $0 != 304 } ?? true }

    /// The first field of that name.
    func field(_ name: String) -> String? {
        for line in head.split(separator: "\r\n").dropFirst() {
            let parts = line.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, parts[0].lowercased() == name else { continue }
            return parts[1].trimmingPrefix { $0 == " " }.description
        }
        return nil
    }
}
