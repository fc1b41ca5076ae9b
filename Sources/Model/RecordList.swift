/// Plain records one behind the other, like an array's, but of one owner: changed in place without asking first whether
/// somebody else has a copy. An array asks before each write, ten instructions that the request path paid fifty times.
///
/// Grows by doubling and keeps its memory. Inlinable, because a generic that is not specialised looks its types up at run
/// time.
@safe public struct RecordList<Element: BitwiseCopyable>: ~Copyable {
    /// `capacity` places, of which the first `length` are initialised; there are none before the first record.
    @usableFromInline var records: UnsafeMutablePointer<Element>?
    @usableFromInline var capacity = 0
    @usableFromInline var length = 0

    @usableFromInline static var capacityMin: Int { 16 }

    /// Empty, without memory.
    @inlinable public init() { unsafe records = nil }

    /// So many copies of `element`.
    @inlinable public init(repeating element: Element, count: Int) {
        self.init()
        append(repeating: element, count: count)
    }

    deinit {
        // Owned by this value alone; plain bits need no deinitialisation.
        unsafe records?.deallocate()
    }

    /// How many.
    @inlinable public var count: Int { length }
    /// Whether there is none.
    @inlinable public var isEmpty: Bool { length == 0 }
    /// All indices.
    @inlinable public var indices: Range<Int> { 0..<count }
    /// The first one.
    @inlinable public var first: Element? { isEmpty ? nil : self[0] }

    /// The record at `index`, in place. Out of range is a programming error and stops the process.
    @inlinable public subscript(index: Int) -> Element {
        @inline(__always)
        unsafeAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: length), "record out of range")
            // In bounds by the line above, so there is memory.
            return unsafe UnsafePointer(records.unsafelyUnwrapped + index)
        }
        @inline(__always)
        unsafeMutableAddress {
            precondition(UInt(bitPattern: index) < UInt(bitPattern: length), "record out of range")
            // In bounds by the line above, so there is memory.
            return unsafe records.unsafelyUnwrapped + index
        }
    }

    /// Adds a record behind the others.
    @inlinable public mutating func append(_ element: Element) {
        if count == capacity { grow(1) }
        // In bounds by the line above.
        unsafe (records.unsafelyUnwrapped + count).initialize(to: element)
        length &+= 1
    }

    /// Adds so many copies of `element`.
    @inlinable public mutating func append(repeating element: Element, count added: Int) {
        guard added > 0 else { return }
        if count + added > capacity { grow(added) }
        // In bounds by the line above.
        unsafe (records.unsafelyUnwrapped + count).initialize(repeating: element, count: added)
        length += added
    }

    /// Takes the last one out; nil: there is none.
    @inlinable public mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        let last = self[count - 1]
        length &-= 1
        return last
    }

    @usableFromInline @inline(never) mutating func grow(_ added: Int) {
        let capacity = max(self.capacity * 2, count + added, Self.capacityMin)
        let fresh = UnsafeMutablePointer<Element>.allocate(capacity: capacity)
        // The records in use fit into the larger memory.
        if let records = unsafe records { unsafe fresh.initialize(from: records, count: count) }
        unsafe records?.deallocate()
        unsafe records = fresh
        self.capacity = capacity
    }
}

// Sound to send: it is the only owner of the memory.
extension RecordList: @unchecked Sendable where Element: Sendable {}
