import Model

/// The addresses of one family that a name has, or why they are not known.
public enum DNSAnswer: Sendable, Equatable {
    /// In ascending order, each once; how long they may be used, in seconds.
    case addresses([IPAddress], ttl: Int)
    /// The name does not exist, or has no address of the family.
    case none
    /// No answer, or an error of the server: nothing is known.
    case failed(String)
}

/// What is asked for, one question each: either may be answered, late, or not at all, whatever the other is.
public enum DNSFamily: CaseIterable, Sendable {
    /// A and AAAA.
    case v4, v6

    /// The type of the record.
    public var record: String { self == .v4 ? "A" : "AAAA" }
}
