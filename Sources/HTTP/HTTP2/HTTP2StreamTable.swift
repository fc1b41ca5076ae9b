/// The streams of a connection by their ids: open addressing, with a hash that puts ids which follow each other far apart, so
/// that runs are short.
///
/// Slots move when a stream comes or goes; nobody keeps one. The memory is allocated with the first stream, doubled when it is
/// half full, and kept.
@safe struct HTTP2StreamTable: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of the slots.
    private var slots: UnsafeMutablePointer<HTTP2Stream>?
    private var capacity = 0
    /// To the upper bits of a hash, as many as a place has.
    private var shift: UInt32 = 0
    private(set) var count = 0

    private static let capacityMin = 8

    init() { unsafe slots = nil }

    deinit {
        // Owned by this value alone.
        unsafe slots?.deallocate()
    }

    /// All slots, taken or not.
    var indices: Range<Int> { 0..<capacity }

    /// The stream in a slot. Its id is not changed.
    subscript(slot: Int) -> HTTP2Stream {
        @inline(__always) unsafeAddress {
            precondition(slot >= 0 && slot < capacity)
            // In bounds by the line above.
            return unsafe UnsafePointer(slots.unsafelyUnwrapped + slot)
        }
        @inline(__always) unsafeMutableAddress {
            precondition(slot >= 0 && slot < capacity)
            // In bounds by the line above.
            return unsafe slots.unsafelyUnwrapped + slot
        }
    }

    /// The slot of the stream `id`; -1 if it is not there.
    @inline(__always) func find(_ id: UInt32) -> Int {
        guard count > 0 else { return -1 }
        var slot = home(id)
        while true {
            let found = self[slot].id
            if found == id { return id == 0 ? -1 : slot }
            if found == 0 { return -1 }
            slot = (slot &+ 1) & (capacity &- 1)
        }
    }

    /// Where `id` is, or would be looked for first; 0 if there is no slot.
    func place(_ id: UInt32) -> Int {
        let slot = find(id)
        return slot >= 0 || capacity == 0 ? max(slot, 0) : home(id)
    }

    /// Puts a stream in that is not there; its slot.
    @discardableResult
    mutating func insert(_ stream: HTTP2Stream) -> Int {
        if (count &+ 1) &* 2 > capacity { grow() }
        var slot = home(stream.id)
        while self[slot].id != 0 { slot = (slot &+ 1) & (capacity &- 1) }
        self[slot] = stream
        count &+= 1
        return slot
    }

    /// Frees a slot, and moves those that would not be found any more.
    mutating func remove(_ slot: Int) {
        var hole = slot
        var next = (slot &+ 1) & (capacity &- 1)
        while self[next].id != 0 {
            let distance = (next &- home(self[next].id)) & (capacity &- 1)
            if distance >= (next &- hole) & (capacity &- 1) {
                self[hole] = self[next]
                hole = next
            }
            next = (next &+ 1) & (capacity &- 1)
        }
        self[hole].id = 0
        count &-= 1
    }

    /// Where a stream is looked for first (Fibonacci hashing).
    @inline(__always) private func home(_ id: UInt32) -> Int { Int((id &* 0x9e37_79b1) &>> shift) }

    @inline(never) private mutating func grow() {
        let (old, oldCapacity) = unsafe (slots, capacity)
        capacity = max(oldCapacity * 2, Self.capacityMin)
        shift = UInt32(32 - capacity.trailingZeroBitCount)
        let fresh = UnsafeMutablePointer<HTTP2Stream>.allocate(capacity: capacity)
        // In bounds here and below: as many were allocated.
        unsafe fresh.initialize(repeating: HTTP2Stream(), count: capacity)
        unsafe slots = fresh
        count = 0
        guard let old = unsafe old else { return }
        for slot in 0..<oldCapacity where unsafe old[slot].id != 0 { unsafe insert(old[slot]) }
        unsafe old.deallocate()
    }
}
