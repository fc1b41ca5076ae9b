/// A small, fast random number generator (SplitMix64: one add, two multiplications), seeded so that a test can repeat
/// a run. For spreading load, never for secrets.
public struct SmallRandom: RandomNumberGenerator, Sendable, BitwiseCopyable {
    private var state: UInt64

    /// A generator whose numbers follow from `seed`.
    public init(seed: UInt64) { state = seed }

    /// The next 64 bits.
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        return StableHash.mix(state)
    }

    /// A number in `0..<bound` (0 for a bound of 0). The bias of one multiplication is below bound / 2^64.
    public mutating func below(_ bound: Int) -> Int {
        Int(truncatingIfNeeded: next().multipliedFullWidth(by: UInt64(max(bound, 0))).high)
    }
}
