/// A set of `RequestFlag`s: a bit for each, at the place of its raw value.
public struct RequestFlags: OptionSet, Sendable, BitwiseCopyable, Hashable {
    /// The bits.
    public let rawValue: UInt64

    /// The set with these bits.
    @inlinable
    public init(rawValue: UInt64) { self.rawValue = rawValue }

    /// The set of one flag.
    @inlinable
    public init(_ flag: RequestFlag) { rawValue = 1 << UInt64(flag.rawValue) }

    /// Calls `body` for each flag of the set, in the order of `RequestFlag`.
    @inlinable
    public func forEach(_ body: (RequestFlag) -> Void) {
        var bits = rawValue
        while bits != 0 {
            if let flag = RequestFlag(rawValue: UInt8(bits.trailingZeroBitCount)) { body(flag) }
            bits &= bits &- 1
        }
    }

    /// Whether the set has the flag.
    @inlinable
    public func has(_ flag: RequestFlag) -> Bool { rawValue >> UInt64(flag.rawValue) & 1 != 0 }

    /// Adds a flag.
    @inlinable
    public mutating func add(_ flag: RequestFlag) { formUnion(RequestFlags(flag)) }
}
