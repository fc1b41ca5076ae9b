/// Bounds on what a configuration document may cost to read. Measured with 10,000 pods of three table entries
/// each: 3.7 MB of text, 2.0 s of one control thread, 120 MB until it is read.
enum DocumentLimits {
    /// Size of the text.
    static let bytesMax = 16 << 20
    /// Mappings and lists inside one another. The schema needs fewer than 16.
    static let depthMax = 64
    /// Nodes after aliases are unfolded.
    static let nodesMax = 4_000_000
    /// Entries that `<<` copies, in all.
    static let mergedEntriesMax = 1_000_000
    /// What `${NAME}` may add up to.
    static let substitutedBytesMax = 16 << 20
    /// Problems that are listed; the rest is a number.
    static let problemsListedMax = 200
    /// Mappings with a duplicate key that are listed with everything else. Each costs another parse (`DocumentParser`).
    static let duplicateKeysMax = 16
}
