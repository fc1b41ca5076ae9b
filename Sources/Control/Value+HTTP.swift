import Model
import Patterns

/// Texts that become part of requests and responses.
extension Value {
    /// The name of a header field, in lower case.
    func headerName() -> String? {
        let name = parsed("the name of a header field, such as x-user") { text in
            Self.isToken(text) ? text.lowercased() : nil
        }
        return name
    }

    /// The name of a header field that rules may change.
    func changeableHeaderName() -> String? {
        guard let name = headerName() else { return nil }
        if name == "host" {
            fail("\"host\" is the request's host, expected rewrite.host instead")
        } else if Self.connectionHeaders.contains(name) {
            fail("\"\(name)\" belongs to the connection or to the framing of the body, expected another header field")
        }
        return name
    }

    /// RFC 9110 7.6.1, and what says where a body ends.
    static let connectionHeaders: Set<String> = [
        "connection", "content-length", "http2-settings", "keep-alive", "proxy-connection", "te", "trailer",
        "transfer-encoding", "upgrade",
    ]

    func parameterName() -> String? {
        parsed("the name of a parameter as it stands in the query, such as debug") { text in
            let isName = !text.isEmpty && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7F && !"&=#".utf8.contains($0) }
            return isName && text.utf8.count <= Self.nameBytesMax ? text : nil
        }
    }

    /// A method. They are case-sensitive, and almost all are in capitals.
    func method() -> String? {
        guard let name = parsed("a method, such as GET", { Self.isToken($0) ? $0 : nil }) else { return nil }
        let standard = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
        if !standard.contains(name), standard.contains(name.uppercased()) {
            fail("is \"\(name)\", expected \(name.uppercased()): methods are case-sensitive")
        }
        return name
    }

    /// A text that a header field or a parameter is compared with. May be empty in quotes.
    func fieldText() -> String? {
        guard let text = scalar("a text") else { return nil }
        guard Self.isFieldText(text) else {
            fail("has control characters or is longer than \(Self.textBytesMax) bytes, expected a text on one line")
            return nil
        }
        return text
    }

    /// A header field's value with variables.
    func template() -> HeaderTemplate? {
        guard let text = fieldText() else { return nil }
        do {
            let template = try HeaderTemplate(text)
            if template.parts.count <= Self.templatePartsMax { return template }
            fail("has \(template.parts.count) parts, expected \(Self.templatePartsMax) texts and variables at most")
        } catch {
            let names = HeaderTemplate.Variable.allCases.map { "%\($0.rawValue)%" }
            let expected = "expected \(Self.enumeration(names)), or %% for a percent sign"
            switch error {
            case .unclosed: fail("has a % without another one behind it, \(expected)")
            case .unknownVariable(let name): fail("%\(name.excerpt)% is no variable, \(expected)")
            }
        }
        return nil
    }

    /// A regular expression that compiles.
    func pattern() -> String? {
        guard let text = scalar("a regular expression") else { return nil }
        do throws(PatternFlaw) {
            _ = try Pattern(text)
            return text
        } catch {
            fail("is no regular expression, \(error.reason) at byte \(error.offset), expected PCRE2 syntax")
            return nil
        }
    }

    /// `HOST` or `HOST:PORT` to send somebody to.
    func host() -> String? {
        parsed("a host such as cart.shop, with :PORT if it matters") { text in
            Domain(text)?.kind == .exact ? text : nil
        }
    }

    /// A path as requests have it once they are normalised: with anything else no request would ever match.
    func requestPath() -> String? {
        guard let text = scalar("a path, such as /v2") else { return nil }
        if let flaw = Self.pathFlaw(text) {
            fail("is \"\(text.excerpt)\", \(flaw)")
            return nil
        }
        return text
    }

    private static func pathFlaw(_ text: String) -> String? {
        let bytes = Array(text.utf8)
        guard bytes.first == UInt8(ascii: "/") else { return "expected a path that begins with /" }
        guard bytes.count <= textBytesMax else { return "expected a path of \(textBytesMax) bytes at most" }
        guard bytes.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            return "expected other characters percent-encoded, as requests have them"
        }
        guard !bytes.contains(where: { "?#".utf8.contains($0) }) else {
            return "expected a path without query (see match.query)"
        }
        if text.split(separator: "/").contains(where: { $0 == "." || $0 == ".." }) {
            return "expected no . and .. segments: they are resolved before a request is matched"
        }
        return escapeFlaw(bytes)
    }

    private static func escapeFlaw(_ bytes: [UInt8]) -> String? {
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "%") {
            guard let code = hexadecimal(bytes[(index + 1)...].prefix(2)), code != 0 else {
                return "expected two hexadecimal digits after each %, and not 00"
            }
            if isUnreserved(code) {
                return "expected \(Character(UnicodeScalar(code))) itself: such escapes are decoded before a request "
                    + "is matched"
            }
        }
        return nil
    }

    private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt8? {
        guard digits.count == 2, digits.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }) else { return nil }
        return UInt8(String(decoding: digits, as: UTF8.self), radix: 16)
    }

    private static func isUnreserved(_ byte: UInt8) -> Bool {
        let character = Character(UnicodeScalar(byte))
        return byte < 0x80 && (character.isLetter || character.isNumber || "-._~".contains(character))
    }

    private static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.count <= nameBytesMax
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"):
                    true
                default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
                }
            }
    }

    private static func isFieldText(_ text: String) -> Bool {
        text.utf8.count <= textBytesMax && text.utf8.allSatisfy { $0 == 0x09 || $0 >= 0x20 && $0 != 0x7F }
    }

    private static let nameBytesMax = 256
    private static let templatePartsMax = 16
}
