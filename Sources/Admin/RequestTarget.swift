/// A request's path and query, decoded.
package struct RequestTarget: Sendable {
    /// As sent: no path of the API needs decoding.
    package let path: String
    /// The last value wins where a name occurs twice.
    package let query: [String: String]
    /// Every parameter, in order, for names that may occur more than once.
    let parameters: [(name: String, value: String)]

    /// nil for what is no origin-form target (RFC 9112, section 3.2.1) or has an invalid escape.
    package init?(_ target: String) {
        guard target.hasPrefix("/") else { return nil }
        let parts = target.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        path = String(parts[0])
        var parameters: [(name: String, value: String)] = []
        for pair in parts.count == 2 ? parts[1].split(separator: "&") : [] {
            let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decode(sides[0]), let value = Self.decode(sides.count == 2 ? sides[1] : "") else {
                return nil
            }
            parameters.append((name, value))
        }
        self.parameters = parameters
        query = Dictionary(parameters.map { ($0.name, $0.value) }) { $1 }
    }

    /// All values of a name.
    func all(_ name: String) -> [String] { parameters.filter { $0.name == name }.map(\.value) }

    /// Percent escapes (RFC 3986, section 2.1), and a plus for a space as forms have it: neither occurs in the names
    /// and addresses the API takes. nil for a broken escape or what is no UTF-8.
    private static func decode(_ text: Substring) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            switch byte {
            case UInt8(ascii: "%"):
                guard let high = rest.popFirst().flatMap(hexadecimal), let low = rest.popFirst().flatMap(hexadecimal)
                else { return nil }
                bytes.append(high << 4 | low)
            case UInt8(ascii: "+"): bytes.append(UInt8(ascii: " "))
            default: bytes.append(byte)
            }
        }
        return String(validating: bytes, as: UTF8.self)
    }

    private static func hexadecimal(_ byte: UInt8) -> UInt8? {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }
}
