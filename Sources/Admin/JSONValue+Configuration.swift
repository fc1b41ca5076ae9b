import Model

/// Values as a configuration file has them.
extension JSONValue {
    static func descriptions(_ values: [some CustomStringConvertible]) -> JSONValue {
        .array(values.map { .string($0.description) })
    }

    /// A single port is a number, a range is text, as in the file.
    static func ports(_ ports: [PortRange]) -> JSONValue {
        .array(ports.map { $0.count == 1 ? .int(Int($0.first)) : .string($0.description) })
    }

    static func hexadecimal(_ value: UInt32) -> JSONValue { .string("0x" + String(value, radix: 16)) }

    /// The largest unit that leaves a whole number, as the file would have it.
    static func duration(_ duration: Duration) -> JSONValue {
        let nanoseconds = duration.nanoseconds
        let units: [(Int64, String)] = [
            (3_600_000_000_000, "h"), (60_000_000_000, "m"), (1_000_000_000, "s"), (1_000_000, "ms"), (1000, "us"),
        ]
        for (unit, name) in units where nanoseconds != 0 && nanoseconds % unit == 0 {
            return .string("\(nanoseconds / unit)\(name)")
        }
        return .string(nanoseconds == 0 ? "0s" : "\(nanoseconds)ns")
    }

    /// Of 100, from a share 0...1; a whole number where it is one.
    static func percent(_ share: Double) -> JSONValue {
        // Shares come from percentages with few digits: what division left behind is rounded away.
        let percent = (share * 100_000_000).rounded() / 1_000_000
        return percent == percent.rounded() ? .int(Int(percent)) : .double(percent)
    }

    static func bytes(_ count: Int) -> JSONValue {
        let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")]
        for (unit, name) in units where count != 0 && count % unit == 0 { return .string("\(count / unit)\(name)") }
        return .string("\(count)B")
    }
}
