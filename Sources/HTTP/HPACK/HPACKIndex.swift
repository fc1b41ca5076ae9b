/// Finds an encoder's entries by a hash of their bytes, and remembers what was written without one.
///
/// A field enters the table when it is seen for the second time: what never repeats (ids of requests) does not push out what
/// does. Nothing is deleted: a slot whose entry has gone says that the field was seen. What is forgotten costs some bytes.
@safe struct HPACKIndex: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of the buckets.
    private var buckets: UnsafeMutablePointer<Bucket>?
    /// Where in a bucket the next field is noted that is new, so that two of one bucket do not push each other out.
    private var turn = 0

    private static let bucketBits = 6
    private static let ways = 4

    /// Hashes of fields, and the numbers of their entries.
    private struct Bucket: BitwiseCopyable {
        var hashes = SIMD4<UInt32>(repeating: 0)
        var numbers = SIMD4<UInt32>(repeating: 1 << 31)
    }

    /// What is known about a field.
    enum Finding: BitwiseCopyable {
        /// It is the entry of that number.
        case entry(UInt32)
        /// It was seen before; as an entry it would be found by that slot.
        case seen(slot: Int)
        case new
    }

    init() { unsafe buckets = nil }

    deinit {
        // Owned by this value alone.
        unsafe buckets?.deallocate()
    }

    /// The entry, if it is in `table`, of a field whose bytes are the first `count` at `bytes`.
    @inline(__always)
    mutating func find(
        _ hash: UInt32, _ bytes: UnsafeRawPointer, _ count: Int, _ pseudo: PseudoField, in table: borrowing HPACKTable
    ) -> Finding {
        guard let buckets = unsafe buckets else { return note(hash, in: table) }
        let index = Int(hash &>> UInt32(32 - Self.bucketBits))
        // In bounds: as many bits as there are buckets.
        let bucket = unsafe buckets[index]
        var way = 0
        while way < Self.ways, bucket.hashes[way] != hash { way &+= 1 }
        guard way < Self.ways else { return note(hash, in: table) }
        let number = bucket.numbers[way]
        guard table.isLive(number) else { return .seen(slot: index &* Self.ways &+ way) }
        let entry = table.entry(number)
        // Both have slack behind them.
        let isSame = unsafe entry.pseudo == pseudo && entry.matches(table.pointer(entry), bytes, count)
        return isSame ? .entry(number) : .new
    }

    /// Notes a field that is new, if there is a slot without an entry.
    @inline(never) private mutating func note(_ hash: UInt32, in table: borrowing HPACKTable) -> Finding {
        if unsafe buckets == nil { allocate() }
        let index = Int(hash &>> UInt32(32 - Self.bucketBits))
        turn &+= 1
        for step in 0..<Self.ways {
            let way = (turn &+ step) & (Self.ways - 1)
            // In bounds as above; `allocate` has seen to memory.
            guard unsafe !table.isLive(buckets.unsafelyUnwrapped[index].numbers[way]) else { continue }
            unsafe buckets.unsafelyUnwrapped[index].hashes[way] = hash
            // A number that no entry will have for long.
            unsafe buckets.unsafelyUnwrapped[index].numbers[way] = table.next &- (1 &<< 31)
            break
        }
        return .new
    }

    /// The field that was seen is the entry of that number now.
    mutating func set(_ number: UInt32, slot: Int) {
        precondition(slot >= 0 && slot < Self.ways << Self.bucketBits)
        // In bounds by the line above; the slot was found, so there is memory.
        unsafe buckets.unsafelyUnwrapped[slot / Self.ways].numbers[slot % Self.ways] = number
    }

    /// A hash of the `count` bytes at `bytes`, behind which is slack. Never 0, which is a free slot's.
    @inline(__always) static func hash(_ bytes: UnsafeRawPointer, _ count: Int, _ pseudo: PseudoField) -> UInt32 {
        var state = 0x9e37_79b9_7f4a_7c15 ^ (UInt64(pseudo.rawValue) &<< 56) ^ UInt64(truncatingIfNeeded: count)
        let last = count &- 16
        var done = 0
        while done < last {
            unsafe mix(&state, bytes + done)
            done &+= 16
        }
        // The last sixteen bytes, some of them again; of fewer, those there are.
        if last >= 0 {
            unsafe mix(&state, bytes + last)
        } else {
            mixShort(&state, unsafe bytes.loadUnaligned(as: Lanes.self), count)
        }
        return UInt32(truncatingIfNeeded: state ^ state &>> 32) | 1
    }

    @inline(__always) private static func mix(_ state: inout UInt64, _ bytes: UnsafeRawPointer) {
        // In bounds: the caller has sixteen bytes there.
        let (first, second) = unsafe (
            bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        )
        let product = (first ^ state).multipliedFullWidth(by: second ^ 0xa076_1d64_78bd_642f)
        state = product.high ^ product.low
    }

    @inline(__always) private static func mixShort(_ state: inout UInt64, _ lanes: Lanes, _ count: Int) {
        let kept = lanes.replacing(with: 0, where: .!Lanes.isBelow(count))
        // The same size, and any bits are words.
        let words = unsafe unsafeBitCast(kept, to: SIMD2<UInt64>.self)
        let product = (words[0] ^ state).multipliedFullWidth(by: words[1] ^ 0xa076_1d64_78bd_642f)
        state = product.high ^ product.low
    }

    @inline(never) private mutating func allocate() {
        let count = 1 << Self.bucketBits
        // Freed in deinit.
        unsafe buckets = .allocate(capacity: count)
        unsafe buckets?.initialize(repeating: Bucket(), count: count)
    }
}

// MARK: - hand-over

extension HPACKIndex {
    /// What it has found and seen: on it depends how fields are written.
    func export(into writer: inout HandoverWriter) {
        writer.put(turn)
        writer.put(unsafe buckets != nil)
        guard let buckets = unsafe buckets else { return }
        for index in 0..<1 << Self.bucketBits {
            // In bounds: as many were allocated.
            let bucket = unsafe buckets[index]
            for way in 0..<Self.ways {
                writer.put(bucket.hashes[way])
                writer.put(bucket.numbers[way])
            }
        }
    }

    /// The same in an index that is empty. Any numbers will do: they are looked up in the table, and compared.
    mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        turn = try reader.number()
        guard try reader.flag() else { return }
        allocate()
        for index in 0..<1 << Self.bucketBits {
            var bucket = Bucket()
            for way in 0..<Self.ways {
                bucket.hashes[way] = try reader.number()
                bucket.numbers[way] = try reader.number()
            }
            // In bounds: as many were allocated just now.
            unsafe buckets.unsafelyUnwrapped[index] = bucket
        }
    }
}

extension HPACKEntry {
    /// Whether the bytes of this entry, without the end of the line, are the `count` at `other`. Both have slack behind them.
    @inline(__always) func matches(_ own: UnsafeRawPointer, _ other: UnsafeRawPointer, _ count: Int) -> Bool {
        guard count == valueOffset &+ Int(valueCount) else { return false }
        let last = count &- 16
        if last < 0 {
            // In bounds: slack, which is larger than this, is behind both.
            let differs = unsafe own.loadUnaligned(as: Lanes.self) .!= other.loadUnaligned(as: Lanes.self)
            return Lanes.Mask(differs).first >= count
        }
        var difference: UInt64 = 0
        var done = 0
        while done < last {
            unsafe difference |= Self.difference(own + done, other + done)
            done &+= 16
        }
        return unsafe difference | Self.difference(own + last, other + last) == 0
    }

    @inline(__always) private static func difference(_ own: UnsafeRawPointer, _ other: UnsafeRawPointer) -> UInt64 {
        // In bounds: the caller has sixteen bytes at both places.
        let first = unsafe own.loadUnaligned(as: UInt64.self) ^ other.loadUnaligned(as: UInt64.self)
        let second = unsafe own.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        return unsafe first | (second ^ other.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
    }
}
