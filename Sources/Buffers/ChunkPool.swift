/// One worker's free chunks, by size class: 4 KiB, 8 KiB, ... 256 KiB. Not shared.
///
/// A connection takes a chunk only while its reader is slow, of the size of what is left over, and gives it back when
/// that is sent: an idle connection owns none, and steady state allocates nothing.
@safe public struct ChunkPool: ~Copyable {
    /// The smallest chunk.
    public static let sizeMin = 4 << 10
    /// The largest chunk that is kept: as large as the largest read.
    public static let sizeMax = 256 << 10
    private static let classCount = 7

    private var free: [[UnsafeMutableRawBufferPointer]]
    private var freeBytes = 0
    private let freeBytesMax: Int

    /// A pool that keeps up to `freeBytesMax` bytes for later.
    public init(freeBytesMax: Int = 4 << 20) {
        self.freeBytesMax = freeBytesMax
        unsafe free = Array(repeating: [], count: Self.classCount)
    }

    deinit {
        // The memory is owned by the pool alone.
        unsafe free.joined().forEach { unsafe $0.deallocate() }
    }

    /// An empty chunk with room for `count` bytes. More than `sizeMax` (a message that grew on its way) is allocated for
    /// the purpose and never kept.
    public mutating func take(_ count: Int) -> Chunk {
        guard count <= Self.sizeMax else {
            return unsafe Chunk(storage: .allocate(byteCount: count, alignment: 64), sizeClass: Self.classCount)
        }
        let pages = (max(count, Self.sizeMin) + Self.sizeMin - 1) / Self.sizeMin
        let sizeClass = pages == 1 ? 0 : Int.bitWidth - (pages - 1).leadingZeroBitCount
        // The lists hold memory owned by the pool alone; popping hands it to the chunk.
        if let storage = unsafe free[sizeClass].popLast() {
            freeBytes -= storage.count
            return unsafe Chunk(storage: storage, sizeClass: sizeClass)
        }
        let size = Self.sizeMin << sizeClass
        return unsafe Chunk(storage: .allocate(byteCount: size, alignment: 64), sizeClass: sizeClass)
    }

    /// Takes a chunk back.
    public mutating func give(_ chunk: consuming Chunk) {
        // Past the bound the chunk's own deinit frees it.
        guard chunk.sizeClass < Self.classCount, freeBytes + chunk.capacity <= freeBytesMax else { return }
        freeBytes += chunk.capacity
        let sizeClass = chunk.sizeClass
        // Ownership goes from the chunk to the list.
        unsafe free[sizeClass].append(chunk.release())
    }
}
