/// Frames as bytes, right or wrong, for tests.
public enum HTTP2Bytes {
    /// What a client begins with, with empty SETTINGS.
    public static let clientStart = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4)
    /// Fields of a request that is right.
    public static let get = fields([(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")])
    /// The same with POST.
    public static let post = fields([(":method", "POST"), (":scheme", "http"), (":path", "/"), (":authority", "a")])

    /// A frame with that payload, or with another length in its header.
    public static func frame(
        _ type: UInt8, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = [], length: Int? = nil
    ) -> [UInt8] {
        let length = UInt32(length ?? payload.count)
        return word(length).dropFirst() + [type, flags] + word(stream) + payload
    }

    /// HEADERS: ends the block, and the stream if not told otherwise.
    public static func headers(_ stream: UInt32, _ block: [UInt8], flags: UInt8 = 5) -> [UInt8] {
        frame(1, flags: flags, stream: stream, block)
    }

    /// DATA.
    public static func data(_ stream: UInt32, _ payload: [UInt8], flags: UInt8 = 0) -> [UInt8] {
        frame(0, flags: flags, stream: stream, payload)
    }

    /// SETTINGS with these.
    public static func settings(_ pairs: [(UInt16, UInt32)]) -> [UInt8] {
        frame(4, pairs.flatMap { [UInt8($0.0 >> 8), UInt8($0.0 & 0xff)] + word($0.1) })
    }

    /// WINDOW_UPDATE.
    public static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
        frame(8, stream: stream, word(increment))
    }

    /// RST_STREAM.
    public static func reset(_ stream: UInt32, _ code: UInt32) -> [UInt8] { frame(3, stream: stream, word(code)) }

    /// Fields as literals that enter no table; `first` is the byte that says so.
    public static func fields(_ pairs: [(String, String)], first: UInt8 = 0) -> [UInt8] {
        pairs.flatMap { [first] + string($0.0) + string($0.1) }
    }

    /// A string of a field block, not Huffman-coded.
    public static func string(_ text: String) -> [UInt8] {
        let bytes = Array(text.utf8)
        if bytes.count < 127 { return [UInt8(bytes.count)] + bytes }
        var (count, rest): ([UInt8], Int) = ([127], bytes.count - 127)
        while rest >= 128 {
            count.append(UInt8(rest & 127 | 128))
            rest >>= 7
        }
        return count + [UInt8(rest)] + bytes
    }

    /// Four bytes, big endian.
    public static func word(_ value: UInt32) -> [UInt8] {
        [UInt8(value >> 24), UInt8(value >> 16 & 0xff), UInt8(value >> 8 & 0xff), UInt8(value & 0xff)]
    }

    /// What was written, in words: a frame each. What is behind the last whole frame is left out.
    public static func describe(_ bytes: [UInt8]) -> [String] {
        var (all, place): ([String], Int) = ([], 0)
        if bytes.starts(with: Array("PRI * HTTP/2.0".utf8)) { place = 24 }
        while place + 9 <= bytes.count {
            let length = Int(bytes[place]) << 16 | Int(bytes[place + 1]) << 8 | Int(bytes[place + 2])
            guard place + 9 + length <= bytes.count else { break }
            let payload = Array(bytes[place + 9..<place + 9 + length])
            let stream = number(bytes, place + 5) & 0x7fff_ffff
            all.append(describe(bytes[place + 3], bytes[place + 4], stream, payload))
            place += 9 + length
        }
        return all
    }

    private static func number(_ bytes: [UInt8], _ place: Int) -> UInt32 {
        bytes[place..<place + 4].reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func describe(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> String {
        switch type {
        case 0: "DATA \(stream) \(payload.count)\(flags & 1 == 1 ? " end" : "")"
        case 1: "HEADERS \(stream)\(flags & 1 == 1 ? " end" : "")"
        case 3: "RST_STREAM \(stream) \(number(payload, 0))"
        case 4: flags & 1 == 1 ? "SETTINGS ack" : "SETTINGS"
        case 6: flags & 1 == 1 ? "PING ack" : "PING"
        case 7: "GOAWAY \(number(payload, 0)) \(number(payload, 4))"
        case 8: "WINDOW_UPDATE \(stream) \(number(payload, 0))"
        case 9: "CONTINUATION \(stream)"
        default: "type \(type) \(stream)"
        }
    }
}
