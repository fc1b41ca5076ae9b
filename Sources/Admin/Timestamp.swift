/// RFC 3339 text in UTC. Written by hand because Foundation's formatters cost microseconds and locale data per line.
public enum Timestamp {
    /// `2026-11-22T13:00:00.123Z`, exact for the years 1677...2262, which is all that 64 bits of nanoseconds hold.
    public static func milliseconds(unixNanoseconds: Int64) -> String {
        var bytes: [UInt8] = []
        append(unixNanoseconds: unixNanoseconds, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// `2026-11-22T13:00:00Z`.
    public static func seconds(unixSeconds: Int64) -> String {
        let days = unixSeconds.flooredDivision(by: 86400)
        var bytes: [UInt8] = []
        appendDate(days: days, to: &bytes)
        appendTime(secondOfDay: unixSeconds - days * 86400, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
        return String(decoding: bytes, as: UTF8.self)
    }

    static func append(unixNanoseconds: Int64, to bytes: inout [UInt8]) {
        let seconds = unixNanoseconds.flooredDivision(by: 1_000_000_000)
        let days = seconds.flooredDivision(by: 86400)
        appendDate(days: days, to: &bytes)
        appendTime(secondOfDay: seconds - days * 86400, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        // The product overflows only for the earliest instants of 1677, where wrapping still gives the difference.
        appendDigits((unixNanoseconds &- seconds &* 1_000_000_000) / 1_000_000, width: 3, to: &bytes)
        bytes.append(UInt8(ascii: "Z"))
    }

    /// The proleptic Gregorian date of a day number, by counting from 1 March so that leap days come last.
    private static func appendDate(days: Int64, to bytes: inout [UInt8]) {
        let shifted = days + 719_468
        let era = shifted.flooredDivision(by: 146_097)
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let month = (5 * dayOfYear + 2) / 153
        let calendarMonth = month < 10 ? month + 3 : month - 9
        appendDigits(yearOfEra + era * 400 + (calendarMonth <= 2 ? 1 : 0), width: 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(calendarMonth, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(dayOfYear - (153 * month + 2) / 5 + 1, width: 2, to: &bytes)
    }

    private static func appendTime(secondOfDay: Int64, to bytes: inout [UInt8]) {
        bytes.append(UInt8(ascii: "T"))
        appendDigits(secondOfDay / 3600, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(secondOfDay / 60 % 60, width: 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(secondOfDay % 60, width: 2, to: &bytes)
    }

    private static func appendDigits(_ value: Int64, width: Int, to bytes: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<width { divisor *= 10 }
        var rest = value.magnitude
        for _ in 0..<width {
            bytes.append(UInt8(ascii: "0") + UInt8(rest / UInt64(divisor) % 10))
            rest %= UInt64(divisor)
            divisor /= 10
        }
    }
}

extension Int64 {
    /// Division that rounds down, also for instants before 1970.
    fileprivate func flooredDivision(by divisor: Int64) -> Int64 {
        let (quotient, remainder) = quotientAndRemainder(dividingBy: divisor)
        return remainder < 0 ? quotient - 1 : quotient
    }
}
