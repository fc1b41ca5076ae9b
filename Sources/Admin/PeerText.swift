/// Text that a peer chose (paths, hosts, identifiers), written so that no byte of it can end a line, forge a field, steer
/// a terminal, or make the line invalid.
enum PeerText {
    /// A JSON string (RFC 8259, section 7), which must be UTF-8. Bytes that are none are shown as `\xHH`, so the string
    /// holds a backslash there.
    static func appendJSON(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        if text.allSatisfy(isPlain) {
            bytes += text
        } else {
            appendScalars(text, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// Between quotes, in one line of printable ASCII: anything else, quotes and backslashes are `\xHH`, as nginx has it.
    static func appendQuoted(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        appendEscaped(text, to: &bytes)
        bytes.append(UInt8(ascii: "\""))
    }

    /// The same without the quotes.
    static func appendEscaped(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        for byte in text {
            if isPlain(byte) { bytes.append(byte) } else { appendHexadecimal("\\x", byte, to: &bytes) }
        }
    }

    /// Printable ASCII that means nothing within quotes.
    private static func isPlain(_ byte: UInt8) -> Bool {
        byte >= 0x20 && byte < 0x7f && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }

    private static func appendScalars(_ text: ArraySlice<UInt8>, to bytes: inout [UInt8]) {
        var parser = Unicode.UTF8.ForwardParser()
        var rest = text.makeIterator()
        var position = text.startIndex
        while true {
            switch parser.parseScalar(from: &rest) {
            case .valid(let scalar):
                position += scalar.count
                appendJSON(scalar, to: &bytes)
            case .error(let count):
                for byte in text[position..<(position + count)] { appendHexadecimal("\\\\x", byte, to: &bytes) }
                position += count
            case .emptyInput: return
            }
        }
    }

    private static func appendJSON(_ scalar: Unicode.UTF8.EncodedScalar, to bytes: inout [UInt8]) {
        guard let byte = scalar.first, scalar.count == 1 else {
            bytes += scalar
            return
        }
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
        case 0..<0x20, 0x7f: appendHexadecimal("\\u00", byte, to: &bytes)
        default: bytes.append(byte)
        }
    }

    private static func appendHexadecimal(_ prefix: StaticString, _ byte: UInt8, to bytes: inout [UInt8]) {
        bytes += "\(prefix)".utf8
        for digit in [byte >> 4, byte & 15] {
            bytes.append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
