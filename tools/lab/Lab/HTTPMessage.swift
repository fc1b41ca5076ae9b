/// A message taken off the front of what has been received: lenient, for peers that are known.
struct HTTPMessage {
    /// The first line.
    let start: String
    let fields: [HTTPField]
    let body: [UInt8]
    /// So many bytes it took.
    let count: Int

    func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }

    /// nil: there is not all of it yet. `toEnd`: a body without a length reaches to the end of `bytes`. `hasBody`: false
    /// for the response to HEAD.
    init?(_ bytes: some RandomAccessCollection<UInt8>, toEnd: Bool = false, hasBody: Bool = true) throws(LabError) {
        let bytes = Array(bytes)
        guard let end = Self.endOfHead(bytes) else { return nil }
        let lines = String(decoding: bytes[..<end], as: UTF8.self).split(
            separator: "\r\n", omittingEmptySubsequences: true)
        guard let first = lines.first else { throw LabError("http: an empty head") }
        start = String(first)
        fields = try lines.dropFirst().map { line throws(LabError) in
            guard let colon = line.firstIndex(of: ":") else { throw LabError("http: a field without colon: \(line)") }
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            return HTTPField(name: line[..<colon].lowercased(), value: String(value))
        }
        let rest = bytes[end...]
        let (body, count): ([UInt8], Int)
        if !hasBody || first.hasPrefix("HTTP/1.1 1") || first.hasPrefix("HTTP/1.1 204") {
            (body, count) = ([], 0)
        } else if Self.value("transfer-encoding", fields) == "chunked" {
            guard let whole = try Self.joinChunks(rest) else { return nil }
            (body, count) = whole
        } else if let length = Self.value("content-length", fields).flatMap(Int.init) {
            guard rest.count >= length else { return nil }
            (body, count) = (Array(rest.prefix(length)), length)
        } else if first.hasPrefix("HTTP/") {
            guard toEnd else { return nil }
            (body, count) = (Array(rest), rest.count)
        } else {
            (body, count) = ([], 0)
        }
        self.body = body
        self.count = end + count
    }

    private static func value(_ name: String, _ fields: [HTTPField]) -> String? {
        fields.first { $0.name == name }?.value
    }

    private static func endOfHead(_ bytes: [UInt8]) -> Int? {
        let mark: [UInt8] = [13, 10, 13, 10]
        guard bytes.count >= mark.count else { return nil }
        return (mark.count...bytes.count).first { bytes[($0 - 4)..<$0].elementsEqual(mark) }
    }

    private static func joinChunks(_ bytes: ArraySlice<UInt8>) throws(LabError) -> ([UInt8], Int)? {
        var (rest, body) = (bytes, [UInt8]())
        while true {
            guard let end = rest.firstIndex(of: 10) else { return nil }
            let line = String(decoding: rest[rest.startIndex..<end], as: UTF8.self)
            let digits = line.prefix { $0.isHexDigit }
            guard let size = Int(digits, radix: 16) else { throw LabError("http: not a chunk: \(line)") }
            rest = rest[(end + 1)...]
            guard size > 0 else { break }
            guard rest.count >= size + 2 else { return nil }
            body += rest.prefix(size)
            rest = rest.dropFirst(size + 2)
        }
        // Trailers end with an empty line.
        while true {
            guard let end = rest.firstIndex(of: 10) else { return nil }
            let isEmpty = end - rest.startIndex <= 1
            rest = rest[(end + 1)...]
            if isEmpty { return (body, rest.startIndex - bytes.startIndex) }
        }
    }
}
