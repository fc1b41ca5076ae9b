import Model

/// Texts of all rules behind one another; equal ones once.
struct TextPool {
    private(set) var bytes: [UInt8] = []
    private var known: [String: IndexRange] = [:]

    /// The place of a text.
    mutating func add(_ text: String) -> IndexRange {
        if text.isEmpty { return .empty }
        if let range = known[text] { return range }
        let first = bytes.count
        bytes += text.utf8
        let range = IndexRange(first..<bytes.count)
        known[text] = range
        return range
    }
}
