import Testing

@testable import Buffers

@Suite struct ChunkPoolTests {
    @Test(arguments: [
        (0, 4096), (1, 4096), (4096, 4096), (4097, 8192), (8192, 8192), (8193, 16384), (65536, 65536),
        (131_073, 262_144), (262_144, 262_144),
    ])
    func aChunkHasRoomForWhatIsAskedFor(count: Int, capacity: Int) {
        var pool = ChunkPool()
        let chunk = pool.take(count)
        let (size, isEmpty) = (chunk.capacity, chunk.isEmpty)
        #expect(size == capacity && isEmpty)
    }

    @Test func everySizeFits() {
        var pool = ChunkPool()
        for count in stride(from: 0, through: ChunkPool.sizeMax, by: 1009) {
            let chunk = pool.take(count)
            let (capacity, isTight) = (chunk.capacity, chunk.capacity < 2 * max(count, ChunkPool.sizeMin))
            #expect(capacity >= count && isTight, "\(count): \(capacity)")
            pool.give(chunk)
        }
    }

    @Test func chunksAreUsedAgainAndStartEmpty() {
        var pool = ChunkPool()
        var chunk = pool.take(5000)
        let bytes = (0..<5000).map { UInt8(truncatingIfNeeded: $0) }
        // Sound: the array outlives the closure, which only copies.
        unsafe bytes.withUnsafeBytes { unsafe chunk.append($0) }
        let first = unsafe chunk.withBytes { unsafe $0.baseAddress.map { Int(bitPattern: $0) } }
        chunk.consume(1000)
        let rest = unsafe chunk.withBytes { unsafe Array($0) }
        #expect(rest == Array(bytes[1000...]))
        pool.give(chunk)
        let again = pool.take(6000)
        let (second, count) = (
            unsafe again.withBytes { unsafe $0.baseAddress.map { Int(bitPattern: $0) } }, again.count
        )
        #expect(second == first && count == 0)
    }

    @Test func whatIsKeptIsBounded() {
        var pool = ChunkPool(freeBytesMax: 3 * 4096)
        var addresses: Set<Int> = []
        // Four at once, of which three are kept.
        let a = pool.take(1)
        let b = pool.take(1)
        let c = pool.take(1)
        let d = pool.take(1)
        for address in [Self.address(a), Self.address(b), Self.address(c)] { addresses.insert(address) }
        pool.give(a)
        pool.give(b)
        pool.give(c)
        pool.give(d)
        let e = pool.take(1)
        let f = pool.take(1)
        let g = pool.take(1)
        #expect([Self.address(e), Self.address(f), Self.address(g)].allSatisfy(addresses.contains))
    }

    private static func address(_ chunk: borrowing Chunk) -> Int {
        // Sound: only the number leaves.
        unsafe chunk.withBytes { unsafe $0.baseAddress.map { Int(bitPattern: $0) } ?? 0 }
    }
}
