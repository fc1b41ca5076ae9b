import Model

/// A hierarchical timer wheel: O(1) to set and to cancel, ticks of 4 ms, up to 49 days ahead. One payload a timer.
///
/// A pure value: time is passed in. Fires never early, and late by a tick at most (as far as it is asked in time).
public struct TimerWheel: ~Copyable {
    /// A set timer; good until it fires or is cancelled.
    public struct Timer: Sendable, BitwiseCopyable, Equatable {
        let node: Int32
        /// No timer.
        public static let none = Timer(node: -1)
    }

    struct Node: BitwiseCopyable {
        var deadline: Int64
        var payload: UInt64
        /// Neighbours in the slot's list, or the next free node.
        var next: Int32
        var previous: Int32
        /// level * 64 + slot; -1: free.
        var bucket: Int32
    }

    private static let tickNanoseconds: Int64 = 4_000_000
    private static let slotBits: Int64 = 6
    private static let levels = 5

    private var nodes = RecordList<Node>()
    private var freeNode: Int32 = -1
    private var heads: RecordList<Int32>
    /// By level: a bit for each slot that is not empty.
    private var occupied: RecordList<UInt64>
    /// All ticks up to and including this one have fired.
    private var current: Int64
    /// The tick `delay` has found last; nil: it has to be looked for.
    private var soonest: Int64?

    /// An empty wheel at `now` (nanoseconds, monotonic).
    public init(now: Int64) {
        heads = RecordList(repeating: -1, count: 64 * Self.levels)
        occupied = RecordList(repeating: 0, count: Self.levels)
        current = now / Self.tickNanoseconds
    }

    /// Sets a timer for `deadline` (nanoseconds, monotonic); one in the past fires at the next tick.
    public mutating func set(_ deadline: Int64, payload: UInt64) -> Timer {
        let node = takeNode()
        let tick = max(current + 1, (max(0, deadline) - 1) / Self.tickNanoseconds + 1)
        nodes[Int(node)] = Node(deadline: tick, payload: payload, next: -1, previous: -1, bucket: -1)
        link(node)
        return Timer(node: node)
    }

    /// Takes a timer back. `none` and a fired timer that was replaced by `none` are fine.
    public mutating func cancel(_ timer: Timer) {
        guard timer != .none, nodes[Int(timer.node)].bucket >= 0 else { return }
        unlink(timer.node)
        release(timer.node)
    }

    /// Nanoseconds from `now` to when `expire` should be called next; nil: no timer is set. May be early for far
    /// timers (it is then the time to bring them nearer), never late.
    public mutating func delay(from now: Int64) -> Int64? {
        let tick = soonest ?? soonestTick()
        soonest = tick
        return tick == .max ? nil : max(0, tick * Self.tickNanoseconds - now)
    }

    /// When some slot is due; `max`: no timer is set.
    private func soonestTick() -> Int64 {
        var best = Int64.max
        for level in 0..<Self.levels where occupied[level] != 0 {
            let shift = Int64(level) * Self.slotBits
            let position = current >> shift
            let start = position & 63
            let rotated = rotateRight(occupied[level], by: start)
            // The current slot of a higher level is served when the level below has wrapped: a full turn away.
            let waiting = level == 0 ? rotated : rotated & ~1
            let tick = (position + Int64(waiting.trailingZeroBitCount)) << shift
            best = min(best, tick)
        }
        return best
    }

    /// Moves the wheel to `now` and hands out the payloads that are due, one a call; nil when there are no more.
    public mutating func expire(_ now: Int64) -> UInt64? {
        let target = now / Self.tickNanoseconds
        while true {
            let slot = Int(current & 63)
            let head = heads[slot]
            if head >= 0, nodes[Int(head)].deadline <= current {
                let payload = nodes[Int(head)].payload
                unlink(head)
                release(head)
                return payload
            }
            guard current < target else { return nil }
            advance(towards: target)
        }
    }

    /// One tick on, or over a stretch in which nothing can fire; brings nearer what has come into range.
    private mutating func advance(towards target: Int64) {
        soonest = nil
        guard let lowest = occupied.indices.first(where: { occupied[$0] != 0 }) else {
            current = target
            return
        }
        // A level has something to give at the start of one of its slots only, and those below are empty.
        current = min(target, current | ((1 << (Int64(lowest) * Self.slotBits)) - 1))
        guard current < target else { return }
        current += 1
        var level = 1
        while level < Self.levels, current & ((1 << (Int64(level) * Self.slotBits)) - 1) == 0 {
            cascade(level)
            level += 1
        }
    }

    private mutating func cascade(_ level: Int) {
        let slot = Int(current >> (Int64(level) * Self.slotBits) & 63)
        var node = heads[level * 64 + slot]
        heads[level * 64 + slot] = -1
        occupied[level] &= ~(1 << UInt64(slot))
        while node >= 0 {
            let next = nodes[Int(node)].next
            link(node)
            node = next
        }
    }

    private mutating func link(_ node: Int32) {
        soonest = nil
        let deadline = nodes[Int(node)].deadline
        let distance = max(0, deadline - current)
        var level = 0
        while level < Self.levels - 1, distance >= 1 << (Int64(level + 1) * Self.slotBits) { level += 1 }
        let furthest = current + (1 << (Int64(Self.levels) * Self.slotBits)) - 1
        let slot = min(deadline, furthest) >> (Int64(level) * Self.slotBits) & 63
        let bucket = level * 64 + Int(slot)
        let head = heads[bucket]
        nodes[Int(node)].bucket = Int32(bucket)
        nodes[Int(node)].previous = -1
        nodes[Int(node)].next = head
        if head >= 0 { nodes[Int(head)].previous = node }
        heads[bucket] = node
        occupied[level] |= 1 << UInt64(slot)
    }

    private mutating func unlink(_ node: Int32) {
        let (next, previous) = (nodes[Int(node)].next, nodes[Int(node)].previous)
        let bucket = Int(nodes[Int(node)].bucket)
        if previous >= 0 { nodes[Int(previous)].next = next } else { heads[bucket] = next }
        if next >= 0 { nodes[Int(next)].previous = previous }
        if heads[bucket] < 0 { occupied[bucket / 64] &= ~(1 << UInt64(bucket % 64)) }
        soonest = nil
    }

    private mutating func takeNode() -> Int32 {
        if freeNode >= 0 {
            defer { freeNode = nodes[Int(freeNode)].next }
            return freeNode
        }
        nodes.append(Node(deadline: 0, payload: 0, next: -1, previous: -1, bucket: -1))
        return Int32(nodes.count - 1)
    }

    private mutating func release(_ node: Int32) {
        nodes[Int(node)].bucket = -1
        nodes[Int(node)].next = freeNode
        freeNode = node
    }

    private func rotateRight(_ word: UInt64, by count: Int64) -> UInt64 {
        count == 0 ? word : word >> UInt64(count) | word << UInt64(64 - count)
    }
}
