import Model

/// The ports in use between one source address and one destination: up to four in place, more in a bitmap.
struct SourcePortTuple: Sendable, BitwiseCopyable {
    /// What it is about, with its hash: dictionaries hash one word instead of five.
    struct Key: Hashable, Sendable, BitwiseCopyable {
        let source: IPAddress
        let destination: SocketAddress
        /// Keyed: clients choose destinations, and must not be able to choose collisions.
        let hash: UInt64

        init(_ source: IPAddress, _ destination: SocketAddress, key: UInt64) {
            self.source = source
            self.destination = destination
            hash = StableHash.combine(
                StableHash.combine(key ^ StableHash.of(source), destination.address.high ^ key),
                StableHash.combine(key &+ destination.address.low, UInt64(destination.port)))
        }

        func hash(into hasher: inout Hasher) { hasher.combine(hash) }
    }

    let key: Key
    /// Ports in use.
    private(set) var count = 0
    private var inline: SIMD4<UInt16> = SIMD4(repeating: .max)
    /// A block of `PortBitmaps`; -1: the ports are in `inline`.
    private var bitmap: Int32 = -1

    private static let inlineMax = 4
    /// Going back at half the size keeps a pair that sways around four ports from being converted each time.
    private static let inlineAgain = 2

    init(_ key: Key) { self.key = key }

    /// The first place of `range` that is not in use, from `start` on and around.
    func freePlace(in range: Range<Int>, from start: Int, _ bitmaps: PortBitmaps) -> Int? {
        if bitmap >= 0 {
            return bitmaps.firstClear(bitmap, in: start..<range.upperBound)
                ?? bitmaps.firstClear(bitmap, in: range.lowerBound..<start)
        }
        var place = start
        // At most `count` places are in use, so one of the next `count` + 1 is free, or all of a small range are used.
        for _ in 0..<min(count + 1, range.count) {
            if !isInline(place) { return place }
            place = place + 1 == range.upperBound ? range.lowerBound : place + 1
        }
        return nil
    }

    private func isInline(_ place: Int) -> Bool {
        for slot in 0..<count where Int(inline[slot]) == place { return true }
        return false
    }

    mutating func insert(_ place: UInt16, _ bitmaps: inout PortBitmaps) {
        if bitmap < 0, count < Self.inlineMax {
            inline[count] = place
        } else {
            if bitmap < 0 {
                bitmap = bitmaps.allocate()
                for slot in 0..<count { bitmaps.set(bitmap, Int(inline[slot])) }
            }
            bitmaps.set(bitmap, Int(place))
        }
        count += 1
    }

    /// Takes out a place. False when it is not in use.
    mutating func remove(_ place: UInt16, _ bitmaps: inout PortBitmaps) -> Bool {
        if bitmap >= 0 {
            guard bitmaps.clear(bitmap, Int(place)) else { return false }
            count -= 1
            if count <= Self.inlineAgain { shrink(&bitmaps) }
            return true
        }
        for slot in 0..<count where inline[slot] == place {
            inline[slot] = inline[count - 1]
            count -= 1
            return true
        }
        return false
    }

    private mutating func shrink(_ bitmaps: inout PortBitmaps) {
        var from = 0
        for slot in 0..<count {
            guard let place = bitmaps.firstSet(bitmap, from: from) else { break }
            inline[slot] = UInt16(place)
            from = place + 1
        }
        bitmaps.free(bitmap)
        bitmap = -1
    }
}
