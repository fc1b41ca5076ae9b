/// Finds an encoder's entries by a hash of their bytes, and remembers what was written without one.
///
/// A field enters the table when it is seen for the second time: what never repeats (ids of requests) does not push out what
/// does. Nothing is deleted: a slot whose entry has gone says that the field was seen. What is forgotten costs some bytes.
@safe struct HPACKIndex: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of the slots.
    private var slots: UnsafeMutablePointer<Slot>?

    private static let ways = 4
    private static let bucketBits = 6

    private struct Slot: BitwiseCopyable {
        var hash: UInt32 = 0
        var number: UInt32 = 0
    }

    /// What is known about a field.
    enum Finding: BitwiseCopyable {
        /// It is the entry of that number.
        case entry(UInt32)
        /// It was seen before; as an entry it would be found by that slot.
        case seen(slot: Int)
        case new
    }

    init() { unsafe slots = nil }

    deinit {
        // Owned by this value alone.
        unsafe slots?.deallocate()
    }

    /// The entry, if it is in `table`, of a field whose bytes are the first `count` at `bytes`.
    @inline(__always)
    mutating func find(
        _ hash: UInt32, _ bytes: UnsafeRawPointer, _ count: Int, _ pseudo: PseudoField, in table: borrowing HPACKTable
    ) -> Finding {
        if unsafe slots == nil { allocate() }
        let bucket = Int(hash &>> UInt32(32 - Self.bucketBits)) * Self.ways
        var free = -1
        for way in 0..<Self.ways {
            // Candidates for the same bucket go to different slots of it.
            let place = bucket + (way &+ Int(hash & 3)) & (Self.ways - 1)
            // In bounds: a bucket is made of the upper bits, and there are slots.
            let slot = unsafe slots.unsafelyUnwrapped[place]
            let isLive = table.isLive(slot.number)
            if slot.hash == hash {
                guard isLive else { return .seen(slot: place) }
                let entry = table.entry(slot.number)
                let isSame = unsafe entry.pseudo == pseudo && entry.matches(table.pointer(entry), bytes, count)
                return isSame ? .entry(slot.number) : .new
            }
            if !isLive && free < 0 { free = place }
        }
        // A number that no entry will have for long.
        if free >= 0 { unsafe slots.unsafelyUnwrapped[free] = Slot(hash: hash, number: table.next &- (1 &<< 31)) }
        return .new
    }

    /// The field that was seen is the entry of that number now.
    @inline(__always) mutating func set(_ number: UInt32, slot: Int) {
        precondition(slot >= 0 && slot < Self.ways << Self.bucketBits)
        // In bounds by the line above; `find` has seen to memory.
        unsafe slots.unsafelyUnwrapped[slot].number = number
    }

    /// A hash of the `count` bytes at `bytes`, behind which is slack. Never 0, which is a free slot's.
    @inline(__always) static func hash(_ bytes: UnsafeRawPointer, _ count: Int, _ pseudo: PseudoField) -> UInt32 {
        var state = 0x9e37_79b9_7f4a_7c15 ^ (UInt64(pseudo.rawValue) &<< 56) ^ UInt64(truncatingIfNeeded: count)
        var done = 0
        while done < count {
            var lanes = unsafe bytes.loadUnaligned(fromByteOffset: done, as: Lanes.self)
            if count &- done < MemoryLayout<Lanes>.size {
                lanes = lanes.replacing(with: 0, where: .!Lanes.isBelow(count &- done))
            }
            // The same size, and any bits are words.
            let words = unsafe unsafeBitCast(lanes, to: SIMD2<UInt64>.self)
            let product = (words[0] ^ state).multipliedFullWidth(by: words[1] ^ 0xa076_1d64_78bd_642f)
            state = product.high ^ product.low
            done &+= MemoryLayout<Lanes>.size
        }
        return UInt32(truncatingIfNeeded: state ^ state &>> 32) | 4
    }

    @inline(never) private mutating func allocate() {
        let count = Self.ways << Self.bucketBits
        // Freed in deinit. No entry has the number, and no field the hash.
        unsafe slots = .allocate(capacity: count)
        unsafe slots?.initialize(repeating: Slot(number: 1 << 31), count: count)
    }
}

extension HPACKEntry {
    /// Whether the bytes of this entry, without the end of the line, are the `count` at `other`. Both have slack behind them.
    @inline(__always) func matches(_ own: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count == valueOffset &+ Int(valueCount) else { return false }
        var done = 0
        while done < count {
            // In bounds: slack, which is larger than this, is behind both.
            let mine = unsafe own.loadUnaligned(fromByteOffset: done, as: Lanes.self)
            let differs = unsafe mine .!= other.loadUnaligned(fromByteOffset: done, as: Lanes.self)
            let first = Lanes.Mask(differs).first
            if first < MemoryLayout<Lanes>.size { return done &+ first >= count }
            done &+= MemoryLayout<Lanes>.size
        }
        return true
    }
}
