/// An address prefix. IPv4 prefixes are held as prefixes of the mapped form, so 96 is added to their length.
public struct CIDR: Hashable, Sendable, BitwiseCopyable {
    /// The first address of the prefix: bits past the length are zero.
    public let first: IPAddress
    /// Leading bits that count, 0...128, in the mapped form.
    public let mappedLength: UInt8

    /// The prefix of `length` bits (0...32 for IPv4, 0...128 for IPv6) that holds `address`; nil when too long.
    public init?(_ address: IPAddress, length: Int) {
        let bits = address.isV4 ? length + 96 : length
        guard length >= 0, bits <= 128 else { return nil }
        let mask = Self.mask(bits)
        first = IPAddress(high: address.high & mask.high, low: address.low & mask.low)
        mappedLength = UInt8(bits)
    }

    /// Parses `address/length`, or a bare address as a prefix of full length. Host bits that are set are an error
    /// (nil): they are nearly always a typing mistake in the length.
    public init?(_ text: some StringProtocol) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let address = IPAddress(parts[0]) else { return nil }
        let full = address.isV4 ? 32 : 128
        var length = full
        if parts.count == 2 {
            guard let number = Int(parts[1]), parts[1].allSatisfy(\.isASCIIDigit) else { return nil }
            length = number
        }
        self.init(address, length: length)
        guard first == address else { return nil }
    }

    /// The family of every address in it. `::/0` is IPv6: it holds no IPv4 address (see `contains`).
    public var family: IPAddress.Family { first.family }

    /// Prefix length in the family's own terms: 0...32 or 0...128.
    public var length: Int { family == .v4 ? Int(mappedLength) - 96 : Int(mappedLength) }

    /// Whether `address` is inside. An IPv6 prefix never holds an IPv4 address: `::/0` means all of IPv6.
    public func contains(_ address: IPAddress) -> Bool {
        let mask = Self.mask(Int(mappedLength))
        return address.high & mask.high == first.high && address.low & mask.low == first.low
            && address.isV4 == first.isV4
    }

    /// Whether the two share an address.
    public func overlaps(_ other: CIDR) -> Bool {
        mappedLength <= other.mappedLength ? contains(other.first) : other.contains(first)
    }

    private static func mask(_ bits: Int) -> (high: UInt64, low: UInt64) {
        // Swift's `<<` yields zero for a shift by the full width, which is what a length of 0 or 64 wants.
        (bits >= 64 ? .max : ~(UInt64.max >> UInt64(bits)), bits <= 64 ? 0 : ~(UInt64.max >> UInt64(bits - 64)))
    }
}

extension CIDR: CustomStringConvertible {
    /// `10.1.0.0/24`, `fd01::/64`.
    public var description: String { "\(first)/\(length)" }
}
