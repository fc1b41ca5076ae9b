/// Ports that clashed, in the order in which they may be tried again. A ring of bounded size: all wait equally long,
/// so the order of arrival is the order of expiry.
struct ClashQueue: Sendable {
    private struct Entry: Sendable {
        let lease: SourcePortLease
        let until: Int64
    }

    private var entries: [Entry] = []
    private var head = 0
    private var count = 0

    /// More clashes than this within a second, and the oldest may be tried again early.
    static let capacity = 16384

    /// Adds one. Returns the oldest when there was no room for both.
    mutating func append(_ lease: SourcePortLease, until: Int64) -> SourcePortLease? {
        let entry = Entry(lease: lease, until: until)
        if count == entries.count, count < Self.capacity { grow(entry) }
        guard count < entries.count else {
            let oldest = entries[head].lease
            entries[head] = entry
            head = (head + 1) % count
            return oldest
        }
        entries[(head + count) % entries.count] = entry
        count += 1
        return nil
    }

    /// Doubles a full ring, unrolling it; `filler` only fills places.
    private mutating func grow(_ filler: Entry) {
        let inOrder = (0..<count).map { entries[(head + $0) % count] }
        entries = inOrder + Array(repeating: filler, count: min(max(count, 16), Self.capacity - count))
        head = 0
    }

    /// The oldest if its time has come.
    mutating func popExpired(_ now: Int64) -> SourcePortLease? {
        guard count > 0, entries[head].until <= now else { return nil }
        let lease = entries[head].lease
        head = (head + 1) % entries.count
        count -= 1
        return lease
    }
}
