import Synchronization

/// One worker's counters of one kind of thing (pods, clusters, ...): a block of `width` numbers for each slot.
///
/// Single writer (the worker), any readers (the admin thread sums over workers). An increment is a relaxed load and
/// store, never a locked instruction. Chunks of blocks are allocated on first use and never freed.
@safe public struct CounterTable: Counters, @unchecked Sendable {
    // Sound to share: entries are atomic, chunks are never freed, and each number has one writer.
    private let directory: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Atomic<Int>>?>>
    private let chunkCount: Int
    /// Numbers in a block.
    public let width: Int

    private static let chunkSize = 64

    /// Counters for slots `0..<capacity`; allocates the directory only.
    public init(capacity: Int, width: Int) {
        self.width = width
        chunkCount = (capacity + Self.chunkSize - 1) / Self.chunkSize
        // Never freed: lives as long as the process, like the worker that writes it.
        unsafe directory = .allocate(capacity: chunkCount)
        for index in 0..<chunkCount {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (directory + index).initialize(to: Atomic(nil))
        }
    }

    /// Adds to one number. Only the owning worker calls this. Slots out of range are ignored.
    public func add(_ delta: Int, slot: Int, counter: Int) {
        guard counter < width, let block = unsafe blockForWriting(slot) else { return }
        // In bounds: a block has `width` numbers. Single writer, so load + store loses nothing.
        let number = unsafe block + counter
        unsafe number.pointee.store(number.pointee.load(ordering: .relaxed) &+ delta, ordering: .relaxed)
    }

    /// Replaces one number. Only the owning worker calls this.
    public func set(_ value: Int, slot: Int, counter: Int) {
        guard counter < width, let block = unsafe blockForWriting(slot) else { return }
        // In bounds: a block has `width` numbers.
        unsafe (block + counter).pointee.store(value, ordering: .relaxed)
    }

    /// One number. Any thread.
    public func value(slot: Int, counter: Int) -> Int {
        guard slot >= 0, slot < chunkCount * Self.chunkSize, counter < width,
            let chunk = unsafe directory[slot / Self.chunkSize].load(ordering: .acquiring)
        else { return 0 }
        // In bounds: a chunk has `chunkSize` blocks of `width` numbers.
        return unsafe chunk[slot % Self.chunkSize * width + counter].load(ordering: .relaxed)
    }

    /// Whether anything may have been counted for the slot.
    public func hasBlock(_ slot: Int) -> Bool {
        guard slot >= 0, slot < chunkCount * Self.chunkSize else { return false }
        // In bounds by the line above.
        return unsafe directory[slot / Self.chunkSize].load(ordering: .acquiring) != nil
    }

    /// Sets a block to zero: its slot has been given to another thing. Called while the owning worker knows neither the
    /// old thing nor the new one, and so does not write.
    public func clear(slot: Int) {
        for counter in 0..<width {
            let current = value(slot: slot, counter: counter)
            if current != 0 { add(-current, slot: slot, counter: counter) }
        }
    }

    @inline(__always) func blockForWriting(_ slot: Int) -> UnsafeMutablePointer<Atomic<Int>>? {
        // Unsigned: a shift and a mask instead of a signed division, on the path of every message.
        let (chunkIndex, place) = UInt(bitPattern: slot).quotientAndRemainder(dividingBy: UInt(Self.chunkSize))
        guard chunkIndex < UInt(bitPattern: chunkCount) else { return nil }
        let entry = unsafe directory + Int(bitPattern: chunkIndex)
        let offset = Int(bitPattern: place) * width
        if let chunk = unsafe entry.pointee.load(ordering: .relaxed) { return unsafe chunk + offset }
        return unsafe addChunk(entry) + offset
    }

    /// Once in 64 slots.
    @inline(never) private func addChunk(
        _ entry: UnsafeMutablePointer<Atomic<UnsafeMutablePointer<Atomic<Int>>?>>
    ) -> UnsafeMutablePointer<Atomic<Int>> {
        let chunk = UnsafeMutablePointer<Atomic<Int>>.allocate(capacity: Self.chunkSize * width)
        for index in 0..<Self.chunkSize * width {
            // In bounds of the allocation above, initialised exactly once.
            unsafe (chunk + index).initialize(to: Atomic(0))
        }
        // Release pairs with the acquire in `value`.
        unsafe entry.pointee.store(chunk, ordering: .releasing)
        return unsafe chunk
    }
}
