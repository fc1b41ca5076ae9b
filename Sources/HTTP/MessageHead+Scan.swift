/// Bytes of the input on their way into the block: looked at sixteen at a time.
extension MessageHead {
    /// Copies what begins at `start` of `input` to `place`, up to the first byte that ends it, and says how many bytes those
    /// are. `ends` finds them; zero must be one, because zeros follow the input's end. Behind `place` and the bytes copied there
    /// is room for slack.
    @inline(__always) mutating func copy(
        _ input: Span<UInt8>, from start: Int, to place: Int, _ ends: (Lanes) -> Lanes.Mask
    ) -> Int {
        var done = 0
        while true {
            let lanes = input.lanes(at: start &+ done)
            reserve(upTo: place &+ done &+ MemoryLayout<Lanes>.size)
            putLanes(lanes, at: place &+ done)
            let found = ends(lanes)
            if !found.isEmpty { return done &+ found.first }
            done &+= MemoryLayout<Lanes>.size
        }
    }

    /// Copies up to `count` bytes from `start` of `input` on to `place`, and puts zeros behind them, at which every scan ends.
    /// The place behind the bytes.
    mutating func take(_ input: Span<UInt8>, from start: Int, count: Int, to place: Int) -> Int {
        let piece = input.extracting(start..<min(start + count, input.count))
        reserve(upTo: place + piece.count)
        // Room for the piece, and slack behind it for the zeros.
        unsafe piece.withUnsafeBytes { bytes in
            if let source = bytes.baseAddress { unsafe (base + place).copyMemory(from: source, byteCount: bytes.count) }
        }
        putLanes(Lanes(repeating: 0), at: place + piece.count)
        return place + piece.count
    }

    /// Sixteen bytes from `place` on, which is within what was taken, or at the zeros behind it.
    @inline(__always) func lanes(at place: Int) -> Lanes {
        assert(place >= 0 && place + MemoryLayout<Lanes>.size <= blockSize)
        // In bounds: slack, which is larger than this, follows everything that was taken.
        return unsafe base.loadUnaligned(fromByteOffset: place, as: Lanes.self)
    }

    /// Writes sixteen bytes at `place`, for which there is room.
    @inline(__always) mutating func putLanes(_ lanes: Lanes, at place: Int) {
        assert(place >= 0 && place + MemoryLayout<Lanes>.size <= blockSize)
        // In bounds: whoever took or reserved what is at `place` has seen to slack behind it.
        unsafe base.storeBytes(of: lanes, toByteOffset: place, as: Lanes.self)
    }

    /// The byte at `place`, as in `lanes(at:)`.
    @inline(__always) func taken(_ place: Int) -> UInt8 {
        assert(place >= 0 && place < blockSize)
        // In bounds, as above.
        return unsafe base.load(fromByteOffset: place, as: UInt8.self)
    }

    /// Whether CR and LF are at `place`, as in `lanes(at:)`.
    @inline(__always) func isLineEnd(at place: Int) -> Bool {
        assert(place >= 0 && place + 2 <= blockSize)
        // In bounds, as above.
        return unsafe UInt16(littleEndian: base.loadUnaligned(fromByteOffset: place, as: UInt16.self)) == 0x0a0d
    }

    /// The key of a name that lies in the block.
    func key(_ name: ByteRange) -> HeaderNameTable.Key { HeaderNameTable.Key(bytes(name)) }
}
