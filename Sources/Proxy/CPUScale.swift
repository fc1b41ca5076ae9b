/// Turns wall time measured around work into CPU time of the thread.
///
/// Asking for the thread's CPU time is a system call, so it is done once a second, or after 50 ms of work: what the thread
/// used meanwhile, over what was measured, is what a measured nanosecond counts for from then on. So the sum over pods
/// follows the thread's CPU: polling and timers are shared out in proportion, and time in which the thread did not run
/// does not count. A pure value.
struct CPUScale {
    private(set) var factor = 1.0
    private var measured: Int64 = 0
    private var since: Int64
    private var cpuThen: Int64

    private static let windowNanoseconds: Int64 = 1_000_000_000
    private static let workNanoseconds: Int64 = 50_000_000
    /// A second in which nearly nothing was measured says nothing of the next.
    private static let measuredMin: Int64 = 1_000_000
    /// A short burst in a second of idling must not be charged for the idling.
    private static let factorMax = 4.0

    init(now: Int64, cpu: Int64) {
        since = now
        cpuThen = cpu
    }

    /// CPU nanoseconds for work that took `nanoseconds`.
    mutating func take(_ nanoseconds: Int64) -> Int {
        measured += nanoseconds
        return Int(Double(nanoseconds) * factor)
    }

    func isDue(_ now: Int64) -> Bool {
        measured >= Self.workNanoseconds || now - since >= Self.windowNanoseconds
    }

    /// It is due; `cpu`: nanoseconds the thread has used so far.
    mutating func measure(now: Int64, cpu: Int64) {
        if measured >= Self.measuredMin {
            factor = min(Self.factorMax, Double(max(0, cpu - cpuThen)) / Double(measured))
        }
        measured = 0
        since = now
        cpuThen = cpu
    }
}
