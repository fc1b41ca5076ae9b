/// For encoders that write bytes with a cursor of their own, and mend what they have written.
extension OutputBuffer {
    /// The place behind the bytes held, with room for `count` more. What was written there counts after `commit`.
    @unsafe @inlinable public mutating func room(_ count: Int) -> UnsafeMutableRawPointer { unsafe makeRoom(count) }

    /// Makes the next `count` bytes, which were written at `room`, part of those held.
    @inlinable public mutating func commit(_ count: Int) {
        precondition(count >= 0 && count <= size &- end)
        end &+= count
    }

    /// Changes the byte at `index`, which is held.
    @inlinable public mutating func setByte(_ byte: UInt8, at index: Int) {
        precondition(index >= 0 && index < end)
        // In bounds by the line above.
        unsafe storage.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
    }

    /// Makes room for `count` bytes at `index` by moving those from there on. What is there then is to be set.
    public mutating func insertGap(_ count: Int, at index: Int) {
        precondition(count >= 0 && index >= 0 && index <= end)
        let tail = end - index
        // `makeRoom` has returned the start of that many bytes, so both places are in bounds.
        let place = unsafe makeRoom(count) - tail
        unsafe (place + count).copyMemory(from: place, byteCount: tail)
        end += count
    }
}
