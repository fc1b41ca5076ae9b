/// How long the turns of a worker's loop took, from the end of one wait to the beginning of the next: columns of
/// `WorkerStatistics.turns`, a block at slot 0. First a count for each bucket, then the sum and the maximum.
///
/// A turn holds up every connection of its worker, so its length is a latency that all of them feel.
public enum TurnHistogram {
    /// Upper bounds of the buckets, nanoseconds, each included; one more bucket takes longer turns.
    public static let bounds = [
        100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000, 25_000_000, 100_000_000, 1_000_000_000,
    ]
    /// The column of longer turns. A constant instead of `bounds.count`, which is computed at each turn; a test compares.
    static var more: Int { 10 }
    /// The column with the sum of all turns, nanoseconds.
    public static var sum: Int { more + 1 }
    /// The column with the longest turn since the start, nanoseconds.
    public static var max: Int { more + 2 }
    /// Columns in a block.
    public static var width: Int { more + 3 }

    /// What a column is called between processes; nil: the maximum is true of one process.
    static func name(_ column: Int) -> String? {
        switch column {
        case max: nil
        case sum: "sum"
        case more: "more"
        default: "\(bounds[column]) ns"
        }
    }

    /// The column that counts turns of this length. A chain of compares: nearly every turn ends at the first.
    static func bucket(_ nanoseconds: Int) -> Int {
        switch nanoseconds {
        case ...100_000: 0
        case ...250_000: 1
        case ...500_000: 2
        case ...1_000_000: 3
        case ...2_500_000: 4
        case ...5_000_000: 5
        case ...10_000_000: 6
        case ...25_000_000: 7
        case ...100_000_000: 8
        case ...1_000_000_000: 9
        default: more
        }
    }
}

extension CounterBlock {
    /// Adds a turn that took so long, to a block of `TurnHistogram`. Only the worker calls this.
    public func addTurn(nanoseconds: Int64) {
        let length = Int(nanoseconds)
        add(1, TurnHistogram.bucket(length))
        add(length, TurnHistogram.sum)
        if length > value(TurnHistogram.max) { set(length, TurnHistogram.max) }
    }
}
