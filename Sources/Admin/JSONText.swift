/// Appends JSON text to a byte buffer: for access log lines and log records, where an encoder's intermediate objects
/// would cost more than the line. The caller is responsible for the order of its calls within one object.
struct JSONText {
    /// The text so far.
    var bytes: [UInt8] = []
    private var needsComma = false

    mutating func beginObject() {
        bytes.append(UInt8(ascii: "{"))
        needsComma = false
    }

    mutating func endObject() {
        bytes.append(UInt8(ascii: "}"))
        needsComma = true
    }

    mutating func field(_ key: StaticString, _ value: String?) {
        appendKey(key)
        guard let value else { return appendNull() }
        Self.append(value, to: &bytes)
    }

    mutating func field(_ key: StaticString, _ value: some BinaryInteger) {
        appendKey(key)
        bytes += String(value).utf8
    }

    /// A field whose name comes from the outside.
    mutating func field(named key: String, _ value: String) {
        appendComma()
        Self.append(key, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        Self.append(value, to: &bytes)
    }

    /// A field whose value the caller writes as JSON, through `bytes`.
    mutating func appendKey(_ key: StaticString) {
        appendComma()
        // Keys are literals of this module: no character of them needs escaping.
        Self.append("\(key)", to: &bytes)
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func appendComma() {
        if needsComma { bytes.append(UInt8(ascii: ",")) }
        needsComma = true
    }

    private mutating func appendNull() { bytes += "null".utf8 }

    /// A quoted string (RFC 8259, section 7). Names may hold anything, so control characters are escaped: a line break
    /// in a name must not become a second log line.
    static func append(_ text: String, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"):
                bytes.append(UInt8(ascii: "\\"))
                bytes.append(byte)
            case UInt8(ascii: "\n"): bytes += "\\n".utf8
            case UInt8(ascii: "\t"): bytes += "\\t".utf8
            case UInt8(ascii: "\r"): bytes += "\\r".utf8
            case 0..<0x20, 0x7f: bytes += "\\u00\(byte < 16 ? "0" : "")\(String(byte, radix: 16))".utf8
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
