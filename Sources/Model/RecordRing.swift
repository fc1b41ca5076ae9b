import Synchronization

/// A bounded queue of connection records from one worker to the access log: one producer, one consumer, no lock.
/// A full ring drops the new record and says so.
@safe public final class RecordRing: @unchecked Sendable {
    // Sound to share: the producer writes a cell before it publishes `tail`, the consumer reads it before it
    // publishes `head`, so no cell is ever written and read at once.
    private let cells: UnsafeMutablePointer<ConnectionRecord>
    private let mask: Int
    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)

    /// A ring of `capacity` records, a power of two.
    public init(capacity: Int = 4096) {
        precondition(capacity > 0 && capacity & (capacity - 1) == 0, "a power of two")
        mask = capacity - 1
        unsafe cells = .allocate(capacity: capacity)
        // In bounds of the allocation above.
        unsafe cells.initialize(repeating: ConnectionRecord(), count: capacity)
    }

    deinit {
        // Allocated and initialised in `init`; plain bits need no deinitialisation.
        unsafe cells.deallocate()
    }

    /// Adds a record; false when the ring is full. Producer only.
    public func push(_ record: ConnectionRecord) -> Bool {
        let position = tail.load(ordering: .relaxed)
        guard position &- head.load(ordering: .acquiring) <= mask else { return false }
        // In bounds by the mask.
        unsafe cells[position & mask] = record
        tail.store(position &+ 1, ordering: .releasing)
        return true
    }

    /// Takes the oldest record; nil when there is none. Consumer only.
    public func pop() -> ConnectionRecord? {
        let position = head.load(ordering: .relaxed)
        guard position != tail.load(ordering: .acquiring) else { return nil }
        // In bounds by the mask.
        let record = unsafe cells[position & mask]
        head.store(position &+ 1, ordering: .releasing)
        return record
    }
}
