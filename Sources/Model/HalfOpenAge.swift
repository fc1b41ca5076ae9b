/// Columns of the histogram of half-open ages: how long connections had one direction ended and the other not.
public enum HalfOpenAge {
    /// Upper bounds of the buckets, nanoseconds: an ordinary close takes a round trip, a batch job's answer minutes.
    public static let bounds: [Int64] =
        [1_000_000, 10_000_000, 100_000_000]
        + [1, 10, 60, 300, 1800, 3600, 14400].map { $0 * 1_000_000_000 }
    /// The column that sums nanoseconds.
    public static let sumColumn = bounds.count + 1
    /// Columns: a bucket for each bound, one for what is past the last, and the sum.
    public static let width = bounds.count + 2

    /// What a bucket is called between processes: by its bound, which says what it means, not by its place.
    static func name(_ bucket: Int) -> String { bounds.indices.contains(bucket) ? "\(bounds[bucket]) ns" : "more" }

    /// The bucket of an age, nanoseconds.
    public static func column(_ age: Int64) -> Int { bounds.firstIndex { age <= $0 } ?? bounds.count }
}
