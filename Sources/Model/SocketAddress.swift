/// An IP address and a TCP port.
public struct SocketAddress: Hashable, Sendable, BitwiseCopyable {
    /// The address, normalised.
    public var address: IPAddress
    /// The port, host byte order.
    public var port: UInt16

    /// An address and a port.
    @inlinable
    public init(_ address: IPAddress, _ port: UInt16) {
        self.address = address
        self.port = port
    }

    /// Parses `a.b.c.d:port` or `[v6]:port`; nil when it is neither.
    public init?(_ text: some StringProtocol) {
        // Bytes of a known type: a configuration has a hundred thousand of these, and generic text is ten times slower.
        let bytes = Array(text.utf8)
        guard let colon = bytes.lastIndex(of: UInt8(ascii: ":")), let port = Self.port(bytes[(colon + 1)...]) else {
            return nil
        }
        var host = bytes[..<colon]
        if host.first == UInt8(ascii: "["), host.last == UInt8(ascii: "]") {
            host = host.dropFirst().dropLast()
            guard host.contains(UInt8(ascii: ":")) else { return nil }
        } else if host.contains(UInt8(ascii: ":")) {
            return nil
        }
        guard let address = IPAddress(ascii: host) else { return nil }
        self.init(address, port)
    }

    /// Digits only: `+80` and ` 80` are no ports.
    private static func port(_ digits: ArraySlice<UInt8>) -> UInt16? {
        guard !digits.isEmpty else { return nil }
        var port = 0
        for digit in digits {
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(digit) else { return nil }
            port = port * 10 + Int(digit - UInt8(ascii: "0"))
            guard port <= UInt16.max else { return nil }
        }
        return UInt16(port)
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `a.b.c.d:port` or `[v6]:port`.
    public var description: String {
        address.isV4 ? "\(address):\(port)" : "[\(address)]:\(port)"
    }
}

extension Character {
    /// One of `0`...`9`. (`isNumber` also takes digits of other scripts.)
    var isASCIIDigit: Bool { ("0"..."9").contains(self) && isASCII }
}
