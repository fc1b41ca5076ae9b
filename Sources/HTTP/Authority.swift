/// `host[:port]` (RFC 3986 3.2), as it may be forwarded and matched: no user, no list, a port that is one.
enum Authority {
    /// Whether `bytes` is an authority. Empty is one only for `Host` (RFC 9112 3.2).
    static func isValid(_ bytes: Span<UInt8>, needsPort: Bool = false) -> Bool {
        var position = 0
        if bytes.count > 0 && bytes[0] == UInt8(ascii: "[") {
            guard let end = literalEnd(bytes) else { return false }
            position = end
        } else {
            position = plainEnd(bytes)
            while position < bytes.count, isHostByte(bytes, position) { position &+= 1 }
            if position == 0 { return false }
        }
        guard position < bytes.count else { return !needsPort }
        return bytes[position] == UInt8(ascii: ":") && isPort(bytes, position + 1)
    }

    /// Behind the letters, digits, dashes and dots at the beginning, of which nearly all hosts are.
    private static func plainEnd(_ bytes: Span<UInt8>) -> Int {
        var position = 0
        while position < bytes.count {
            // The last ones are looked at together with those before them, where there are any.
            position = min(position, max(0, bytes.count &- MemoryLayout<Lanes>.size))
            let first = bytes.lanes(at: position).hostEnds.first
            position &+= first
            if first < MemoryLayout<Lanes>.size { break }
        }
        return position
    }

    /// Unreserved, sub-delims but the comma (two hosts in a list), and percent escapes.
    private static func isHostByte(_ bytes: Span<UInt8>, _ position: Int) -> Bool {
        switch bytes[position] {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"),
            UInt8(ascii: "!"), UInt8(ascii: "$"), UInt8(ascii: "&"), UInt8(ascii: "'"), UInt8(ascii: "("),
            UInt8(ascii: ")"),
            UInt8(ascii: "*"), UInt8(ascii: "+"), UInt8(ascii: ";"), UInt8(ascii: "="):
            true
        case UInt8(ascii: "%"):
            position + 2 < bytes.count && bytes[position + 1].hexValue != nil && bytes[position + 2].hexValue != nil
        default: false
        }
    }

    /// Behind an IPv6 address in brackets.
    private static func literalEnd(_ bytes: Span<UInt8>) -> Int? {
        var colons = 0
        for position in 1..<bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "]"): return colons >= 2 ? position + 1 : nil
            case UInt8(ascii: ":"): colons += 1
            case UInt8(ascii: "."): continue
            case let byte where byte.hexValue != nil: continue
            default: return nil
            }
        }
        return nil
    }

    /// 0 to 65535, at least one digit: what an empty port means is read in two ways.
    private static func isPort(_ bytes: Span<UInt8>, _ start: Int) -> Bool {
        guard bytes.count > start && bytes.count <= start + 5 else { return false }
        var port = 0
        var position = start
        while position < bytes.count {
            let digit = bytes[position] &- 0x30
            guard digit < 10 else { return false }
            port = port &* 10 &+ Int(digit)
            position &+= 1
        }
        return port <= 65535
    }
}
