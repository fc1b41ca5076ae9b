import Model

/// What the guard's thread knows, for status and metrics.
struct GuardView: Sendable {
    /// See `FailoverMachine`.
    var machine: FailoverMachine
    /// Processes that listen, and how many sockets they have.
    var processes: [Int32] = []
    var socketCount = 0
    /// Workers whose ports are known.
    var workers: [Int] = []
    /// Whether the guard can probe at all.
    var hasPod = false
    /// Whether the rules are known to be as desired.
    var isSettled = false
    /// Probes by outcome, since the start.
    var answered = 0, unanswered = 0, refused = 0, excused = 0
    /// Of the latest answer.
    var generation: UInt64?
    /// From SYN to answer, of the latest one, nanoseconds.
    var latestAnswer: Int64?
    var kills = 0
    var changes = 0
    /// Times that news of the kernel got lost.
    var overruns = 0
    /// Rounds in which the guard itself ran late.
    var lateRounds = 0
    /// The monotonic clock when this was true.
    var now: Int64 = 0
}
