import Synchronization

/// The head of a message, or its trailers, whatever protocol it came by: one block of bytes, and an index of fields.
///
/// A field lies in the block as HTTP/1 writes it (`name: value`, CR, LF), so that an encoder copies neighbours at once. What is
/// removed or replaced leaves its bytes behind until `removeAll`. Two allocations at first use, none per field, and none in
/// steady state, because `removeAll` keeps the memory.
@safe public struct MessageHead: ~Copyable, @unchecked Sendable {
    /// Keeps the head where it is: with an atomic in it, it is lent by its address. Else it is loaded as a whole, 130 bytes,
    /// and copied for each call that only looks something up.
    private let anchor = Atomic<UInt8>(0)
    // Sound to send: it is the only owner of both.
    /// `blockSize` bytes; there is none before the first is written.
    @usableFromInline var block: UnsafeMutableRawPointer?
    @usableFromInline var fields: UnsafeMutablePointer<HeaderField>?
    var blockSize = 0
    private var fieldsMax = 0
    /// Pseudo-fields that no table may hold (RFC 7541 7.1.3), by bit.
    var neverIndexed: UInt8 = 0
    /// Kept here because reading a global costs a call.
    let names = HeaderNameTable.shared
    /// Bytes of the block that are in use.
    @usableFromInline var end = 0
    @usableFromInline var count = 0
    /// By `HeaderName.bit`: a field of that name has been added; has been added more than once. Most names that are asked
    /// for are not there, and nobody need look for them.
    @usableFromInline var present: UInt64 = 0
    private var repeated: UInt64 = 0

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
    /// Of requests: the protocol an extended CONNECT (RFC 8441) asks for. It is in a field Upgrade, too.
    public var protocolName = ByteRange.none
    /// HTTP/1.0 or HTTP/1.1.
    public var minorVersion: UInt8 = 1

    /// Memory that `removeAll` keeps, bytes. Heads of browsers with their cookies fit.
    public static let capacityKept = 16 << 10
    /// Bytes behind every place that is written, so that whole `Lanes` can be written and read at any place in use.
    static let slack = 32
    private static let blockSizeMin = 1 << 10
    private static let fieldCountMin = 16

    /// An empty head without memory.
    public init() {
        unsafe block = nil
        unsafe fields = nil
    }

    deinit {
        // Both are owned by this value alone.
        unsafe block?.deallocate()
        unsafe fields?.deallocate()
    }

    /// Bytes of memory it owns.
    public var capacity: Int { blockSize + fieldsMax * MemoryLayout<HeaderField>.stride }

    /// Empties it. Its memory stays, but for what exceeds `capacityKept`.
    public mutating func removeAll() {
        end = 0
        count = 0
        present = 0
        repeated = 0
        method = .other
        methodText = .none
        path = .none
        authority = .none
        status = 0
        reason = .none
        protocolName = .none
        neverIndexed = 0
        minorVersion = 1
        if capacity > Self.capacityKept { freeMemory() }
    }

    /// Whether a field of that name has been added since the head was empty; it may be gone again.
    @inlinable func has(_ name: HeaderName) -> Bool { present & name.bit != 0 }
    /// Whether more than one has.
    func isRepeated(_ name: HeaderName) -> Bool { repeated & name.bit != 0 }

    /// How many fields there are.
    @inlinable public var fieldCount: Int { count }

    /// The field at `index`, below `fieldCount`, in the order of the message.
    @inlinable public func field(_ index: Int) -> HeaderField {
        precondition(index >= 0 && index < count)
        // In bounds by the line above, so there are some.
        return unsafe fields.unsafelyUnwrapped[index]
    }

    /// The bytes at `range`, none for `.none`. They lie there until the head is changed.
    @_lifetime(borrow self)
    @inlinable @inline(__always) public func bytes(_ range: ByteRange) -> Span<UInt8> {
        let start = range.isNone ? 0 : range.lowerBound
        precondition(start &+ Int(range.count) <= end)
        // In bounds by the line above, initialized up to `end`, and nobody changes it while the head is borrowed.
        let slice = unsafe UnsafeRawBufferPointer(start: block.map { unsafe $0 + start }, count: Int(range.count))
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
        guard has(name), let fields = unsafe fields else { return nil }
        var index = max(first, 0)
        while index < count {
            // In bounds by the lines above.
            if unsafe fields[index].known == name { return index }
            index &+= 1
        }
        return nil
    }

    /// The first field from `first` on whose name is `name`, in lower case.
    public func index(named name: Span<UInt8>, from first: Int = 0) -> Int? {
        let known = names.find(.init(name)).name
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

    /// The block, which is there once something was reserved.
    @unsafe @inline(__always) var base: UnsafeMutableRawPointer { unsafe block.unsafelyUnwrapped }

    /// Makes room for `size` bytes behind `end`, and slack behind them.
    @inline(__always) mutating func reserve(_ size: Int) { reserve(upTo: end &+ size) }

    /// Makes room up to `place`, and slack behind it.
    @inline(__always) mutating func reserve(upTo place: Int) {
        if place &+ Self.slack > blockSize { growBlock(place + Self.slack) }
    }

    @inline(never) private mutating func growBlock(_ size: Int) {
        let capacity = max(size, blockSize * 2, Self.blockSizeMin)
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
        // What has been written, whether it counts already or not, fits into a larger block.
        if let block = unsafe block { unsafe fresh.copyMemory(from: block, byteCount: blockSize) }
        unsafe block?.deallocate()
        unsafe block = fresh
        blockSize = capacity
    }

    /// Writes eight bytes at `place`, the lowest first, for which there is room.
    @inline(__always) mutating func putWord(_ word: UInt64, at place: Int) {
        assert(place + 8 <= blockSize)
        // In bounds: whoever wrote before `place` has made room, and slack.
        unsafe base.storeBytes(of: word.littleEndian, toByteOffset: place, as: UInt64.self)
    }

    /// Writes two bytes at `place`, for which there is room.
    @inline(__always) mutating func putPair(_ pair: UInt16, at place: Int) {
        assert(place + 2 <= blockSize)
        // In bounds: whoever wrote before `place` has made room, and slack.
        unsafe base.storeBytes(of: pair.littleEndian, toByteOffset: place, as: UInt16.self)
    }

    /// Writes one byte at `place`, for which there is room.
    @inline(__always) mutating func putByte(_ byte: UInt8, at place: Int) {
        precondition(place >= 0 && place < blockSize)
        // In bounds by the line above.
        unsafe base.storeBytes(of: byte, toByteOffset: place, as: UInt8.self)
    }

    /// Adds `field` to the index.
    @inline(__always) mutating func addField(_ field: HeaderField) {
        if count == fieldsMax { growFields() }
        // In bounds by the line above.
        unsafe fields.unsafelyUnwrapped[count] = field
        count &+= 1
        repeated |= present & field.known.bit
        present |= field.known.bit
    }

    /// Changes the field at `index`.
    mutating func setField(_ index: Int, _ field: HeaderField) {
        precondition(index >= 0 && index < count)
        // In bounds by the line above.
        unsafe fields.unsafelyUnwrapped[index] = field
    }

    @inline(never) private mutating func growFields() {
        let capacity = max(fieldsMax * 2, Self.fieldCountMin)
        let fresh = UnsafeMutablePointer<HeaderField>.allocate(capacity: capacity)
        // The fields in use fit into a larger index; they are plain bits.
        if let fields = unsafe fields { unsafe fresh.initialize(from: fields, count: count) }
        unsafe fields?.deallocate()
        unsafe fields = fresh
        fieldsMax = capacity
    }

    private mutating func freeMemory() {
        // Both are owned by this value alone, which is empty now.
        unsafe block?.deallocate()
        unsafe fields?.deallocate()
        unsafe block = nil
        unsafe fields = nil
        (blockSize, fieldsMax) = (0, 0)
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
