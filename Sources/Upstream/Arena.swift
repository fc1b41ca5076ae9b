/// Blocks of plain values in one array: taken and given back by (place, count), so that what belongs to one cluster can be
/// as long as it needs to be without an allocation of its own, or a reference to count, on the way of a pick.
///
/// Blocks are as long as the power of two that holds them; those given back are taken again. Grows, never shrinks.
struct Arena<Element: BitwiseCopyable & Sendable>: Sendable {
    var values: [Element] = []
    /// By logarithm of the size.
    private var free: [[Int32]] = []

    /// A block of `count` values, all `value`. A block of none lies at 0.
    mutating func take(_ count: Int, _ value: Element) -> Int32 {
        guard count > 0 else { return 0 }
        let size = Self.sizeClass(count)
        if size < free.count, let place = free[size].popLast() {
            for offset in 0..<count { values[Int(place) + offset] = value }
            return place
        }
        let place = Int32(values.count)
        values += repeatElement(value, count: 1 << size)
        return place
    }

    /// Gives back a block that was taken with this count.
    mutating func giveBack(_ place: Int32, _ count: Int) {
        guard count > 0 else { return }
        let size = Self.sizeClass(count)
        while free.count <= size { free.append([]) }
        free[size].append(place)
    }

    private static func sizeClass(_ count: Int) -> Int { Int.bitWidth - (count - 1).leadingZeroBitCount }
}
