/// Decodes Huffman strings (RFC 7541 5.2), up to two bytes with one load.
///
/// Built once and never freed.
@safe struct HuffmanTable: @unchecked Sendable {
    // Sound to share: written before the value exists, never afterwards.
    /// By the next eleven bits: bits used (5), bytes found (2 bits from 5 on), the bytes from 8 and 16 on. 0: a longer code.
    private let short: UnsafePointer<UInt32>
    /// By length: the first code, how many there are, and where their symbols begin.
    private let long: UnsafePointer<Level>
    private let symbols: UnsafePointer<UInt16>

    static let shared = HuffmanTable()
    private static let shortBits = 11

    private struct Level: BitwiseCopyable {
        var first: UInt32 = 0
        var count: UInt32 = 0
        var start: UInt32 = 0
    }

    private init() {
        let lengths = HuffmanLengths.all
        let order = lengths.indices.sorted { (lengths[$0], $0) < (lengths[$1], $1) }
        let symbols = UnsafeMutablePointer<UInt16>.allocate(capacity: order.count)
        let long = UnsafeMutablePointer<Level>.allocate(capacity: HuffmanLengths.longest + 1)
        // In bounds here and below: as many were allocated as there are symbols and lengths.
        unsafe long.initialize(repeating: Level(), count: HuffmanLengths.longest + 1)
        var code: UInt32 = 0
        var length = 0
        for (index, symbol) in order.enumerated() {
            code <<= UInt32(Int(lengths[symbol]) - length)
            length = Int(lengths[symbol])
            unsafe symbols[index] = UInt16(symbol)
            if unsafe long[length].count == 0 { unsafe long[length] = Level(first: code, start: UInt32(index)) }
            unsafe long[length].count += 1
            code += 1
        }
        unsafe self.symbols = UnsafePointer(symbols)
        unsafe self.long = UnsafePointer(long)
        unsafe short = UnsafePointer(Self.makeShort(long, symbols))
    }

    private static func makeShort(
        _ long: UnsafePointer<Level>, _ symbols: UnsafePointer<UInt16>
    ) -> UnsafeMutablePointer<UInt32> {
        let count = 1 << shortBits
        let short = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
        for bits in 0..<count {
            var entry: UInt32 = 0
            var used = 0
            var found: UInt32 = 0
            while found < 2, let (symbol, length) = unsafe find(bits, used, long, symbols) {
                used += length
                entry |= UInt32(symbol) << (8 + 8 * found)
                found += 1
            }
            // In bounds: `count` were allocated.
            unsafe (short + bits).initialize(to: found == 0 ? 0 : entry | found << 5 | UInt32(used))
        }
        return unsafe short
    }

    /// The code that begins behind `used` of the bits, if it is all there.
    private static func find(
        _ bits: Int, _ used: Int, _ long: UnsafePointer<Level>, _ symbols: UnsafePointer<UInt16>
    ) -> (symbol: UInt16, length: Int)? {
        for length in stride(from: 5, through: shortBits - used, by: 1) {
            let code = UInt32(bits >> (shortBits - used - length)) & (1 << UInt32(length) - 1)
            // In bounds: a length is not above the longest, and a level's symbols are among all.
            let level = unsafe long[length]
            if level.count > 0 && code >= level.first && code < level.first + level.count {
                return unsafe (symbols[Int(level.start + code - level.first)], length)
            }
        }
        return nil
    }

    /// Decodes `source` to `target`, where there is room for twice as many bytes. How many were written; nil if it is not a
    /// string: the end symbol in it, or padding that is not the beginning of that or has eight bits or more.
    func decode(_ source: Span<UInt8>, to target: UnsafeMutableRawPointer) -> Int? {
        var window: UInt64 = 0
        var bits = 0
        var position = 0
        var count = 0
        while true {
            while bits <= 56 && position < source.count {
                window |= UInt64(source[position]) &<< UInt64(truncatingIfNeeded: 56 &- bits)
                bits &+= 8
                position &+= 1
            }
            // In bounds: eleven bits.
            let entry = unsafe short[Int(truncatingIfNeeded: window &>> UInt64(64 - Self.shortBits))]
            var used = Int(entry & 31)
            if used == 0 {
                guard let (symbol, length) = longCode(window, bits) else { break }
                if symbol == HuffmanLengths.end { return nil }
                // In bounds: a code has five bits or more, so that there are at most 8/5 as many bytes.
                unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: symbol), toByteOffset: count, as: UInt8.self)
                count &+= 1
                used = length
            } else if used <= bits {
                // In bounds as above; the second byte may be one that does not count.
                unsafe target.storeBytes(
                    of: UInt16(truncatingIfNeeded: entry &>> 8).littleEndian, toByteOffset: count, as: UInt16.self)
                count &+= Int(entry &>> 5 & 3)
            } else {
                guard let (symbol, length) = longCode(window, bits) else { break }
                unsafe target.storeBytes(of: UInt8(truncatingIfNeeded: symbol), toByteOffset: count, as: UInt8.self)
                count &+= 1
                used = length
            }
            window &<<= UInt64(truncatingIfNeeded: used)
            bits &-= used
        }
        // Padding: the most significant bits of the end symbol, which are ones.
        let padding = bits == 0 ? 0 : window &>> UInt64(truncatingIfNeeded: 64 &- bits)
        return bits < 8 && padding == (1 &<< UInt64(bits)) &- 1 ? count : nil
    }

    /// The code at the beginning of `window`, if it is within `bits`.
    @inline(never) private func longCode(_ window: UInt64, _ bits: Int) -> (symbol: Int, length: Int)? {
        for length in stride(from: 5, through: min(bits, HuffmanLengths.longest), by: 1) {
            let code = UInt32(truncatingIfNeeded: window &>> UInt64(64 - length))
            // In bounds: a length is not above the longest, and a level's symbols are among all.
            let level = unsafe long[length]
            if level.count > 0 && code >= level.first && code &- level.first < level.count {
                return unsafe (Int(symbols[Int(level.start + code - level.first)]), length)
            }
        }
        return nil
    }
}
