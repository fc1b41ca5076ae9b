/// Sixteen bytes at once. With plain words a head of 341 bytes took three times as many instructions.
typealias Lanes = SIMD16<UInt8>

extension Lanes {
    /// Where something was found: 0xff in each such byte.
    struct Mask: BitwiseCopyable {
        private let halves: SIMD2<UInt64>

        @inline(__always) init(_ mask: SIMDMask<SIMD16<Int8>>) {
            // The same size, and any bits are a UInt64.
            halves = unsafe unsafeBitCast(mask, to: SIMD2<UInt64>.self)
        }

        /// The index of the first byte that was found; 16 if none was.
        @inline(__always) var first: Int {
            let low = halves[0].littleEndian
            if low != 0 { return low.trailingZeroBitCount &>> 3 }
            return 8 &+ halves[1].littleEndian.trailingZeroBitCount &>> 3
        }
    }

    @inline(__always) private static func all(_ byte: UInt8) -> Lanes { Lanes(repeating: byte) }

    /// Bytes that end a field's value: controls but the tab, and DEL.
    @inline(__always) var valueEnds: Mask {
        Mask(((self .< Self.all(0x20)) .& (self .!= Self.all(0x09))) .| (self .== Self.all(0x7f)))
    }

    /// Bytes that end a request's target: everything but visible ASCII, and `#`.
    @inline(__always) var targetEnds: Mask {
        Mask(((self &- Self.all(0x21)) .>= Self.all(0x7f - 0x21)) .| (self .== Self.all(UInt8(ascii: "#"))))
    }

    /// Letters in lower case, and the bytes that are none of letters, digits and `-`.
    @inline(__always) var name: (kept: Lanes, ends: Mask) {
        let isLetter = ((self | Self.all(0x20)) &- Self.all(UInt8(ascii: "a"))) .< Self.all(26)
        let isOther = ((self &- Self.all(UInt8(ascii: "0"))) .< Self.all(10)) .| (self .== Self.all(UInt8(ascii: "-")))
        // A mask has all bits of a byte set, or none.
        let lower = unsafe unsafeBitCast(isLetter, to: Lanes.self) & Self.all(0x20)
        return (self | lower, Mask(.!(isLetter .| isOther)))
    }
}

extension Span<UInt8> {
    /// The sixteen bytes from `index` on, of which those behind the end are zero.
    func lanes(at index: Int) -> Lanes {
        let halves = SIMD2(word(at: index).littleEndian, word(at: index &+ 8).littleEndian)
        // The same size, and any bits are bytes.
        return unsafe unsafeBitCast(halves, to: Lanes.self)
    }

    /// The eight bytes from `index` on, the first one lowest; those behind the end are zero.
    @inline(__always) func word(at index: Int) -> UInt64 {
        guard index &+ 8 <= count else { return lastWord(at: index) }
        return wholeWord(at: index)
    }

    private func lastWord(at index: Int) -> UInt64 {
        guard index < count else { return 0 }
        if count >= 8 { return wholeWord(at: count - 8) &>> UInt64(8 * (index + 8 - count)) }
        var word: UInt64 = 0
        for place in index..<count { word |= UInt64(self[place]) &<< UInt64(8 * (place - index)) }
        return word
    }

    @inline(__always) private func wholeWord(at index: Int) -> UInt64 {
        // Checked by RawSpan; any bits are a UInt64.
        unsafe UInt64(littleEndian: bytes.unsafeLoadUnaligned(fromByteOffset: index, as: UInt64.self))
    }
}
