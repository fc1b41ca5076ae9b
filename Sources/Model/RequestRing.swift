import Synchronization

/// A bounded queue of finished requests, with their texts, from one worker to the access log: one producer, one consumer,
/// no lock. A full ring drops the new request and says so.
///
/// Entries have different lengths and lie one after the other, each in one piece: what does not fit before the end of the
/// memory begins anew at its start. Memory is touched when it is first used, so a ring that nobody wants costs nothing.
@safe public final class RequestRing: @unchecked Sendable {
    // Sound to share: the producer writes an entry before it publishes `tail`, the consumer reads it before it
    // publishes `head`, so no byte is ever written and read at once.
    private let memory: UnsafeMutableRawPointer
    private let capacity: Int
    private let head = Atomic<Int>(0)
    private let tail = Atomic<Int>(0)
    private let wanted = Atomic<Bool>(true)

    /// What stands before the texts. `size` 0: nothing more up to the end of the memory.
    private struct Entry: BitwiseCopyable {
        var size: UInt32 = 0
        var ends = RequestTextEnds()
        var record = RequestRecord()
    }

    /// Bytes of a path that are kept. Longer ones are cut, as all texts are: a log line is no place for a megabyte.
    public static let pathBytesMax = 2048
    private static let methodBytesMax = 32
    private static let authorityBytesMax = 256
    private static let requestIDBytesMax = 128
    private static let detailBytesMax = 64
    private static let entryBytesMax =
        MemoryLayout<Entry>.stride + pathBytesMax + methodBytesMax + authorityBytesMax + requestIDBytesMax
        + detailBytesMax + 16

    /// A ring of `capacity` bytes, a power of two, at least 16 KiB. One MiB holds about 3,500 ordinary requests.
    public init(capacity: Int = 1 << 20) {
        precondition(capacity >= 16 << 10 && capacity & (capacity - 1) == 0, "a power of two, at least 16 KiB")
        precondition(capacity >= 2 * Self.entryBytesMax, "room for the longest entry, wherever it begins")
        self.capacity = capacity
        unsafe memory = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        // Allocated in `init`; plain bytes need no deinitialisation.
        unsafe memory.deallocate()
    }

    /// Whether anybody reads it. While not, requests are taken for pushed and forgotten. Any thread.
    public var isWanted: Bool {
        get { wanted.load(ordering: .relaxed) }
        set { wanted.store(newValue, ordering: .relaxed) }
    }

    /// Adds a request; false when the ring is full. Producer only. The texts may hold any bytes.
    public func push(
        _ record: RequestRecord, method: UnsafeRawBufferPointer, authority: UnsafeRawBufferPointer,
        path: UnsafeRawBufferPointer, requestId: UnsafeRawBufferPointer, detail: UnsafeRawBufferPointer
    ) -> Bool {
        guard isWanted else { return true }
        var ends = RequestTextEnds()
        // Sums of the limits: far below 65,536.
        ends.method = UInt16(min(method.count, Self.methodBytesMax))
        ends.authority = ends.method + UInt16(min(authority.count, Self.authorityBytesMax))
        ends.path = ends.authority + UInt16(min(path.count, Self.pathBytesMax))
        ends.requestID = ends.path + UInt16(min(requestId.count, Self.requestIDBytesMax))
        ends.detail = ends.requestID + UInt16(min(detail.count, Self.detailBytesMax))
        let size = (MemoryLayout<Entry>.stride + Int(ends.detail) + 15) & ~15

        var position = tail.load(ordering: .relaxed)
        let left = capacity - position & (capacity - 1)
        let skipped = size > left ? left : 0
        guard position &+ skipped &+ size &- head.load(ordering: .acquiring) <= capacity else { return false }
        if skipped > 0 {
            // In bounds and aligned: positions are multiples of 16, and so is what is left.
            unsafe memory.storeBytes(of: 0, toByteOffset: position & (capacity - 1), as: UInt32.self)
            position &+= skipped
        }
        // In bounds: `size` bytes from here on are free and lie before the end of the memory. Written where it lies: the
        // record alone is some four cache lines.
        let place = unsafe memory + position & (capacity - 1)
        let entry = unsafe place.assumingMemoryBound(to: Entry.self)
        unsafe entry.pointee.size = UInt32(truncatingIfNeeded: size)
        unsafe entry.pointee.ends = ends
        unsafe entry.pointee.record = record
        let texts = unsafe place + MemoryLayout<Entry>.stride
        unsafe Self.copy(method, to: texts, 0, ends.method)
        unsafe Self.copy(authority, to: texts, ends.method, ends.authority)
        unsafe Self.copy(path, to: texts, ends.authority, ends.path)
        unsafe Self.copy(requestId, to: texts, ends.path, ends.requestID)
        unsafe Self.copy(detail, to: texts, ends.requestID, ends.detail)
        tail.store(position &+ size, ordering: .releasing)
        return true
    }

    /// The same without a detail.
    public func push(
        _ record: RequestRecord, method: UnsafeRawBufferPointer, authority: UnsafeRawBufferPointer,
        path: UnsafeRawBufferPointer, requestId: UnsafeRawBufferPointer
    ) -> Bool {
        unsafe push(
            record, method: method, authority: authority, path: path, requestId: requestId,
            detail: UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// The same for those who have spans.
    public func push(
        _ record: RequestRecord, method: Span<UInt8>, authority: Span<UInt8>, path: Span<UInt8>, requestId: Span<UInt8>,
        detail: Span<UInt8> = Span()
    ) -> Bool {
        // The buffers are used within the call only.
        unsafe method.bytes.withUnsafeBytes { method in
            unsafe authority.bytes.withUnsafeBytes { authority in
                unsafe path.bytes.withUnsafeBytes { path in
                    unsafe requestId.bytes.withUnsafeBytes { requestId in
                        unsafe detail.bytes.withUnsafeBytes { detail in
                            unsafe push(
                                record, method: method, authority: authority, path: path, requestId: requestId,
                                detail: detail)
                        }
                    }
                }
            }
        }
    }

    private static func copy(
        _ text: UnsafeRawBufferPointer, to texts: UnsafeMutableRawPointer, _ from: UInt16, _ to: UInt16
    ) {
        guard to > from, let start = text.baseAddress else { return }
        // As many bytes as were counted in, which are no more than the text has.
        unsafe (texts + Int(from)).copyMemory(from: start, byteCount: Int(to - from))
    }

    /// Takes the oldest request into `entry`; false when there is none. Consumer only.
    public func pop(into entry: inout RequestLogEntry) -> Bool {
        var position = head.load(ordering: .relaxed)
        let end = tail.load(ordering: .acquiring)
        guard position != end else { return false }
        // In bounds: entries are whole, begin at multiples of 16 and lie before the end of the memory.
        if unsafe memory.load(fromByteOffset: position & (capacity - 1), as: UInt32.self) == 0 {
            position &+= capacity - position & (capacity - 1)
        }
        let place = unsafe memory + position & (capacity - 1)
        let stored = unsafe place.load(as: Entry.self)
        entry.record = stored.record
        entry.ends = stored.ends
        let texts = unsafe UnsafeRawBufferPointer(
            start: place + MemoryLayout<Entry>.stride, count: Int(stored.ends.detail))
        entry.bytes.removeAll(keepingCapacity: true)
        unsafe entry.bytes.append(contentsOf: texts)
        head.store(position &+ Int(stored.size), ordering: .releasing)
        return true
    }
}
