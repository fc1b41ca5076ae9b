import HTTP
import Model

/// What a rule asks of a request, beside what its index entry has told already. Small: many are looked at.
struct MatchRecord: Sendable, BitwiseCopyable {
    /// Bit n: the method with raw value n.
    var methods: UInt16
    /// In `RouteView.conditions`.
    var conditions: IndexRange

    static let anyMethod: UInt16 = .max
}

/// One condition.
struct ConditionRecord: Sendable, BitwiseCopyable {
    /// Whose values are asked.
    enum Subject: UInt8, BitwiseCopyable {
        case header, host, query, path
        /// Only for methods without a bit of their own: one of `names`.
        case method
    }
    enum Test: UInt8, BitwiseCopyable { case exact, prefix, regex, present, absent, oneOf }

    var subject: Subject
    var test: Test
    /// Of a header, if it has one.
    var known = HeaderName.other
    /// Text of the name.
    var name = IndexRange.empty
    /// Text of the value; with `oneOf` a range of `RouteView.words`.
    var value = IndexRange.empty
    /// In `RouteView.patterns`.
    var pattern: Int32 = -1
}

/// The rules of a virtual host by their path.
struct HostRecord: Sendable, BitwiseCopyable {
    /// All rules, in order.
    var rules = IndexRange.empty
    /// In `RouteView.postings`: rules with a pattern for the path, or none.
    var unindexed = IndexRange.empty
    /// In `RouteView.lengths`, ascending: the lengths of its path prefixes.
    var prefixLengths = IndexRange.empty
    /// The longest exact path; -1: none.
    var exactBytesMax: Int32 = -1
}

/// One route table.
struct TableRecord: Sendable, BitwiseCopyable {
    /// In `RouteView.hosts`.
    var hosts = IndexRange.empty
    /// In `RouteView.lengths`, ascending: the lengths of suffixes and prefixes among its domains.
    var suffixLengths = IndexRange.empty
    var prefixLengths = IndexRange.empty
    /// Whether one of its domains is exact: a table for all domains is spared a hash.
    var hasExact = false
}
