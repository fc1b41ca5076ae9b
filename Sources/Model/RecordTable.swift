/// A fixed array of plain records. Whoever holds a copy keeps the records alive; workers, who hold their generation
/// anyway, read them through `view` instead.
@safe public struct RecordTable<Element: BitwiseCopyable & Sendable>: Sendable {
    private let storage: Storage
    /// The same records without ownership: good for as long as a copy of this table lives.
    public let view: RecordView<Element>

    @safe private final class Storage: @unchecked Sendable {
        // Sound to share: written in `RecordTable.init` only, before anybody else has it.
        let records: UnsafeMutablePointer<Element>

        init(_ records: UnsafeMutablePointer<Element>) { unsafe self.records = records }

        // The allocation of `RecordTable.init`; plain bits need no deinitialisation.
        deinit { unsafe records.deallocate() }
    }

    /// A table of these records.
    public init(_ elements: [Element]) {
        let records = UnsafeMutablePointer<Element>.allocate(capacity: elements.count)
        // As many as were allocated, each initialised once.
        unsafe elements.withUnsafeBufferPointer { source in
            guard let first = source.baseAddress else { return }
            unsafe records.initialize(from: first, count: source.count)
        }
        // The storage owns them from here on.
        unsafe storage = Storage(records)
        unsafe view = RecordView(records, count: elements.count)
    }
}

extension RecordTable: RandomAccessCollection {
    /// The first index.
    public var startIndex: Int { 0 }
    /// One past the last index.
    public var endIndex: Int { view.count }
    /// The record at `index`; out of range is a programming error and stops the process.
    public subscript(index: Int) -> Element { withExtendedLifetime(storage) { view[index] } }
}

/// The records of a `RecordTable` as bare bits: copying it and reading through it counts no references.
@safe public struct RecordView<Element: BitwiseCopyable & Sendable>: @unchecked Sendable, BitwiseCopyable {
    // Sound to share: the records are never written after `RecordTable.init`. Whoever keeps a view keeps its table.
    @usableFromInline let records: UnsafePointer<Element>
    /// How many.
    public let count: Int

    @usableFromInline init(_ records: UnsafePointer<Element>, count: Int) {
        unsafe self.records = records
        self.count = count
    }

    /// The record at `index`, in place: who wants one field of it copies no more. Out of range is a programming error and
    /// stops the process.
    @inlinable
    public subscript(index: Int) -> Element {
        unsafeAddress {
            precondition(index >= 0 && index < count, "record out of range")
            // In bounds by the line above.
            return unsafe records + index
        }
    }

    /// Lends the records as bytes to `body`, which does not keep the pointer.
    public func withBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        // In bounds; whoever keeps a view keeps its table.
        unsafe body(UnsafeRawBufferPointer(UnsafeBufferPointer(start: records, count: count)))
    }

    /// All indices.
    @inlinable
    public var indices: Range<Int> { 0..<count }
}

extension RecordView<UInt8> {
    /// The bytes at `range`; out of range is a programming error and stops the process. Good for as long as the table.
    @inlinable @unsafe
    public func bytes(_ range: IndexRange) -> UnsafeBufferPointer<UInt8> {
        precondition(range.upper <= count && range.lower <= range.upper, "bytes out of range")
        // In bounds by the line above.
        return unsafe UnsafeBufferPointer(start: records + Int(range.lower), count: range.count)
    }
}

extension RecordView {
    /// The records at `range`; out of range is a programming error and stops the process.
    @inlinable
    public func slice(_ range: IndexRange) -> RecordView {
        precondition(range.upper <= count && range.lower <= range.upper, "records out of range")
        // In bounds by the line above.
        return unsafe RecordView(records + Int(range.lower), count: range.count)
    }
}
