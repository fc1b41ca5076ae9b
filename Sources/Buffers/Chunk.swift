/// A piece of memory that holds bytes a slow reader has not taken yet: `storage[start..<end]`.
///
/// Owned: frees its memory when it goes, unless it is given back to the pool it came from.
@safe public struct Chunk: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of the memory.
    let storage: UnsafeMutableRawBufferPointer
    let sizeClass: Int
    private var start = 0
    private var end = 0

    init(storage: UnsafeMutableRawBufferPointer, sizeClass: Int) {
        unsafe self.storage = unsafe storage
        self.sizeClass = sizeClass
    }

    /// A chunk of its own, with a copy of `bytes`, at most `ChunkPool.sizeMax`.
    public init(copying bytes: ArraySlice<UInt8>) {
        var pool = ChunkPool()
        self = pool.take(bytes.count)
        // The array's storage lives for the call.
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    deinit {
        // Allocated by the pool, owned by this value alone.
        unsafe storage.deallocate()
    }

    /// The memory it takes, whatever it holds.
    public var capacity: Int { unsafe storage.count }
    /// Bytes that still fit behind what it holds.
    public var room: Int { capacity - end }
    /// Bytes held.
    public var count: Int { end - start }
    /// Whether it holds none.
    public var isEmpty: Bool { start == end }

    /// Appends a copy of `bytes`, which must fit behind what it holds.
    public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        precondition(unsafe bytes.count <= storage.count - end, "a chunk is taken for the bytes it is to hold")
        // In bounds by the line above.
        unsafe UnsafeMutableRawBufferPointer(rebasing: storage[end...]).copyMemory(from: bytes)
        end += bytes.count
    }

    /// Lends the bytes held to `body`, which does not keep the pointer.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        unsafe body(UnsafeRawBufferPointer(rebasing: storage[start..<end]))
    }

    /// Drops the first `count` bytes.
    public mutating func consume(_ count: Int) {
        precondition(count >= 0 && count <= end - start)
        start += count
    }

    /// Gives the memory away, to the pool.
    consuming func release() -> UnsafeMutableRawBufferPointer {
        let storage = unsafe storage
        discard self
        return unsafe storage
    }
}
