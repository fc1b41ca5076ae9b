import Synchronization

/// Counters by slot that may be read without knowing which table keeps them.
public protocol Counters: Sendable {
    /// One number; 0 where nothing was ever counted. Any thread.
    func value(slot: Int, counter: Int) -> Int
    /// Adds to one number. Only the owning worker calls this.
    func add(_ delta: Int, slot: Int, counter: Int)
    /// Whether anything may have been counted for the slot.
    func hasBlock(_ slot: Int) -> Bool
}

/// One worker's counters of things of which most are never used: as `CounterTable`, but each slot's block is allocated by
/// itself, when something is first counted for it. 100 busy clusters of 10,000 cost 100 blocks.
///
/// Single writer, any readers; blocks live as long as the process.
@safe public struct SparseCounterTable: Counters, @unchecked Sendable {
    typealias Number = UnsafeMutablePointer<Atomic<Int>>
    private typealias Leaf = UnsafeMutablePointer<Atomic<Number?>>

    // Sound to share: entries are atomic, leaves and blocks are never freed, and each number has one writer.
    private let directory: UnsafeMutablePointer<Atomic<Leaf?>>
    private let capacity: Int
    /// Numbers in a block.
    public let width: Int

    /// Slots under one entry of the directory.
    private static var leafSize: Int { 64 }

    /// Counters for slots `0..<capacity`; allocates the directory only.
    public init(capacity: Int, width: Int) {
        self.capacity = capacity
        self.width = width
        let count = (capacity + Self.leafSize - 1) / Self.leafSize
        // Never freed: lives as long as the process, like the worker that writes it.
        unsafe directory = .allocate(capacity: count)
        for index in 0..<count {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (directory + index).initialize(to: Atomic(nil))
        }
    }

    /// See `Counters`. Slots out of range are ignored.
    public func add(_ delta: Int, slot: Int, counter: Int) {
        guard counter < width, let block = unsafe blockForWriting(slot) else { return }
        // In bounds: a block has `width` numbers.
        unsafe Self.add(delta, block, counter)
    }

    /// See `Counters`.
    public func value(slot: Int, counter: Int) -> Int {
        guard counter < width, let block = unsafe block(slot) else { return 0 }
        // In bounds: a block has `width` numbers.
        return unsafe (block + counter).pointee.load(ordering: .relaxed)
    }

    /// See `Counters`.
    public func hasBlock(_ slot: Int) -> Bool { unsafe block(slot) != nil }

    /// Sets a block to zero: its slot has been given to another thing. Called while the owning worker knows neither the
    /// old thing nor the new one, and so does not write.
    public func clear(slot: Int) {
        guard let block = unsafe block(slot) else { return }
        for counter in 0..<width {
            // In bounds: a block has `width` numbers.
            unsafe (block + counter).pointee.store(0, ordering: .relaxed)
        }
    }

    /// Single writer, so load + store loses nothing. The caller has checked that `counter` is below the width.
    @inline(__always)
    static func add(_ delta: Int, _ block: Number, _ counter: Int) {
        let number = unsafe block + counter
        unsafe number.pointee.store(number.pointee.load(ordering: .relaxed) &+ delta, ordering: .relaxed)
    }

    private func block(_ slot: Int) -> Number? {
        guard slot >= 0, slot < capacity,
            let leaf = unsafe directory[slot / Self.leafSize].load(ordering: .acquiring)
        else { return nil }
        // In bounds: a leaf has `leafSize` entries.
        return unsafe leaf[slot % Self.leafSize].load(ordering: .acquiring)
    }

    /// The slot's block, allocated if need be; nil for a slot out of range.
    func blockForWriting(_ slot: Int) -> Number? {
        // Unsigned: a shift and a mask instead of a signed division, at each request.
        let (entry, place) = UInt(bitPattern: slot).quotientAndRemainder(dividingBy: UInt(Self.leafSize))
        guard UInt(bitPattern: slot) < UInt(bitPattern: capacity) else { return nil }
        // In bounds: the slot is below the capacity, and a leaf has `leafSize` entries.
        if let leaf = unsafe directory[Int(bitPattern: entry)].load(ordering: .relaxed),
            let block = unsafe leaf[Int(bitPattern: place)].load(ordering: .relaxed)
        {
            return unsafe block
        }
        return unsafe allocate(Int(bitPattern: entry), Int(bitPattern: place))
    }

    @inline(never)
    private func allocate(_ entry: Int, _ place: Int) -> Number {
        let leaf: Leaf
        if let known = unsafe directory[entry].load(ordering: .relaxed) {
            unsafe leaf = known
        } else {
            unsafe leaf = .allocate(capacity: Self.leafSize)
            for index in 0..<Self.leafSize {
                // In bounds of the allocation above, initialised exactly once.
                unsafe (leaf + index).initialize(to: Atomic(nil))
            }
            // Release pairs with the acquire in `block`.
            unsafe directory[entry].store(leaf, ordering: .releasing)
        }
        let block = Number.allocate(capacity: width)
        for index in 0..<width {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (block + index).initialize(to: Atomic(0))
        }
        unsafe leaf[place].store(block, ordering: .releasing)
        return unsafe block
    }
}
