/// Copies bytes of the input into the block while they are looked at, sixteen at a time.
extension MessageHead {
    /// Copies what begins at `start` of `input` to `place`, up to the first byte that ends it, and says how many bytes those
    /// are. `classify` gives the bytes to keep and those that end; zero must, because zeros follow the input's end. Behind
    /// `place` and the bytes copied there is room for slack.
    @inline(__always) mutating func copy(
        _ input: Span<UInt8>, from start: Int, to place: Int, _ classify: (Lanes) -> (kept: Lanes, ends: Lanes.Mask)
    ) -> Int {
        let size = MemoryLayout<Lanes>.size
        var done = 0
        while true {
            // So far all sixteen can be read, and written.
            let lanesEnd = min(input.count &- start, blockSize &- Self.slack &- place) &- size
            while done <= lanesEnd {
                // In bounds by the line above, on both sides; any bits are bytes.
                let lanes = unsafe input.bytes.unsafeLoadUnaligned(
                    fromUncheckedByteOffset: start &+ done, as: Lanes.self)
                let (kept, ends) = classify(lanes)
                unsafe base.storeBytes(of: kept, toByteOffset: place &+ done, as: Lanes.self)
                let first = ends.first
                done &+= first
                if first < size { return done }
            }
            reserve(upTo: place &+ done &+ size)
            let (kept, ends) = classify(input.lanes(at: start &+ done))
            // In bounds by the line before.
            unsafe base.storeBytes(of: kept, toByteOffset: place &+ done, as: Lanes.self)
            let first = ends.first
            done &+= first
            if first < size { return done }
        }
    }

    /// The key of a name that lies in the block, or was written behind its end.
    @inline(__always) func key(_ name: ByteRange) -> HeaderNameTable.Key {
        let count = Int(name.count)
        let start = name.lowerBound
        guard count <= HeaderNameTable.nameLengthMax && count > 0 else { return .init() }
        var key = HeaderNameTable.Key()
        key.count = count
        key.first = load(start) & UInt64.max &>> UInt64(truncatingIfNeeded: 64 &- 8 &* min(count, 8))
        if count > 16 { key.middle = load(start &+ 8) }
        if count > 8 { key.last = load(start &+ count &- 8) }
        return key
    }

    /// Eight bytes of the block from `place` on.
    @inline(__always) private func load(_ place: Int) -> UInt64 {
        precondition(place >= 0 && place &+ 8 <= blockSize)
        // In bounds by the line above.
        return unsafe UInt64(littleEndian: base.loadUnaligned(fromByteOffset: place, as: UInt64.self))
    }
}
