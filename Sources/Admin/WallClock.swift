import FoundationEssentials

/// The host's wall clock.
enum WallClock {
    /// Nanoseconds since 1970, with the microsecond precision of a double.
    static func unixNanoseconds() -> Int64 { Int64(Date().timeIntervalSince1970 * 1e9) }

    /// Whole seconds since 1970.
    static func unixSeconds() -> Int64 { Int64(Date().timeIntervalSince1970) }
}
