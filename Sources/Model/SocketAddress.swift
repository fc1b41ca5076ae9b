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
        guard let colon = text.lastIndex(of: ":") else { return nil }
        let digits = text[text.index(after: colon)...]
        guard let port = UInt16(digits), digits.allSatisfy(\.isASCIIDigit) else { return nil }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" {
            host = host.dropFirst().dropLast()
            guard host.contains(":") else { return nil }
        } else if host.contains(":") {
            return nil
        }
        guard let address = IPAddress(host) else { return nil }
        self.init(address, port)
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
