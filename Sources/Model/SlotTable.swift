/// Gives things that outlive a snapshot (pods, clusters, endpoints, listeners) small stable numbers, so that counters,
/// connection counts and health verdicts survive a reload. A pure value, owned by the snapshot compiler.
///
/// A key that goes and comes back gets its slot again, unless that was given away meanwhile. A slot is given to another
/// key only when no live snapshot names it and nothing is connected through it: a connection may outlive its snapshot
/// and must not be counted for a stranger.
struct SlotTable<Key: Hashable & Sendable>: Sendable {
    private struct Entry {
        let slot: Int
        /// The last generation that named the key.
        var generation: UInt64
        var isRetired = false
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// Keys that are retired, oldest first.
    private var retired: [Key] = []
    private var next = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The slot of `key`, and whether it meant nothing or something else before; nil when all slots are taken.
    mutating func slot(
        for key: Key, generation: UInt64, oldestGenerationInUse: UInt64, isIdle: (Int) -> Bool
    ) -> (slot: Int, isFresh: Bool)? {
        if let known = entries[key] {
            // Rare: a few things come back in one reload.
            if known.isRetired { retired.removeAll { $0 == key } }
            entries[key] = Entry(slot: known.slot, generation: generation)
            return (known.slot, false)
        }
        guard let slot = takeRetired(oldestGenerationInUse, isIdle) ?? takeNew() else { return nil }
        entries[key] = Entry(slot: slot, generation: generation)
        return (slot, true)
    }

    private mutating func takeRetired(_ oldestGenerationInUse: UInt64, _ isIdle: (Int) -> Bool) -> Int? {
        for (position, key) in retired.enumerated() {
            // Younger ones follow.
            guard let entry = entries[key], entry.generation < oldestGenerationInUse else { return nil }
            guard isIdle(entry.slot) else { continue }
            retired.remove(at: position)
            entries[key] = nil
            return entry.slot
        }
        return nil
    }

    private mutating func takeNew() -> Int? {
        guard next < capacity else { return nil }
        defer { next += 1 }
        return next
    }

    /// Retires the slots of keys that `generation` did not name, and returns them.
    @discardableResult
    mutating func retireUnseen(in generation: UInt64) -> [Int] {
        var slots: [Int] = []
        for (key, entry) in entries where !entry.isRetired && entry.generation != generation {
            entries[key]?.isRetired = true
            retired.append(key)
            slots.append(entry.slot)
        }
        return slots
    }
}
