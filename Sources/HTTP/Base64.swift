import Buffers

/// RFC 4648 4, for sixteen bytes and for twenty: what WebSocket asks a key to be, and its answer.
public enum Base64 {
    private static let alphabet: StaticString = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

    /// Appends the 24 characters of the sixteen bytes of two words, the highest byte first.
    public static func append(_ high: UInt64, _ low: UInt64, to output: inout OutputBuffer) {
        // 128 bits are 21 groups of six and two bits.
        for group in 0..<21 {
            output.append(character(bits(high, low, from: 128 - 6 * (group + 1), count: 6)))
        }
        output.append(character(bits(high, low, from: 0, count: 2) << 4))
        output.append("==")
    }

    /// Appends the characters of the bytes of these words, the highest byte first.
    static func append(_ words: [UInt32], to output: inout OutputBuffer) {
        var (rest, count) = (UInt64(0), 0)
        for word in words {
            (rest, count) = (rest << 32 | UInt64(word), count + 32)
            while count >= 6 {
                count -= 6
                output.append(character(UInt8(truncatingIfNeeded: rest >> UInt64(count)) & 63))
            }
            rest &= (1 << UInt64(count)) - 1
        }
        guard count > 0 else { return }
        output.append(character(UInt8(truncatingIfNeeded: rest << UInt64(6 - count)) & 63))
        for _ in 0..<(6 - count) / 2 { output.append("=") }
    }

    private static func bits(_ high: UInt64, _ low: UInt64, from place: Int, count: Int) -> UInt8 {
        let above = place > 0 && place < 64 ? high << UInt64(64 - place) : 0
        let word = place >= 64 ? high >> UInt64(place - 64) : low >> UInt64(place) | above
        return UInt8(truncatingIfNeeded: word) & UInt8((1 << count) - 1)
    }

    private static func character(_ value: UInt8) -> UInt8 {
        // In bounds: six bits are below 64. Static text lives for ever.
        unsafe alphabet.utf8Start[Int(value & 63)]
    }
}
