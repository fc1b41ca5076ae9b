import Model

/// An open-addressing table from texts to numbers, as plain records. Two keys with one hash are told apart by their text.
struct HashIndex: Sendable {
    struct Entry: Sendable, BitwiseCopyable {
        var hash: UInt64 = 0
        var text = IndexRange.empty
        var scope: Int32 = -1
        var port: UInt16 = 0
        var kind: UInt8 = 0
        /// For domains a host, for paths a range of postings. The place is free while `isUsed` is false.
        var isUsed = false
        var value = IndexRange.empty
    }

    /// The entries as they lie in the table: a power of two places, at most half of them used.
    static func places(_ entries: [Entry]) -> [Entry] {
        guard !entries.isEmpty else { return [] }
        var capacity = 2
        while capacity < 2 * entries.count { capacity *= 2 }
        var places = [Entry](repeating: Entry(), count: capacity)
        for var entry in entries {
            entry.isUsed = true
            var place = Int(truncatingIfNeeded: entry.hash) & (capacity - 1)
            while places[place].isUsed { place = (place + 1) & (capacity - 1) }
            places[place] = entry
        }
        return places
    }
}
