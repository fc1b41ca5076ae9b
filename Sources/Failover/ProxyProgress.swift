/// Whether a proxy that hangs gets anywhere: a pure value, with the time passed in (nanoseconds).
///
/// Heartbeats are the measure: a worker that spins uses CPU time, and serves nothing. Every worker has to turn, because one
/// that does not gets its share of the connections all the same. When the admin API does not answer (the process is
/// starved, or stopped) the workers' CPU time has to do; but not without end (`spun`): who has had a lot of it could have
/// answered.
struct ProxyProgress: Sendable, Equatable {
    /// Heartbeats older than this say nothing of now.
    static let freshness: Int64 = 2_000_000_000

    private var turns: [Int: Int] = [:]
    private var movedAt: [Int: Int64] = [:]
    private var heardAt: Int64?
    private var time: [String: UInt64] = [:]
    /// CPU time when the admin API was last heard of.
    private var timeWhenHeard: [String: UInt64] = [:]

    /// How many turns each worker has made.
    mutating func heard(_ found: [Int: Int], now: Int64) {
        if Set(found.keys) != Set(turns.keys) { movedAt = [:] }
        for (worker, count) in found where movedAt[worker] == nil || turns[worker] != count { movedAt[worker] = now }
        turns = found
        heardAt = now
        timeWhenHeard = time
    }

    /// - Parameter used: CPU time of each worker's thread, nanoseconds.
    /// - Returns: when the proxy last got on, as far as can be told; nil: nothing new.
    mutating func latest(used: [String: UInt64], now: Int64) -> Int64? {
        let hasRun = used != time
        time = used
        if Set(timeWhenHeard.keys) != Set(used.keys) { timeWhenHeard = used }
        if let heardAt, now - heardAt < Self.freshness, let slowest = movedAt.values.min() { return slowest }
        return hasRun ? now : nil
    }

    /// CPU time that one worker has had since the admin API last answered, nanoseconds; that of the one with the most. The
    /// kernel shares out time among a process's threads: the one that answers has had some, too.
    var spun: Int64 {
        let spent = time.compactMap { thread, used in timeWhenHeard[thread].map { used >= $0 ? used - $0 : 0 } }
        return Int64(clamping: spent.max() ?? 0)
    }
}
