/// The head of a message, or its trailers, whatever protocol it came by: one block of bytes, and an index of fields.
///
/// A field lies in the block as HTTP/1 writes it (`name: value`, CR, LF), so that an encoder copies neighbours at once. What is
/// removed or replaced leaves its bytes behind until `removeAll`. Two allocations at first use, none per field, and none in
/// steady state, because `removeAll` keeps the memory.
@safe public struct MessageHead: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of both. Every read and write goes through `check` or behind `reserve`.
    @usableFromInline var block: UnsafeMutableRawBufferPointer
    @usableFromInline var fields: UnsafeMutableBufferPointer<HeaderField>
    /// Bytes of the block that are in use.
    @usableFromInline var end = 0
    @usableFromInline var count = 0

    /// Of requests.
    public var method = Method.other
    /// Of requests: the method as written.
    public var methodText = ByteRange.none
    /// Path, `?` and query in origin form, as it is to be forwarded; `*` for `OPTIONS *`; none for CONNECT.
    public var path = ByteRange.none
    /// `host[:port]` from the target, for which it is written, or Host. None when absent.
    public var authority = ByteRange.none
    /// Of responses.
    public var status = 0
    /// Of responses: the text behind the status, which may be empty. None: the encoder writes the usual one.
    public var reason = ByteRange.none
    /// HTTP/1.0 or HTTP/1.1.
    public var minorVersion: UInt8 = 1

    /// Memory that `removeAll` keeps, bytes. Heads of browsers with their cookies fit.
    public static let capacityKept = 16 << 10
    /// Bytes behind every place that is written, so that whole words can be written and read at any place in use.
    static let slack = 16
    private static let blockSizeMin = 1 << 10
    private static let fieldCountMin = 16

    /// An empty head without memory.
    public init() {
        unsafe block = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        unsafe fields = UnsafeMutableBufferPointer(start: nil, count: 0)
    }

    deinit {
        // Both are owned by this value alone.
        unsafe block.deallocate()
        unsafe fields.deallocate()
    }

    /// Bytes of memory it owns.
    public var capacity: Int { unsafe block.count + fields.count * MemoryLayout<HeaderField>.stride }

    /// Empties it. Its memory stays, but for what exceeds `capacityKept`.
    public mutating func removeAll() {
        end = 0
        count = 0
        method = .other
        methodText = .none
        path = .none
        authority = .none
        status = 0
        reason = .none
        minorVersion = 1
        if capacity > Self.capacityKept { freeMemory() }
    }

    /// How many fields there are.
    @inlinable public var fieldCount: Int { count }

    /// The field at `index`, below `fieldCount`, in the order of the message.
    @inlinable public func field(_ index: Int) -> HeaderField {
        precondition(index >= 0 && index < count)
        // In bounds by the line above.
        return unsafe fields[index]
    }

    /// The bytes at `range`, none for `.none`. They lie there until the head is changed.
    @_lifetime(borrow self)
    @inlinable public func bytes(_ range: ByteRange) -> Span<UInt8> {
        let start = range.isNone ? 0 : range.lowerBound
        precondition(start &+ Int(range.count) <= end)
        // In bounds by the line above, initialized up to `end`, and nobody changes it while the head is borrowed.
        let slice = unsafe UnsafeRawBufferPointer(rebasing: block[start..<(start &+ Int(range.count))])
        let span = unsafe Span<UInt8>(_unsafeBytes: slice)
        return unsafe _overrideLifetime(span, borrowing: self)
    }

    /// The value of the first field of that name.
    @inlinable public func value(_ name: HeaderName) -> ByteRange? {
        guard let index = index(of: name) else { return nil }
        return field(index).value
    }

    /// The first field of that name from `first` on. Not for `other`.
    @inlinable public func index(of name: HeaderName, from first: Int = 0) -> Int? {
        var index = first
        while index < count {
            if field(index).known == name { return index }
            index &+= 1
        }
        return nil
    }

    /// The first field from `first` on whose name is `name`, in lower case.
    public func index(named name: Span<UInt8>, from first: Int = 0) -> Int? {
        let known = HeaderNameTable.shared.find(.init(name))
        if known != .other { return index(of: known, from: first) }
        var index = first
        while index < count {
            let field = field(index)
            if field.known == .other && bytes(field.name).hasEqualBytes(name) { return index }
            index += 1
        }
        return nil
    }

    // MARK: - memory

    /// Makes room for `size` bytes behind `end`, and slack behind them.
    @inline(__always) mutating func reserve(_ size: Int) {
        if unsafe end &+ size &+ Self.slack > block.count { growBlock(end + size + Self.slack) }
    }

    @inline(never) mutating func growBlock(_ size: Int) {
        let capacity = max(size, unsafe block.count * 2, Self.blockSizeMin)
        let fresh = UnsafeMutableRawBufferPointer.allocate(byteCount: capacity, alignment: 16)
        // What has been written, whether it counts already or not, fits into a larger block.
        unsafe fresh.copyMemory(from: UnsafeRawBufferPointer(block))
        unsafe block.deallocate()
        unsafe block = fresh
    }

    /// Writes eight bytes at `place`, which is behind `end` or at it, and sees to it that there is slack behind them.
    @inline(__always) mutating func putWord(_ word: UInt64, at place: Int) {
        if unsafe place &+ 8 &+ Self.slack > block.count { growBlock(place + 8 + Self.slack) }
        // In bounds by the line above.
        unsafe block.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
    }

    /// Writes two bytes at `place`, at most 14 bytes behind the last word that was written.
    @inline(__always) mutating func putPair(_ pair: UInt16, at place: Int) {
        // In bounds: in the slack of that word at the latest.
        unsafe block.storeBytes(of: pair.littleEndian, toByteOffset: place, as: UInt16.self)
    }

    /// Adds `field` to the index.
    @inline(__always) mutating func addField(_ field: HeaderField) {
        if unsafe count == fields.count { growFields() }
        // In bounds by the line above.
        unsafe fields[count] = field
        count &+= 1
    }

    @inline(never) private mutating func growFields() {
        let capacity = unsafe max(fields.count * 2, Self.fieldCountMin)
        let fresh = UnsafeMutableBufferPointer<HeaderField>.allocate(capacity: capacity)
        // The fields in use fit into a larger index; they are plain bits.
        _ = unsafe fresh.initialize(from: fields[..<count])
        unsafe fields.deallocate()
        unsafe fields = fresh
    }

    private mutating func freeMemory() {
        // Both are owned by this value alone, which is empty now.
        unsafe block.deallocate()
        unsafe fields.deallocate()
        unsafe block = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        unsafe fields = UnsafeMutableBufferPointer(start: nil, count: 0)
    }
}

extension Span<UInt8> {
    /// Whether these are the same bytes as `other`'s.
    func hasEqualBytes(_ other: Span<UInt8>) -> Bool {
        guard count == other.count else { return false }
        for index in indices where self[index] != other[index] { return false }
        return true
    }
}
