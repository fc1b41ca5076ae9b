/// Where bytes lie in the block of a `MessageHead`. Means something together with that head only, until it is emptied.
public struct ByteRange: BitwiseCopyable, Sendable, Equatable {
    /// The place of the first byte.
    public var start: UInt32
    /// How many there are.
    public var count: UInt32

    /// The `count` bytes from `start` on.
    @inlinable public init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    /// Absent, which is not the same as empty.
    @inlinable public static var none: ByteRange { ByteRange(start: .max, count: 0) }

    /// Whether there are no bytes: empty or absent.
    @inlinable public var isEmpty: Bool { count == 0 }
    /// Whether there is nothing at all, not even an empty text.
    @inlinable public var isNone: Bool { start == .max }

    @inlinable init(_ start: Int, _ end: Int) {
        self.init(start: UInt32(truncatingIfNeeded: start), count: UInt32(truncatingIfNeeded: end &- start))
    }
    @inlinable var lowerBound: Int { Int(start) }
    @inlinable var upperBound: Int { Int(start) &+ Int(count) }
}
