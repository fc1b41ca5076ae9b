/// The endpoints one connection has tried in vain, by endpoint slot (slots keep their meaning when a reload comes
/// between two attempts, indices do not). At most four; no heap.
public struct TriedEndpoints: Sendable, BitwiseCopyable, Equatable {
    private var slots: SIMD4<UInt32> = SIMD4(repeating: .max)

    /// How many endpoints it holds at most.
    public static let capacity = 4

    /// None yet.
    public init() {}

    /// How many.
    public private(set) var count = 0

    /// Adds an endpoint. False when it has no room: the connection has failed often enough.
    @discardableResult
    public mutating func insert(endpointSlot: Int) -> Bool {
        guard count < Self.capacity else { return false }
        slots[count] = UInt32(truncatingIfNeeded: endpointSlot)
        count += 1
        return true
    }

    /// Whether it has been tried.
    public func contains(endpointSlot: Int) -> Bool {
        guard count > 0 else { return false }
        return any(slots .== SIMD4(repeating: UInt32(truncatingIfNeeded: endpointSlot)))
    }
}
