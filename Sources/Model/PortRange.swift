/// An inclusive range of TCP ports.
public struct PortRange: Hashable, Sendable, BitwiseCopyable {
    /// The lowest port.
    public let first: UInt16
    /// The highest port; not below `first`.
    public let last: UInt16

    /// `first...last`; nil when `last` is below `first`.
    public init?(_ first: UInt16, _ last: UInt16) {
        guard first <= last else { return nil }
        self.first = first
        self.last = last
    }

    /// One port.
    public init(_ port: UInt16) {
        first = port
        last = port
    }

    /// Parses `8080` or `8000-8999`; nil when it is neither, or out of 0...65535.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.allSatisfy({ !$0.isEmpty && $0.allSatisfy(\.isASCIIDigit) }) else { return nil }
        guard let first = UInt16(parts[0]), let last = UInt16(parts[parts.count - 1]) else { return nil }
        self.init(first, last)
    }

    /// How many ports.
    public var count: Int { Int(last) - Int(first) + 1 }

    /// Whether `port` is inside.
    public func contains(_ port: UInt16) -> Bool { first <= port && port <= last }

    /// Whether the two share a port.
    public func overlaps(_ other: PortRange) -> Bool { first <= other.last && other.first <= last }

    /// The lower half, for the outbound leg, and the upper half, for the inbound leg. One range on both legs would
    /// let the TIME_WAIT of one host's leg swallow SYN-ACKs of the other's (docs/design/interception.md).
    /// Needs two ports or more.
    public var halves: (outbound: PortRange, inbound: PortRange)? {
        guard count >= 2 else { return nil }
        let middle = first + UInt16(count / 2)
        guard let lower = PortRange(first, middle - 1), let upper = PortRange(middle, last) else { return nil }
        return (lower, upper)
    }
}

extension PortRange: CustomStringConvertible {
    /// `8080` or `8000-8999`.
    public var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
}
