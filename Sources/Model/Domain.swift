/// A pattern for the host of a request, in lower case.
///
/// Of those of a table that match, the most specific one decides: an exact one, then the longest suffix, then the longest
/// prefix, then any; and of two that differ in the port only, the one that has it.
public struct Domain: Sendable, Hashable {
    /// How `text` is compared.
    public enum Kind: UInt8, Sendable, CaseIterable, BitwiseCopyable {
        /// `cart.shop`.
        case exact
        /// `*.cart.shop`: ends with what follows the star, and has more before it.
        case suffix
        /// `cart.*`: begins with what is before the star, and has more after it.
        case prefix
        /// `*`.
        case any
    }
    /// See `Kind`.
    public let kind: Kind
    /// Without the star; empty for `any`. An IPv6 address is in brackets.
    public let text: String
    /// nil: the request's port does not matter.
    public let port: UInt16?

    /// The longest text: what a DNS name may have.
    public static let bytesMax = 253

    /// Parses `cart.shop`, `*.cart.shop`, `cart.*` or `*`, each with or without `:PORT`; nil when it is none of them.
    public init?(_ pattern: String) {
        var text = Substring(pattern.lowercased())
        var port: UInt16?
        if let colon = text.lastIndex(of: ":"), !text.hasSuffix("]") {
            let digits = text[text.index(after: colon)...]
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = UInt16(digits),
                number > 0
            else { return nil }
            port = number
            text = text[..<colon]
        }
        if text == "*" {
            self.init(.any, "", port)
        } else if text.hasPrefix("*") {
            self.init(.suffix, text.dropFirst(), port)
        } else if text.hasSuffix("*") {
            self.init(.prefix, text.dropLast(), port)
        } else {
            self.init(.exact, text, port)
        }
        let isAddress = self.text.hasPrefix("[")
        let isHost =
            isAddress
            ? kind == .exact && self.text.hasSuffix("]") && IPAddress(self.text.dropFirst().dropLast()) != nil
            : self.text.utf8.allSatisfy(Self.isHostByte)
        guard isHost, self.text.isEmpty == (kind == .any), self.text.utf8.count <= Self.bytesMax else { return nil }
    }

    /// Every host.
    public static let any = Domain(.any, "", nil)

    private init(_ kind: Kind, _ text: Substring, _ port: UInt16?) {
        self.kind = kind
        self.text = String(text)
        self.port = port
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"),
            UInt8(ascii: "."), UInt8(ascii: "_"):
            true
        default: false
        }
    }
}

extension Domain: CustomStringConvertible {
    /// As it is written.
    public var description: String {
        let host =
            switch kind {
            case .exact: text
            case .suffix: "*" + text
            case .prefix: text + "*"
            case .any: "*"
            }
        return port.map { "\(host):\($0)" } ?? host
    }
}
