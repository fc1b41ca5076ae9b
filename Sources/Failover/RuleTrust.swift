/// Whether what a probe meets may be held against the proxy: a pure value, with the time passed in (nanoseconds).
///
/// While the rules may be wrong a probe proves nothing. But rules that nobody can put right (somebody else's stand in the
/// way, a tool fails, others change them all the time) must not blind the guard: after a while what happens to probes is
/// what happens to pods, and is judged.
struct RuleTrust: Sendable, Equatable {
    /// A doubt excuses probes for no longer.
    static let patience: Int64 = 2_000_000_000
    /// Doubts that come sooner after the end of the one before belong to that.
    static let calm: Int64 = 1_000_000_000

    /// Whether the rules are known to be right.
    private(set) var isSettled = false
    private var isInstalled = false
    private var doubtedSince: Int64?
    private var settledAt: Int64 = 0

    /// They were found right, or as right as can be.
    mutating func settled(now: Int64) {
        isInstalled = true
        if !isSettled { settledAt = now }
        isSettled = true
    }

    /// There are some.
    mutating func installed(now: Int64) {
        isInstalled = true
        doubt(now: now)
    }

    /// There are none: nothing that happens is a proxy's fault.
    mutating func gone() {
        isInstalled = false
        isSettled = false
        doubtedSince = nil
    }

    /// They may be wrong from now on.
    mutating func doubt(now: Int64) {
        if doubtedSince == nil || (isSettled && now - settledAt >= Self.calm) { doubtedSince = now }
        isSettled = false
    }

    /// Whether probes prove nothing now.
    func isExcusing(now: Int64) -> Bool {
        guard isInstalled else { return true }
        guard !isSettled, let doubtedSince else { return false }
        return now - doubtedSince < Self.patience
    }
}
