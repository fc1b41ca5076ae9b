/// Bytes that one turn of a worker is to send: filled by encoders, sent with one write, emptied.
///
/// Grows by doubling and keeps its memory, so that steady state allocates nothing. One owner, one thread at a time.
@safe public struct OutputBuffer: ~Copyable, @unchecked Sendable {
    // Sound to send: it is the only owner of the memory.
    @usableFromInline var storage: UnsafeMutableRawPointer
    /// Bytes of `storage`.
    @usableFromInline var size: Int
    @usableFromInline var end = 0
    private let capacityAtStart: Int

    /// The memory `removeAll` keeps, bytes. A turn that answered with more was a rare one.
    public static let capacityKept = 1 << 20

    /// A buffer with room for `capacity` bytes before it grows.
    public init(capacity: Int = 64 << 10) {
        capacityAtStart = max(capacity, 64)
        // Freed in deinit, or when it grows.
        size = capacityAtStart
        unsafe storage = .allocate(byteCount: capacityAtStart, alignment: 64)
    }

    deinit {
        // Owned by this value alone.
        unsafe storage.deallocate()
    }

    /// Bytes held.
    @inlinable public var count: Int { end }
    /// Whether it holds none.
    @inlinable public var isEmpty: Bool { end == 0 }
    /// The memory it owns, bytes.
    public var capacity: Int { size }

    /// The bytes held. They lie there until the buffer is changed.
    @inlinable public var bytes: Span<UInt8> {
        @_lifetime(borrow self)
        get {
            // The first `end` bytes are written, and stay where they are while the buffer is borrowed.
            let span = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(start: storage, count: end))
            return unsafe _overrideLifetime(span, borrowing: self)
        }
    }

    /// Appends a copy of `bytes`.
    @inlinable @inline(__always) public mutating func append(_ bytes: Span<UInt8>) {
        // The span's memory is valid for the call and is only copied.
        unsafe bytes.withUnsafeBytes { unsafe append($0) }
    }

    /// Appends a copy of `bytes`.
    @inlinable @inline(__always) public mutating func append(_ bytes: UnsafeRawBufferPointer) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let place = unsafe makeRoom(bytes.count)
        // `makeRoom` has returned the start of that many bytes.
        unsafe place.copyMemory(from: source, byteCount: bytes.count)
        end &+= bytes.count
    }

    /// Appends the UTF-8 bytes of `text`. Inlined, a literal is a few stores.
    @inlinable @inline(__always) public mutating func append(_ text: StaticString) {
        // A static string's bytes live as long as the program. One that is a single scalar has none: it is never written so.
        unsafe append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Appends one byte.
    @inlinable @inline(__always) public mutating func append(_ byte: UInt8) {
        // `makeRoom` has returned the start of one byte.
        unsafe makeRoom(1).storeBytes(of: byte, as: UInt8.self)
        end &+= 1
    }

    /// Appends `value` as decimal digits, with a sign if it is below zero.
    public mutating func appendDecimal(_ value: Int) {
        if value < 0 { append(UInt8(ascii: "-")) }
        appendDigits(value.magnitude, radix: 10)
    }

    /// Appends `value`, not below zero, as lower-case hexadecimal digits without a prefix.
    public mutating func appendHex(_ value: Int) { appendDigits(value.magnitude, radix: 16) }

    /// Empties it. Its memory stays, but for what exceeds `capacityKept`.
    public mutating func removeAll() {
        end = 0
        if size > Self.capacityKept { reallocate(capacityAtStart) }
    }

    /// Lends the bytes held to `body`, which does not keep the pointer.
    @inlinable public func withBytes<R>(_ body: (UnsafeRawBufferPointer) -> R) -> R {
        // `end` is within the storage.
        unsafe body(UnsafeRawBufferPointer(start: storage, count: end))
    }

    // MARK: - memory

    /// Inlined, so that the radix is a constant, by which dividing is cheap.
    @inline(__always) private mutating func appendDigits(_ value: UInt, radix: UInt) {
        var count = 1
        var rest = value / radix
        while rest > 0 {
            count += 1
            rest /= radix
        }
        let place = unsafe makeRoom(count)
        rest = value
        var index = count
        while index > 0 {
            index &-= 1
            let digit = UInt8(truncatingIfNeeded: rest % radix)
            // In bounds: `makeRoom` has returned the start of `count` bytes.
            unsafe place.storeBytes(of: digit < 10 ? 0x30 &+ digit : 0x57 &+ digit, toByteOffset: index, as: UInt8.self)
            rest /= radix
        }
        end += count
    }

    /// The place for `count` more bytes, at the end of those held.
    @inlinable @inline(__always) mutating func makeRoom(_ count: Int) -> UnsafeMutableRawPointer {
        if count > size &- end { grow(count) }
        // There are `count` bytes behind `end` now.
        return unsafe storage + end
    }

    @usableFromInline @inline(never) mutating func grow(_ count: Int) {
        reallocate(max(size * 2, end + count))
    }

    private mutating func reallocate(_ capacity: Int) {
        let fresh = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 64)
        // The held bytes fit: a buffer grows, or is empty.
        unsafe fresh.copyMemory(from: storage, byteCount: end)
        unsafe storage.deallocate()
        unsafe storage = fresh
        size = capacity
    }
}
