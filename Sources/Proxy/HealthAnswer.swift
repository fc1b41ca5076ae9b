import HTTP

/// What an endpoint has answered to an HTTP health check so far: enough of it to know the status, and never more than
/// `bytesMax`.
struct HealthAnswer: Sendable {
    /// A head of any server fits; one that sends more without an end of it fails the check.
    static let bytesMax = 16 << 10
    private var bytes: [UInt8] = []
    /// Bytes that have been looked through for the end of a head.
    private var scanned = 0

    var count: Int { bytes.count }

    mutating func append(_ buffer: UnsafeRawBufferPointer) {
        // Copied at once.
        unsafe bytes.append(contentsOf: buffer)
    }

    /// The status of the response; nil: not known yet; `.some(nil)`: it is no response.
    mutating func status() -> Int?? {
        guard hasNewEnd() else { return nil }
        var decoder = HTTP1Decoder(.response)
        var head = MessageHead()
        var trailers = MessageHead()
        decoder.expectResponse(toHead: false, toConnect: false)
        var consumed = 0
        while true {
            let rest = bytes.span.extracting(consumed..<bytes.count)
            switch decoder.next(rest, head: &head, trailers: &trailers) {
            case .needMoreBytes: return nil
            case .head(let count):
                if head.status >= 200 { return .some(head.status) }
                consumed += count
            case .data, .end, .violation: return .some(nil)
            }
        }
    }

    /// Whether an empty line has come since the last time: each byte is looked at once, however few come at a time.
    private mutating func hasNewEnd() -> Bool {
        var newlines = 0
        var found = false
        for place in max(0, scanned - 3)..<bytes.count {
            switch bytes[place] {
            case UInt8(ascii: "\n"): newlines += 1
            case UInt8(ascii: "\r"): continue
            default: newlines = 0
            }
            if newlines > 1, place >= scanned { found = true }
        }
        scanned = bytes.count
        return found
    }
}
