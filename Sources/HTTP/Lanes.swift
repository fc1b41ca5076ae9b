import CLanes

/// Sixteen bytes at once. With plain words a head of 341 bytes took three times as many instructions.
typealias Lanes = SIMD16<UInt8>

extension Lanes {
    /// Where something was found: a bit for each such byte.
    struct Mask: BitwiseCopyable {
        private let bits: UInt32

        @inline(__always) init(_ mask: SIMDMask<SIMD16<Int8>>) {
            // The same size: 0xff in each such byte.
            bits = apus_lanes_mask(unsafe unsafeBitCast(mask, to: Lanes.self))
        }

        /// Whether nothing was found.
        @inline(__always) var isEmpty: Bool { bits == 0 }

        /// The index of the first byte that was found; 16 if none was.
        @inline(__always) var first: Int { (bits | 1 &<< 16).trailingZeroBitCount }
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

    /// Places of `byte`.
    @inline(__always) func places(of byte: UInt8) -> Mask { Mask(self .== Self.all(byte)) }

    /// Places of `byte`, and of `first` where `next` has `second`.
    @inline(__always) func places(of byte: UInt8, or first: UInt8, before next: Lanes, _ second: UInt8) -> Mask {
        Mask((self .== Self.all(byte)) .| ((self .== Self.all(first)) .& (next .== Self.all(second))))
    }

    /// Bytes that are none of letters, digits, `-` and `.`.
    @inline(__always) var hostEnds: Mask {
        let isLetter = ((self | Self.all(0x20)) &- Self.all(UInt8(ascii: "a"))) .< Self.all(26)
        let isDigit = (self &- Self.all(UInt8(ascii: "0"))) .< Self.all(10)
        let isOther = (self .== Self.all(UInt8(ascii: "-"))) .| (self .== Self.all(UInt8(ascii: ".")))
        return Mask(.!(isLetter .| isDigit .| isOther))
    }

    /// True for the first `count`.
    @inline(__always) static func isBelow(_ count: Int) -> SIMDMask<SIMD16<Int8>> {
        Lanes(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15) .< all(UInt8(truncatingIfNeeded: count))
    }

    /// The key of a name of `count` bytes, the first ones, for which `isName` is true.
    @inline(__always) func key(_ isName: SIMDMask<SIMD16<Int8>>, _ count: Int) -> HeaderNameTable.Key {
        let bytes = replacing(with: 0, where: .!isName)
        // The same size, and any bits are a UInt64.
        let halves = unsafe unsafeBitCast(bytes, to: SIMD2<UInt64>.self)
        return .init(first: halves[0].littleEndian, second: halves[1].littleEndian, last: 0, count: count)
    }

    /// Letters in lower case, and the bytes that are none of letters, digits and `-`.
    @inline(__always) var name: (lowered: Lanes, ends: Mask) {
        let isLetter = ((self | Self.all(0x20)) &- Self.all(UInt8(ascii: "a"))) .< Self.all(26)
        let isOther = ((self &- Self.all(UInt8(ascii: "0"))) .< Self.all(10)) .| (self .== Self.all(UInt8(ascii: "-")))
        // A mask has all bits of a byte set, or none.
        let lower = unsafe unsafeBitCast(isLetter, to: Lanes.self) & Self.all(0x20)
        return (self | lower, Mask(.!(isLetter .| isOther)))
    }
}

extension Span<UInt8> {
    /// The sixteen bytes from `index` on, of which those behind the end are zero.
    @inline(__always) func lanes(at index: Int) -> Lanes {
        // Checked by RawSpan; any bits are bytes.
        if index &+ 16 <= count { return unsafe bytes.unsafeLoadUnaligned(fromByteOffset: index, as: Lanes.self) }
        return lastLanes(at: index)
    }

    @inline(never) private func lastLanes(at index: Int) -> Lanes {
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
