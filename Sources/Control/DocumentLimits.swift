/// Bounds on what a configuration document may cost to read. A node with 10,000 pods of five entries each needs 4 MiB
/// and 500,000 nodes; reading it takes a few seconds of one control thread.
enum DocumentLimits {
    /// Size of the text.
    static let bytesMax = 64 << 20
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
