/// Eight bytes at once, the first one lowest. Masks have the highest bit of each byte that is meant.
///
/// All sums stay below 256 in each byte, so nothing carries into the next one and every mask is exact for every byte.
enum Word {
    private static let ones: UInt64 = 0x0101_0101_0101_0101
    private static let highs: UInt64 = 0x8080_8080_8080_8080

    @inline(__always) private static func all(_ byte: UInt8) -> UInt64 { ones &* UInt64(byte) }

    /// Of bytes below 128 in `low`: those of at least `bound`.
    @inline(__always) private static func atLeast(_ low: UInt64, _ bound: UInt8) -> UInt64 { low &+ all(128 - bound) }

    /// Bytes that end a field's value: controls but the tab, and DEL.
    @inline(__always) static func valueEnds(_ word: UInt64) -> UInt64 {
        let low = word & ~highs
        let control = ~atLeast(low, 0x20) & ~isTab(low)
        let delete = atLeast(low, 0x7f)
        return (control | delete) & ~word & highs
    }

    @inline(__always) private static func isTab(_ low: UInt64) -> UInt64 { ~atLeast(low ^ all(9), 1) }

    /// Bytes that end a request's target: everything but visible ASCII, and `#`.
    @inline(__always) static func targetEnds(_ word: UInt64) -> UInt64 {
        let low = word & ~highs
        return (~atLeast(low, 0x21) | atLeast(low, 0x7f) | ~atLeast(low ^ all(UInt8(ascii: "#")), 1) | word) & highs
    }

    /// `word` in lower case, and the bytes that are none of letters, digits and `-`.
    @inline(__always) static func name(_ word: UInt64) -> (lowered: UInt64, ends: UInt64) {
        let low = word & ~highs
        let folded = low | all(0x20)
        let letter = atLeast(folded, UInt8(ascii: "a")) & ~atLeast(folded, UInt8(ascii: "z") + 1)
        let digit = atLeast(low, UInt8(ascii: "0")) & ~atLeast(low, UInt8(ascii: "9") + 1)
        let dash = ~atLeast(low ^ all(UInt8(ascii: "-")), 1)
        let isLetter = letter & ~word & highs
        return (word | (isLetter &>> 2), ~((letter | digit | dash) & ~word) & highs)
    }

    /// The index of the first byte of a mask that is not empty.
    @inline(__always) static func first(_ mask: UInt64) -> Int { mask.trailingZeroBitCount &>> 3 }

    /// `word` with only its first `count` bytes, 1 to 8.
    @inline(__always) static func prefix(_ word: UInt64, _ count: Int) -> UInt64 {
        word & (UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- 8 &* count))
    }
}

extension Span<UInt8> {
    /// The eight bytes from `index` on; those behind the end are zero.
    @inline(__always) func word(at index: Int) -> UInt64 {
        guard index &+ 8 <= count else { return lastWord(at: index) }
        // Checked by RawSpan; any bits are a UInt64.
        return unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }

    @inline(never) private func lastWord(at index: Int) -> UInt64 {
        var word: UInt64 = 0
        for offset in 0..<Swift.max(0, Swift.min(8, count - index)) {
            word |= UInt64(self[index + offset]) &<< UInt64(8 * offset)
        }
        return word
    }
}

extension UInt8 {
    /// A byte of a token (RFC 9110 5.6.2): field names, methods.
    var isTokenByte: Bool {
        switch self {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"):
            true
        case 0x21, 0x23, 0x24, 0x25, 0x26, 0x27, 0x2a, 0x2b, 0x2d, 0x2e, 0x5e, 0x5f, 0x60, 0x7c, 0x7e: true
        default: false
        }
    }

    /// The same letter in lower case, or the byte itself.
    var lowercased: UInt8 { self >= 0x41 && self <= 0x5a ? self | 0x20 : self }
    var isDigit: Bool { self >= 0x30 && self <= 0x39 }
    /// The value of a hexadecimal digit.
    var hexValue: UInt8? {
        switch self {
        case 0x30...0x39: self &- 0x30
        case 0x41...0x46: self &- 0x37
        case 0x61...0x66: self &- 0x57
        default: nil
        }
    }
}
