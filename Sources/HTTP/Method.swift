/// A request's method. What it is called on the wire is in the head (`methodText`), because `other` has many names.
public enum Method: UInt8, BitwiseCopyable, Sendable {
    /// The methods of RFC 9110 and PATCH. Names are case-sensitive: `get` is `other`.
    case get, head, post, put, delete, connect, options, trace, patch, other

    /// Whether doing it twice is the same as doing it once (RFC 9110 9.2.2). Of an unknown method that is not known.
    @inlinable public var isIdempotent: Bool {
        switch self {
        case .get, .head, .put, .delete, .options, .trace: true
        case .post, .connect, .patch, .other: false
        }
    }

    /// Whether it only reads (RFC 9110 9.2.1).
    @inlinable public var isSafe: Bool {
        switch self {
        case .get, .head, .options, .trace: true
        case .post, .put, .delete, .connect, .patch, .other: false
        }
    }

    /// Bytes of `word` before the first space, 8 if there is none.
    @inline(__always) static func length(_ word: UInt64) -> Int {
        let low: UInt64 = 0x7f7f_7f7f_7f7f_7f7f
        let other = word ^ 0x2020_2020_2020_2020
        // The highest bit of each byte that is a space, exactly.
        return (~((other & low &+ low) | other | low)).trailingZeroBitCount &>> 3
    }

    /// The bits of the first `count` bytes of a word.
    @inline(__always) static func prefix(_ count: Int) -> UInt64 {
        count >= 8 ? .max : (1 &<< UInt64(truncatingIfNeeded: 8 &* count)) &- 1
    }

    /// The method whose name is the first `count` bytes of `word`, the lowest first.
    @inline(__always) init(_ word: UInt64, count: Int) {
        let name = word & Self.prefix(count)
        // As long as it says: not a name with NULs behind it.
        guard count > 0 && count < 8 && name &>> UInt64(truncatingIfNeeded: 8 &* (count &- 1)) != 0 else {
            self = .other
            return
        }
        self =
            switch name {
            case 0x54_4547: .get
            case 0x4441_4548: .head
            case 0x5453_4f50: .post
            case 0x54_5550: .put
            case 0x4554_454c_4544: .delete
            case 0x54_4345_4e4e_4f43: .connect
            case 0x53_4e4f_4954_504f: .options
            case 0x45_4341_5254: .trace
            case 0x48_4354_4150: .patch
            default: .other
            }
    }
}
