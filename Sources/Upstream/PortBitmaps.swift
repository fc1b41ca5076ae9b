/// Bitmaps of one size in one array, addressed by number. A freed one is all clear and used again first.
struct PortBitmaps: Sendable {
    private let bits: Int
    private let width: Int
    private var words: [UInt64] = []
    private var freeBlocks: [Int32] = []

    /// Bitmaps of `bits` bits each.
    init(bits: Int) {
        self.bits = bits
        width = (bits + 63) / 64
    }

    mutating func allocate() -> Int32 {
        if let block = freeBlocks.popLast() { return block }
        words += repeatElement(0, count: width)
        return Int32(words.count / width - 1)
    }

    mutating func free(_ block: Int32) {
        let first = Int(block) * width
        for index in first..<first + width { words[index] = 0 }
        freeBlocks.append(block)
    }

    mutating func set(_ block: Int32, _ bit: Int) { words[Int(block) * width + bit / 64] |= 1 << UInt64(bit % 64) }

    /// False when it was clear already.
    mutating func clear(_ block: Int32, _ bit: Int) -> Bool {
        let (index, mask) = (Int(block) * width + bit / 64, UInt64(1) << UInt64(bit % 64))
        defer { words[index] &= ~mask }
        return words[index] & mask != 0
    }

    /// The first bit of `range` that is clear.
    func firstClear(_ block: Int32, in range: Range<Int>) -> Int? { first(block, in: range, inverting: true) }

    /// The first bit from `start` on that is set.
    func firstSet(_ block: Int32, from start: Int) -> Int? { first(block, in: start..<bits, inverting: false) }

    private func first(_ block: Int32, in range: Range<Int>, inverting: Bool) -> Int? {
        guard !range.isEmpty else { return nil }
        let base = Int(block) * width
        for index in range.lowerBound / 64...(range.upperBound - 1) / 64 {
            var word = inverting ? ~words[base + index] : words[base + index]
            if index == range.lowerBound / 64 { word &= ~0 << UInt64(range.lowerBound % 64) }
            guard word != 0 else { continue }
            let bit = index * 64 + word.trailingZeroBitCount
            return bit < range.upperBound ? bit : nil
        }
        return nil
    }
}
