import Synchronization

/// One block of a `CounterTable`, found once for all: for a worker's own counters, of which it changes eight a request.
///
/// As with the table, the worker alone writes; the block lives as long as the process.
@safe public struct CounterBlock: BitwiseCopyable, @unchecked Sendable {
    // Sound to share: numbers are atomic and never freed, and each has one writer.
    @usableFromInline let numbers: UnsafeMutablePointer<Atomic<Int>>
    /// Numbers in it.
    public let width: Int

    init(_ numbers: UnsafeMutablePointer<Atomic<Int>>, width: Int) {
        unsafe self.numbers = numbers
        self.width = width
    }

    /// One number.
    @inlinable @inline(__always) public func value(_ counter: Int) -> Int {
        guard UInt(bitPattern: counter) < UInt(bitPattern: width) else { return 0 }
        // In bounds by the line above.
        return unsafe numbers[counter].load(ordering: .relaxed)
    }

    /// Adds to one number. Those out of range are ignored.
    @inlinable @inline(__always) public func add(_ delta: Int, _ counter: Int) {
        guard UInt(bitPattern: counter) < UInt(bitPattern: width) else { return }
        // In bounds by the line above. Single writer, so load + store loses nothing.
        unsafe numbers[counter].store(numbers[counter].load(ordering: .relaxed) &+ delta, ordering: .relaxed)
    }

    /// Replaces one number. Those out of range are ignored.
    @inlinable @inline(__always) public func set(_ value: Int, _ counter: Int) {
        guard UInt(bitPattern: counter) < UInt(bitPattern: width) else { return }
        // In bounds by the line above.
        unsafe numbers[counter].store(value, ordering: .relaxed)
    }
}

extension CounterTable {
    /// The block of a slot, for its worker. A slot out of range is a programming error and stops the process.
    public func block(slot: Int) -> CounterBlock {
        guard let block = unsafe blockForWriting(slot) else { preconditionFailure("slot \(slot) has no counters") }
        return unsafe CounterBlock(block, width: width)
    }
}
