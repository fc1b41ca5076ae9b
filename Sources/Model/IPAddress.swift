/// An IPv4 or IPv6 address as one 128-bit number; IPv4 is held in its mapped form `::ffff:a.b.c.d`.
///
/// Holding both families in one shape makes every lookup table one table, and normalises dual-stack addresses on
/// entry: a peer that the kernel reports as `::ffff:10.1.0.2` *is* `10.1.0.2`. Plain bits: no reference counting.
public struct IPAddress: Hashable, Sendable, BitwiseCopyable {
    /// Bits 127...64, host byte order.
    public let high: UInt64
    /// Bits 63...0, host byte order.
    public let low: UInt64

    /// The address family as the kernel sees it after normalisation.
    public enum Family: UInt8, Sendable, BitwiseCopyable {
        /// IPv4, including IPv4-mapped IPv6.
        case v4
        /// Any other IPv6 address.
        case v6
    }

    private static let mappedPrefix: UInt64 = 0x0000_ffff_0000_0000

    /// An address from its 128 bits.
    @inlinable
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// An IPv4 address from its 32 bits in host byte order.
    public init(v4 bits: UInt32) {
        high = 0
        low = Self.mappedPrefix | UInt64(bits)
    }

    /// The family after normalisation.
    public var family: Family { isV4 ? .v4 : .v6 }

    /// Whether this is an IPv4 address.
    public var isV4: Bool { high == 0 && low >> 32 == 0xffff }

    /// The 32 bits of an IPv4 address in host byte order; nil for IPv6.
    public var v4Bits: UInt32? { isV4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// `127.0.0.0/8` or `::1`.
    public var isLoopback: Bool { isV4 ? UInt8(truncatingIfNeeded: low >> 24) == 127 : high == 0 && low == 1 }

    /// `0.0.0.0` or `::`.
    public var isUnspecified: Bool { isV4 ? UInt32(truncatingIfNeeded: low) == 0 : high == 0 && low == 0 }

    /// The IPv4 wildcard address `0.0.0.0`.
    public static let anyV4 = IPAddress(v4: 0)
    /// The IPv6 wildcard address `::`.
    public static let anyV6 = IPAddress(high: 0, low: 0)
    /// `127.0.0.1`.
    public static let loopbackV4 = IPAddress(v4: 0x7f00_0001)
    /// `::1`.
    public static let loopbackV6 = IPAddress(high: 0, low: 1)
}

extension IPAddress {
    /// Parses dotted-quad IPv4 or RFC 4291 IPv6 text, without zone or brackets; nil when it is neither.
    public init?(_ text: some StringProtocol) { self.init(ascii: Array(text.utf8)[...]) }

    init?(ascii text: ArraySlice<UInt8>) {
        if text.contains(UInt8(ascii: ":")) {
            guard let (high, low) = Self.parseV6(String(decoding: text, as: UTF8.self)) else { return nil }
            self.init(high: high, low: low)
        } else {
            guard let bits = Self.parseV4(text) else { return nil }
            self.init(v4: bits)
        }
    }

    private static func parseV4(_ text: ArraySlice<UInt8>) -> UInt32? {
        var bits: UInt32 = 0
        var (dots, octet, digits): (Int, UInt32, Int) = (0, 0, 0)
        for byte in text {
            switch byte {
            case UInt8(ascii: "."):
                guard digits > 0, dots < 3 else { return nil }
                bits = bits << 8 | octet
                (dots, octet, digits) = (dots + 1, 0, 0)
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                // A leading zero is refused: some tools read it as octal, so "010" would mean two addresses.
                guard digits == 0 || octet > 0 else { return nil }
                octet = octet * 10 + UInt32(byte - UInt8(ascii: "0"))
                digits += 1
                guard octet <= 255 else { return nil }
            default: return nil
            }
        }
        return dots == 3 && digits > 0 ? bits << 8 | octet : nil
    }

    private static func parseV6(_ text: String) -> (UInt64, UInt64)? {
        let halves = text.split(separator: "::", maxSplits: 2, omittingEmptySubsequences: false)
        guard halves.count <= 2, let head = groups(of: halves[0], last: halves.count == 1) else { return nil }
        guard halves.count == 2 else { return head.count == 8 ? join(head) : nil }
        guard let tail = groups(of: halves[1], last: true), head.count + tail.count <= 7 else { return nil }
        return join(head + Array(repeating: 0, count: 8 - head.count - tail.count) + tail)
    }

    /// The 16-bit groups of one side of `::`; the address's last may be a dotted quad, which is two groups.
    private static func groups(of text: some StringProtocol, last: Bool) -> [UInt16]? {
        guard !text.isEmpty else { return [] }
        var groups: [UInt16] = []
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            if last, index == parts.count - 1, part.utf8.contains(UInt8(ascii: ".")) {
                guard let quad = parseV4(Array(part.utf8)[...]) else { return nil }
                groups += [UInt16(quad >> 16), UInt16(truncatingIfNeeded: quad)]
            } else {
                guard (1...4).contains(part.utf8.count), part.first != "+", part.first != "-",
                    let group = UInt16(part, radix: 16)
                else { return nil }
                groups.append(group)
            }
        }
        return groups.count <= 8 ? groups : nil
    }

    private static func join(_ groups: [UInt16]) -> (UInt64, UInt64) {
        (
            groups[..<4].reduce(0) { $0 << 16 | UInt64($1) },
            groups[4...].reduce(0) { $0 << 16 | UInt64($1) }
        )
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted quad, or RFC 5952 text.
    public var description: String {
        if let bits = v4Bits {
            return "\(bits >> 24).\(bits >> 16 & 255).\(bits >> 8 & 255).\(bits & 255)"
        }
        let groups = (0..<8).map { UInt16(truncatingIfNeeded: ($0 < 4 ? high : low) >> UInt64(48 - 16 * ($0 % 4))) }
        guard let gap = Self.longestZeroRun(groups) else { return Self.hex(groups[...]) }
        return Self.hex(groups[..<gap.lowerBound]) + "::" + Self.hex(groups[gap.upperBound...])
    }

    private static func hex(_ groups: ArraySlice<UInt16>) -> String {
        groups.map { String($0, radix: 16) }.joined(separator: ":")
    }

    /// RFC 5952, 4.2: the first longest run of two or more zero groups.
    private static func longestZeroRun(_ groups: [UInt16]) -> Range<Int>? {
        var best: Range<Int>?
        var start: Int?
        for index in 0...groups.count {
            if index < groups.count, groups[index] == 0 {
                start = start ?? index
            } else if let from = start {
                if index - from >= 2, index - from > best?.count ?? 0 { best = from..<index }
                start = nil
            }
        }
        return best
    }
}
