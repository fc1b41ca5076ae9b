import Synchronization

/// Process-wide atomic integers addressed by slot: connection counts that limits are checked against, health verdicts.
///
/// Storage comes in chunks that never move and live as long as the process, so that a worker may keep this value (a bare
/// pointer: copying it costs no reference counting) and touch a word without a lock. `reserve` is called by the one
/// compiler of snapshots before a slot is published; reading a slot that was never reserved yields zero.
@safe public struct AtomicWords: @unchecked Sendable {
    // Sound to share: the directory's entries are atomic, chunks are immutable pointers to atomics and never freed.
    private let directory: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Atomic<Int>>?>>
    /// One past the highest slot.
    public let capacity: Int

    private static let chunkSize = 4096

    /// Words for slots `0..<capacity`, all zero. Allocates the directory only.
    public init(capacity: Int) {
        self.capacity = capacity
        let count = (capacity + Self.chunkSize - 1) / Self.chunkSize
        // Never freed: workers hold bare pointers into it, and it lives as long as the process.
        unsafe directory = .allocate(capacity: count)
        for index in 0..<count {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (directory + index).initialize(to: Atomic(nil))
        }
    }

    /// Makes `slot` usable. Called by one thread at a time; other threads may use other slots meanwhile.
    public func reserve(_ slot: Int) {
        precondition(slot >= 0 && slot < capacity, "slot \(slot) of \(capacity)")
        // The index is within the directory because the slot is within the capacity.
        unsafe withChunkEntry(slot) { entry in
            guard unsafe entry.pointee.load(ordering: .relaxed) == nil else { return }
            let chunk = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: Self.chunkSize)
            for index in 0..<Self.chunkSize {
                // In bounds of the allocation above, initialised exactly once.
                unsafe (chunk + index).initialize(to: Atomic(0))
            }
            unsafe entry.pointee.store(chunk, ordering: .releasing)
        }
    }

    /// The word's value.
    public func load(_ slot: Int) -> Int {
        // A chunk holds `chunkSize` initialised words; see `word`.
        guard let word = unsafe word(slot) else { return 0 }
        return unsafe word.pointee.load(ordering: .relaxed)
    }

    /// Replaces the word's value.
    public func store(_ value: Int, at slot: Int) {
        guard let word = unsafe word(slot) else { return }
        unsafe word.pointee.store(value, ordering: .relaxed)
    }

    /// Replaces the word's value if it is `expected`. Returns whether it was.
    public func compareExchange(expected: Int, desired: Int, at slot: Int) -> Bool {
        guard let word = unsafe word(slot) else { return true }
        return unsafe word.pointee.compareExchange(expected: expected, desired: desired, ordering: .relaxed).exchanged
    }

    /// Sets bits and returns the word's value before.
    @discardableResult
    public func set(_ bits: Int, at slot: Int) -> Int {
        guard let word = unsafe word(slot) else { return 0 }
        return unsafe word.pointee.bitwiseOr(bits, ordering: .relaxed).oldValue
    }

    /// Clears bits and returns the word's value before.
    @discardableResult
    public func clear(_ bits: Int, at slot: Int) -> Int {
        guard let word = unsafe word(slot) else { return 0 }
        return unsafe word.pointee.bitwiseAnd(~bits, ordering: .relaxed).oldValue
    }

    /// Adds `delta` and returns the new value.
    @discardableResult
    public func add(_ delta: Int, at slot: Int) -> Int {
        guard let word = unsafe word(slot) else { return 0 }
        return unsafe word.pointee.wrappingAdd(delta, ordering: .relaxed).newValue
    }

    /// Adds `delta`; who sees it by `loadAcquiring` also sees what this thread stored before.
    public func addReleasing(_ delta: Int, at slot: Int) {
        guard let word = unsafe word(slot) else { return }
        unsafe word.pointee.wrappingAdd(delta, ordering: .releasing)
    }

    /// The word's value, and with it everything stored before the `addReleasing` that made it.
    public func loadAcquiring(_ slot: Int) -> Int {
        guard let word = unsafe word(slot) else { return 0 }
        return unsafe word.pointee.load(ordering: .acquiring)
    }

    /// Adds one unless the word has reached `limit`. Returns whether it did. Exact under concurrency: it may refuse
    /// while another thread takes back its own increment, but never exceeds the limit.
    public func take(at slot: Int, limit: Int) -> Bool {
        if add(1, at: slot) <= limit { return true }
        add(-1, at: slot)
        return false
    }

    private func withChunkEntry(
        _ slot: Int, _ body: (UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Atomic<Int>>?>>) -> Void
    ) {
        unsafe body(directory + slot / Self.chunkSize)
    }

    private func word(_ slot: Int) -> UnsafeMutablePointer<Atomic<Int>>? {
        guard slot >= 0, slot < capacity else { return nil }
        // Acquire pairs with the release in `reserve`: the chunk's words are initialised when its address is seen.
        guard let chunk = unsafe directory[slot / Self.chunkSize].load(ordering: .acquiring) else { return nil }
        return unsafe chunk + slot % Self.chunkSize
    }
}
