/// Gives things that outlive a snapshot (pods, clusters, endpoints, listeners) small stable numbers, so that counters,
/// connection counts and health verdicts survive a reload. A pure value, owned by the snapshot compiler.
///
/// A slot is reused only when no live snapshot names it and nothing is connected through it: a connection may outlive
/// its snapshot and must not be counted for a stranger.
struct SlotTable<Key: Hashable & Sendable>: Sendable {
    private struct Retired {
        let slot: Int
        /// The last generation that named the slot.
        let generation: UInt64
    }

    private let capacity: Int
    private var slots: [Key: Int] = [:]
    private var lastSeen: [Key: UInt64] = [:]
    private var retired: [Retired] = []
    private var next = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The slot of `key`, and whether it is new in this generation; nil when all slots are taken.
    mutating func slot(
        for key: Key, generation: UInt64, oldestGenerationInUse: UInt64, isIdle: (Int) -> Bool
    ) -> (slot: Int, isFresh: Bool)? {
        lastSeen[key] = generation
        if let known = slots[key] { return (known, false) }
        if let position = retired.firstIndex(where: { $0.generation < oldestGenerationInUse && isIdle($0.slot) }) {
            let slot = retired.remove(at: position).slot
            slots[key] = slot
            return (slot, true)
        }
        guard next < capacity else { return nil }
        defer { next += 1 }
        slots[key] = next
        return (next, true)
    }

    /// Retires the slots of keys that `generation` did not name.
    mutating func retireUnseen(in generation: UInt64) {
        for (key, seen) in lastSeen where seen != generation {
            if let slot = slots.removeValue(forKey: key) { retired.append(Retired(slot: slot, generation: seen)) }
            lastSeen.removeValue(forKey: key)
        }
    }
}
