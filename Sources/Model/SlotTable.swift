/// Gives things that outlive a snapshot (pods, clusters, endpoints, listeners) small stable numbers, so that counters,
/// connection counts and health verdicts survive a reload. A pure value, owned by the snapshot compiler.
///
/// A key that goes and comes back gets its slot again, unless that was given away meanwhile. A slot is given to another
/// key only when no live snapshot names it and nothing is connected through it: a connection may outlive its snapshot
/// and must not be counted for a stranger.
struct SlotTable<Key: Hashable & Sendable>: Sendable {
    private struct Entry {
        let slot: Int
        /// The last generation that named the key; of a retired key, the one from which its slot may be given away.
        var generation: UInt64
        var isRetired = false
    }

    private struct Retirement {
        let key: Key
        /// As in the key's entry; another number there means that the key has come back since.
        let generation: UInt64
    }

    private let capacity: Int
    private var entries: [Key: Entry] = [:]
    /// What was retired, by generation; from `head` on. Some have come back, `retiredCount` have not.
    private var retired: [Retirement] = []
    private var head = 0
    private var retiredCount = 0
    private var next = 0

    init(capacity: Int) { self.capacity = capacity }

    /// The slot of `key`, and whether it meant nothing or something else before; nil when all slots are taken.
    mutating func slot(
        for key: Key, generation: UInt64, oldestGenerationInUse: UInt64, isIdle: (Int) -> Bool
    ) -> (slot: Int, isFresh: Bool)? {
        if let known = entries[key] {
            if known.isRetired { retiredCount -= 1 }
            entries[key] = Entry(slot: known.slot, generation: generation)
            return (known.slot, false)
        }
        guard let slot = takeRetired(oldestGenerationInUse, isIdle) ?? takeNew() else { return nil }
        entries[key] = Entry(slot: slot, generation: generation)
        return (slot, true)
    }

    /// One pass over the queue a generation at most: what is not idle goes to its end, to be asked about again when
    /// the workers are a generation further.
    private mutating func takeRetired(_ oldestGenerationInUse: UInt64, _ isIdle: (Int) -> Bool) -> Int? {
        // Younger ones follow.
        while head < retired.count, retired[head].generation < oldestGenerationInUse {
            let key = retired[head].key
            let isStale = isStale(retired[head])
            head += 1
            guard !isStale, let entry = entries[key] else { continue }
            guard isIdle(entry.slot) else {
                retire(key, entry.slot, oldestGenerationInUse)
                continue
            }
            retiredCount -= 1
            entries[key] = nil
            return entry.slot
        }
        return nil
    }

    private mutating func retire(_ key: Key, _ slot: Int, _ generation: UInt64) {
        entries[key] = Entry(slot: slot, generation: generation, isRetired: true)
        retired.append(Retirement(key: key, generation: generation))
    }

    private func isStale(_ retirement: Retirement) -> Bool {
        guard let entry = entries[retirement.key] else { return true }
        return !entry.isRetired || entry.generation != retirement.generation
    }

    private mutating func takeNew() -> Int? {
        guard next < capacity else { return nil }
        defer { next += 1 }
        return next
    }

    /// Retires the slots of keys that `generation` did not name, and returns them.
    @discardableResult
    mutating func retireUnseen(in generation: UInt64) -> [Int] {
        // In two steps: changing what is walked over would copy all of it.
        var unseen: [(key: Key, entry: Entry)] = []
        for (key, entry) in entries where !entry.isRetired && entry.generation != generation {
            unseen.append((key, entry))
        }
        for (key, entry) in unseen { retire(key, entry.slot, entry.generation) }
        retiredCount += unseen.count
        dropStale()
        return unseen.map(\.entry.slot)
    }

    /// Keys that come and go would make the queue grow for ever.
    private mutating func dropStale() {
        guard retired.count > 2 * retiredCount + 64 else { return }
        retired = retired[head...].filter { !isStale($0) }
        head = 0
    }
}
