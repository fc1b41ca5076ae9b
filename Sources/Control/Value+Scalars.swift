import Model

extension Value {
    /// The text of a scalar with a value.
    func scalar(_ expected: @autoclosure () -> String) -> String? {
        guard case .scalar(let text, _) = node.content, !isNull else {
            failKind(expected: expected())
            return nil
        }
        return text
    }

    /// A scalar that `parse` understands.
    func parsed<Result>(_ expected: @autoclosure () -> String, _ parse: (String) -> Result?) -> Result? {
        guard let text = scalar(expected()) else { return nil }
        let result = parse(text)
        if result == nil { failKind(expected: expected()) }
        return result
    }

    /// A name or another short text on one line.
    func text(_ expected: String = "a text") -> String? {
        guard let text = scalar(expected) else { return nil }
        let isLine = text.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x7F }
        guard !text.isEmpty, isLine, text.utf8.count <= Self.textBytesMax else {
            fail(
                text.isEmpty
                    ? "is empty, expected \(expected)" : "is too long or has control characters, expected \(expected)")
            return nil
        }
        return text
    }

    /// What fits a Linux path, which is more than a Kubernetes name needs.
    static let textBytesMax = 1024

    /// A name that others refer to and that appears in metrics and tables.
    func name() -> String? {
        guard let name = text("a name") else { return nil }
        guard name.utf8.count <= 253, name.utf8.allSatisfy({ $0 > 0x20 && $0 != 0x22 && $0 != 0x5C }) else {
            fail("is \"\(name.excerpt)\", expected a name of at most 253 bytes without spaces, \" and \\")
            return nil
        }
        return name
    }

    /// `true` or `false`; nothing else YAML 1.1 takes for a boolean.
    func boolean() -> Bool? {
        parsed("true or false") { $0 == "true" ? true : $0 == "false" ? false : nil }
    }

    func integer(_ range: ClosedRange<Int>) -> Int? {
        parsed("a whole number from \(range.lowerBound) to \(range.upperBound)") {
            Units.integer($0).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func duration(_ range: ClosedRange<Duration> = Self.timeouts) -> Duration? {
        let example = "a duration with a unit, such as 250ms, 5s or 1h"
        guard let value = parsed(example, Units.duration) else { return nil }
        guard range.contains(value) else {
            failKind(expected: "\(Self.text(range.lowerBound)) to \(Self.text(range.upperBound))")
            return nil
        }
        return value
    }

    /// What a timeout or an interval may be.
    static let timeouts: ClosedRange<Duration> = .milliseconds(1)...(.seconds(86400))
    /// What an idle timeout may be: an idle database session may be kept for days.
    static let idleTimeouts: ClosedRange<Duration> = .milliseconds(1)...(.seconds(365 * 86400))

    private static func text(_ duration: Duration) -> String {
        let (seconds, attoseconds) = duration.components
        if seconds >= 86400 { return "\(seconds / 86400)d" }
        return attoseconds == 0 ? "\(seconds)s" : "\(attoseconds / 1_000_000_000_000_000)ms"
    }

    /// Bytes, 1 KiB...1 TiB.
    func size() -> Int? {
        parsed("a size with a unit from 1KiB to 1024GiB, such as 64KiB or 512MiB") { text in
            Units.size(text).flatMap { (1 << 10...1 << 40).contains($0) ? $0 : nil }
        }
    }

    /// Bytes in a narrower range.
    func size(_ range: ClosedRange<Int>) -> Int? {
        parsed("a size with a unit from \(Units.bytes(range.lowerBound)) to \(Units.bytes(range.upperBound))") { text in
            Units.size(text).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    /// A share as a percentage, 0...1.
    func percent() -> Double? { parsed("a percentage from 0% to 100%, such as 50%", Units.share) }

    func port(_ range: ClosedRange<UInt16> = 1...65535) -> UInt16? {
        parsed("a port from \(range.lowerBound) to \(range.upperBound)") { text in
            Units.integer(text).flatMap(UInt16.init(exactly:)).flatMap { range.contains($0) ? $0 : nil }
        }
    }

    func portRange() -> PortRange? {
        parsed("a port or a range such as 8000-8999, from 1 to 65535") { text in
            PortRange(text).flatMap { $0.first > 0 ? $0 : nil }
        }
    }

    func address() -> IPAddress? { parsed("an IP address, such as 10.1.0.2 or fd01::2") { IPAddress($0) } }

    /// `IP:PORT` of something to listen on or to connect to.
    func socketAddress(portMin: UInt16) -> SocketAddress? {
        parsed("IP:PORT, such as 10.1.0.2:8080 or [fd01::2]:8080") { text in
            SocketAddress(text).flatMap { $0.port >= portMin ? $0 : nil }
        }
    }

    /// An address prefix with no bit set past its length.
    func prefix() -> CIDR? {
        guard let text = scalar("an address prefix, such as 10.1.0.0/24 or fd01::/64") else { return nil }
        if let prefix = CIDR(text) { return prefix }
        let parts = text.split(separator: "/", maxSplits: 1)
        if parts.count == 2, let address = IPAddress(parts[0]), let length = Units.integer(String(parts[1])),
            let prefix = CIDR(address, length: length)
        {
            fail("is \"\(text.excerpt)\", which has bits set past its length, expected \(prefix) or \(address)")
        } else {
            failKind(expected: "an address prefix, such as 10.1.0.0/24 or fd01::/64")
        }
        return nil
    }

    /// One of the names of an enumeration.
    func choice<Choice: CaseIterable & RawRepresentable>(_ type: Choice.Type) -> Choice?
    where Choice.RawValue == String {
        choice(among: type.allCases.map(\.rawValue)).flatMap(Choice.init(rawValue:))
    }

    /// One of `names`; `offered` are those that work in this build, when not all do.
    func choice(among names: [String], offered: [String]? = nil) -> String? {
        let expected = offered ?? names
        let text = expected.count > 1 ? "one of \(Self.enumeration(expected))" : Self.enumeration(expected)
        return parsed(text) { names.contains($0) ? $0 : nil }
    }
}
