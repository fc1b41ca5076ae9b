import Syscalls

/// What a blocked direction of a tunnel is charged for: its chunk, what its source's socket has received, what its
/// sink's has not sent. A pure value; the worker keeps the sums (`Worker.charge`).
///
/// Bulk traffic blocks a thousand times a second for some microseconds, so the sockets are asked at most every
/// `sampleNanoseconds`; in between the last answer holds.
struct Hold: BitwiseCopyable {
    /// Bytes now counted in the sums; 0: not blocked.
    private(set) var charged = 0
    /// Monotonic nanoseconds since when it is blocked.
    private var blockedSince: Int64 = 0
    /// The last answer, and when it came; `never`: not asked yet.
    private var received = 0
    private var sent = 0
    private var sampledAt = Hold.never
    /// The source's receive buffer has been made small.
    var isClamped = false

    private static let never = Int64.min / 2
    /// Between two looks at the sockets of one direction.
    static let sampleNanoseconds: Int64 = 10_000_000
    /// What a source may still send when nobody reads any more, before the answers show it: a full receive buffer, with
    /// the kernel's overhead, as memory that runs short leaves it.
    static let windowBytes = 128 << 10
    /// For so long a newly blocked direction counts as holding that much: a thousand that stall at once are seen at
    /// once, not when their buffers are full.
    static let windowNanoseconds: Int64 = 100_000_000

    /// Whether it is time to ask the sockets.
    func isDue(_ now: Int64) -> Bool { now - sampledAt >= Self.sampleNanoseconds }

    /// Takes in an answer of the sockets.
    mutating func sample(source: Socket.Memory?, sink: Socket.Memory?, _ now: Int64) {
        received = source?.received ?? 0
        sent = sink?.sent ?? 0
        sampledAt = now
    }

    /// Its tunnel has come from elsewhere: what its sockets hold has been there for a while, or is not much.
    mutating func arrive() { blockedSince = Self.never }

    /// It is blocked, with a chunk of `chunkBytes`: what the sums change by.
    mutating func block(chunkBytes: Int, _ now: Int64) -> Int {
        if charged == 0, blockedSince != Self.never { blockedSince = now }
        let window = now - blockedSince < Self.windowNanoseconds ? Self.windowBytes : 0
        // A blocked direction is never charged for nothing: charged is what says that it is blocked.
        let bytes = max(1, chunkBytes + max(received, window) + sent)
        defer { charged = bytes }
        return bytes - charged
    }

    /// It is not blocked any more, or gone: what the sums change by.
    mutating func release() -> Int {
        blockedSince = 0
        defer { charged = 0 }
        return -charged
    }
}
