/// A dynamic table (RFC 7541 2.3.2): one run of bytes and a ring of entries, both of a fixed size that is allocated when the
/// first entry comes. Entries have numbers that count up, and are found by them as long as they are there.
///
/// A plain value: bytes, entries and four counters are all of it.
@safe struct HPACKTable: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of both.
    private var bytes: UnsafeMutableRawPointer?
    private var entries: UnsafeMutablePointer<HPACKEntry>?
    /// Bytes the table may ever hold, and a mask for numbers.
    private let capacity: Int
    private let mask: UInt32
    /// RFC 7541 4.2, at most `capacity`.
    private(set) var sizeMax: Int
    /// RFC 7541 4.1, of all entries.
    private(set) var size = 0
    /// The number the next entry gets, and that of the oldest one. They wrap around.
    private(set) var next: UInt32 = 0
    private(set) var oldest: UInt32 = 0
    /// Offset of the first byte in memory, and of the one behind the newest entry.
    private var base: UInt32 = 0
    private var end: UInt32 = 0

    /// The smallest entry has 32 bytes.
    private static let entrySizeMin = 32
    /// The largest capacity: a table is memory of each connection.
    static let capacityMax = 32 << 10

    init(capacity: Int) {
        self.capacity = min(max(capacity, 0), Self.capacityMax)
        sizeMax = self.capacity
        let count = max(self.capacity / Self.entrySizeMin, 1)
        mask = UInt32(truncatingIfNeeded: (1 &<< (Int.bitWidth - (count - 1).leadingZeroBitCount)) - 1)
        unsafe bytes = nil
        unsafe entries = nil
    }

    deinit {
        // Both are owned by this value alone.
        unsafe bytes?.deallocate()
        unsafe entries?.deallocate()
    }

    /// How many entries there are.
    @inline(__always) var count: Int { Int(next &- oldest) }

    /// Whether the entry of that number is still there.
    @inline(__always) func isLive(_ number: UInt32) -> Bool { next &- number &- 1 < next &- oldest }

    /// The entry of that number, which is there.
    @inline(__always) func entry(_ number: UInt32) -> HPACKEntry {
        precondition(isLive(number))
        // There is an entry, so there is memory; a masked number is in bounds.
        return unsafe entries.unsafelyUnwrapped[Int(number & mask)]
    }

    /// The bytes of an entry that is there, with `MessageHead.slack` bytes behind them that may be read.
    @unsafe @inline(__always) func pointer(_ entry: HPACKEntry) -> UnsafeRawPointer {
        let place = Int(entry.offset &- base)
        precondition(place &+ entry.stored <= capacity)
        // In bounds by the line above; an entry was inserted, so there is memory.
        return unsafe UnsafeRawPointer(bytes.unsafelyUnwrapped + place)
    }

    /// Puts an entry in front, whose bytes are at `source`, not in this table; older ones make room. One that is larger than
    /// the table only empties it (RFC 7541 4.4). Whether it is there.
    @discardableResult
    mutating func insert(_ entry: HPACKEntry, from source: UnsafeRawPointer) -> Bool {
        shrink(to: sizeMax - entry.size)
        guard entry.size <= sizeMax else { return false }
        if unsafe bytes == nil { allocate() }
        let stored = entry.stored
        if Int(end &- base) &+ stored > capacity { compact() }
        var entry = entry
        entry.offset = end
        // `stored` is below `size`, and all sizes together are not above `capacity`: there is room behind the others.
        unsafe (bytes.unsafelyUnwrapped + Int(end &- base)).copyMemory(from: source, byteCount: stored)
        // A masked number is in bounds, and its place is free: there are never more than `capacity / 32` entries.
        unsafe entries.unsafelyUnwrapped[Int(next & mask)] = entry
        end &+= UInt32(truncatingIfNeeded: stored)
        next &+= 1
        size &+= entry.size
        return true
    }

    /// RFC 7541 4.3. Not above the capacity.
    mutating func setSizeMax(_ bytes: Int) {
        sizeMax = min(max(bytes, 0), capacity)
        shrink(to: sizeMax)
    }

    /// Takes the oldest ones out until the others have no more than `target`.
    @inline(__always) private mutating func shrink(to target: Int) {
        while size > target && next != oldest {
            size &-= entry(oldest).size
            oldest &+= 1
        }
    }

    /// Moves all that is there to the beginning of the memory.
    private mutating func compact() {
        let start = next == oldest ? end : entry(oldest).offset
        // Both places are within the bytes used.
        unsafe bytes.unsafelyUnwrapped.copyMemory(
            from: bytes.unsafelyUnwrapped + Int(start &- base), byteCount: Int(end &- start))
        base = start
    }

    @inline(never) private mutating func allocate() {
        // Freed in deinit. The slack is only read, so that it must be initialised.
        let size = capacity + MessageHead.slack
        unsafe bytes = .allocate(byteCount: size, alignment: 16)
        unsafe bytes?.initializeMemory(as: UInt8.self, repeating: 0, count: size)
        unsafe entries = .allocate(capacity: Int(mask) + 1)
    }
}

// MARK: - hand-over

extension HPACKTable {
    /// Its entries with their numbers, the oldest first.
    func export(into writer: inout HandoverWriter) {
        writer.put(sizeMax)
        writer.put(next)
        writer.put(UInt32(count))
        var number = oldest
        while number != next {
            let entry = entry(number)
            writer.put(entry.known.rawValue)
            writer.put(entry.flags)
            writer.put(entry.pseudo.rawValue)
            writer.put(entry.nameCount)
            // As many bytes are stored.
            let stored = unsafe UnsafeRawBufferPointer(start: pointer(entry), count: entry.stored)
            unsafe writer.put(stored)
            number &+= 1
        }
    }

    /// The same in a table that is empty. Its capacity is the connection's, and was said before.
    mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        setSizeMax(try reader.number(0...capacity))
        let last = try reader.number(UInt32.self)
        let count = try reader.word(0...UInt32(capacity / Self.entrySizeMin))
        next = last &- count
        oldest = next
        for _ in 0..<count { try restoreEntry(from: &reader) }
    }

    private mutating func restoreEntry(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        let known = try reader.value(HeaderName.self)
        let flags = try reader.number(UInt8.self)
        let pseudo = try reader.value(PseudoField.self)
        let nameCount = try reader.word(0...UInt32(capacity))
        var stored = try reader.run(max: capacity)
        let around = pseudo == .none ? Int(nameCount) + 4 : 0
        guard stored.count >= around, pseudo == .none || Int(nameCount) == pseudo.text.utf8CodeUnitCount else {
            throw reader.flaw
        }
        let entry = HPACKEntry(
            nameCount: nameCount, valueCount: UInt32(stored.count - around), known: known, flags: flags, pseudo: pseudo)
        // It has to fit beside the others, as it did.
        guard size + entry.size <= sizeMax else { throw reader.flaw }
        stored += repeatElement(0, count: MessageHead.slack)
        // The array has what is stored of the entry, and lives for the call.
        _ = unsafe stored.withUnsafeBytes { unsafe insert(entry, from: $0.baseAddress.unsafelyUnwrapped) }
    }
}
