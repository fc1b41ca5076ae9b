/// Numbers with a unit as the configuration writes them. Each returns nil for what is not such a number; bounds are
/// the caller's.
enum Units {
    /// `250ms`, `5s`, `1.5h`: a decimal number and one of us, ms, s, m, h, d. Exact to the nanosecond.
    static func duration(_ text: String) -> Duration? {
        let units: [(String, Int64)] = [
            ("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000),
            ("d", 86_400_000_000_000),
        ]
        return scaled(text, units: units).map { .nanoseconds($0) }
    }

    /// `64KiB`, `512MiB`: a decimal number and one of B, KiB, MiB, GiB; in bytes.
    static func size(_ text: String) -> Int? {
        scaled(text, units: [("B", 1), ("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)]).flatMap(
            Int.init(exactly:))
    }

    /// `50%`, `0.5%` as a share, 0...1.
    static func share(_ text: String) -> Double? {
        guard let millionths = scaled(text, units: [("%", 1_000_000)]), millionths <= 100_000_000 else { return nil }
        return Double(millionths) / 100_000_000
    }

    /// A whole number: `10`, not `010` (octal in some YAML), `1_000`, `1e3` or `+1`.
    static func integer(_ text: String) -> Int? {
        let digits = text.hasPrefix("-") ? text.dropFirst() : text[...]
        guard isDigits(digits), digits.count == 1 || digits.first != "0" else { return nil }
        return Int(text)
    }

    /// A 32-bit number, `16` or `0x10`.
    static func mark(_ text: String) -> UInt32? {
        guard text.hasPrefix("0x") || text.hasPrefix("0X") else {
            return integer(text).flatMap(UInt32.init(exactly:))
        }
        let digits = text.dropFirst(2)
        guard digits.utf8.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else { return nil }
        return UInt32(digits, radix: 16)
    }

    /// `64KiB`: the largest unit that leaves a whole number.
    static func bytes(_ count: Int) -> String {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        for (unit, name) in units where count != 0 && count % unit == 0 { return "\(count / unit)\(name)" }
        return "\(count)B"
    }

    /// `0x10`.
    static func hexadecimal(_ value: UInt32) -> String { "0x" + String(value, radix: 16) }

    private static func isDigits(_ text: Substring) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Decimal arithmetic: 0.1s is 100,000,000 ns, not 99,999,999.
    private static func scaled(_ text: String, units: [(String, Int64)]) -> Int64? {
        let number = text.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard let (_, factor) = units.first(where: { $0.0 == text[number.endIndex...] }) else { return nil }
        let parts = number.split(separator: ".", maxSplits: 1, omittingEmptySubsequences: false)
        guard let whole = parts.first, isDigits(whole), let units = Int64(whole) else { return nil }
        let (product, overflow) = units.multipliedReportingOverflow(by: factor)
        guard !overflow else { return nil }
        guard parts.count == 2 else { return product }
        guard isDigits(parts[1]), parts[1].count <= 9, let numerator = Int64(parts[1]) else { return nil }
        // Both factors are bounded: 10^9 x 86,400 x 10^9 needs more than 64 bits.
        let denominator = (0..<parts[1].count).reduce(Int64(1)) { power, _ in power * 10 }
        let (high, low) = factor.multipliedFullWidth(by: numerator)
        let fraction = denominator.dividingFullWidth((high, low)).quotient
        let (sum, sumOverflow) = product.addingReportingOverflow(fraction)
        return sumOverflow ? nil : sum
    }
}
