import Model
import Synchronization

/// Whether the process should get traffic, and what its operator should know.
///
/// The wiring in `apusd` feeds it (`applied`, `refused`, `set`), the admin API asks. A *reason* makes the process
/// unready; a *warning* does not: a refused reload leaves a working configuration in place.
public final class Readiness: Sendable {
    /// How configurations have fared since the start.
    public struct Reloads: Sendable, Equatable {
        /// Configurations taken over, the first one included.
        public var applied = 0
        /// Configurations refused.
        public var refused = 0
        /// When the newest one was taken over, seconds since 1970; nil: none yet.
        public var lastAppliedUnixSeconds: Int64?
        /// The refusal that nothing has ended yet.
        public var refusal: Refusal?
        /// Fields whose new values wait for a restart.
        public var restartNeeded: [String] = []
    }

    /// A configuration that was not taken over.
    public struct Refusal: Sendable, Equatable {
        /// What is wrong with it, one line a problem.
        public var problems: [String]
        /// Seconds since 1970.
        public var unixSeconds: Int64
    }

    /// The instant that ages are measured at.
    public struct Now: Sendable {
        /// CLOCK_MONOTONIC, as in `WorkerCounter.heartbeatMilliseconds`.
        public var monotonicMilliseconds: Int
        /// Wall clock, seconds since 1970.
        public var unixSeconds: Int64

        /// An instant.
        public init(monotonicMilliseconds: Int, unixSeconds: Int64) {
            self.monotonicMilliseconds = monotonicMilliseconds
            self.unixSeconds = unixSeconds
        }
    }

    private struct State {
        var reloads = Reloads()
        var reasons: [String: String] = [:]
    }

    /// A worker whose last turn is longer ago than this makes the process unready. Workers wake several times a second,
    /// so a missed wake-up is forgiven.
    public static let heartbeatMillisecondsMax = 1000
    /// Problems of one refusal that are kept; the rest is counted.
    private static let problemsMax = 100

    private let state = Mutex(State())
    private let acceptsMarks: @Sendable () -> Bool

    /// Nothing applied, nothing refused. `acceptsMarks` says whether connections of protected hosts can be told apart.
    public init(acceptsMarks: @escaping @Sendable () -> Bool = Readiness.kernelAcceptsMarks) {
        self.acceptsMarks = acceptsMarks
    }

    /// A configuration is in force. Ends an earlier refusal.
    public func applied(restartNeeded: [String], at unixSeconds: Int64) {
        state.withLock {
            $0.reloads.applied += 1
            $0.reloads.lastAppliedUnixSeconds = unixSeconds
            $0.reloads.refusal = nil
            $0.reloads.restartNeeded = restartNeeded
        }
    }

    /// A configuration was refused; the running one stays.
    public func refused(_ problems: [String], at unixSeconds: Int64) {
        var kept = Array(problems.prefix(Self.problemsMax))
        if problems.count > kept.count { kept.append("and \(problems.count - kept.count) more") }
        state.withLock {
            $0.reloads.refused += 1
            $0.reloads.refusal = Refusal(problems: kept, unixSeconds: unixSeconds)
        }
    }

    /// Sets (or with nil takes back) a reason of some other part of the process, told apart by `key`.
    public func set(reason: String?, for key: String) {
        state.withLock { $0.reasons[key] = reason }
    }

    /// How configurations have fared.
    public var reloads: Reloads { state.withLock { $0.reloads } }

    /// The answer of `GET /ready`.
    public func view(of proxy: any ProxyInspecting, now: Now) -> ReadinessView {
        let state = state.withLock { $0 }
        var reasons = Self.phaseReasons(proxy)
        if [.serving, .leaving, .draining].contains(proxy.phase) {
            reasons += Self.lateWorkers(proxy.workerStatistics, now.monotonicMilliseconds)
        }
        reasons += state.reloads.restartNeeded.map { "restart needed: \($0)" }
        reasons += state.reasons.sorted { $0.key < $1.key }.map(\.value)
        var warnings = state.reloads.refusal.map { Self.warnings($0, now.unixSeconds) } ?? []
        warnings += Self.hostWarnings(proxy.snapshot, acceptsMarks: acceptsMarks)
        return ReadinessView(
            ready: reasons.isEmpty, reasons: reasons, warnings: warnings,
            workers: Self.heartbeats(proxy.workerStatistics, now.monotonicMilliseconds))
    }

    private static func phaseReasons(_ proxy: any ProxyInspecting) -> [String] {
        switch proxy.phase {
        case .starting: ["starting: not every listener is bound yet"]
        case .serving: proxy.snapshot == nil ? ["no configuration yet"] : []
        case .leaving: ["draining: protected hosts are told; new connections are accepted until they go elsewhere"]
        case .draining: ["draining: no new connections are accepted"]
        case .stopped: ["stopped"]
        }
    }

    private static func lateWorkers(_ workers: [WorkerStatistics], _ now: Int) -> [String] {
        workers.enumerated().compactMap { index, worker in
            let heartbeat = worker.worker.value(slot: 0, counter: WorkerCounter.heartbeatMilliseconds.rawValue)
            guard heartbeat != 0 else { return "worker \(index): no progress since the start" }
            let age = now - heartbeat
            guard age > heartbeatMillisecondsMax else { return nil }
            return "worker \(index): no progress for \(age / 1000).\(age % 1000 / 100) s"
        }
    }

    private static func heartbeats(_ workers: [WorkerStatistics], _ now: Int) -> [ReadinessView.Worker] {
        workers.enumerated().map { index, worker in
            let heartbeat = worker.worker.value(slot: 0, counter: WorkerCounter.heartbeatMilliseconds.rawValue)
            return ReadinessView.Worker(
                worker: index, heartbeatAgeMilliseconds: heartbeat == 0 ? nil : max(0, now - heartbeat),
                turns: worker.worker.value(slot: 0, counter: WorkerCounter.turns.rawValue))
        }
    }

    private static func warnings(_ refusal: Refusal, _ now: Int64) -> [String] {
        let time = Timestamp.seconds(unixSeconds: refusal.unixSeconds)
        let age = max(0, now - refusal.unixSeconds)
        let head = "configuration refused at \(time), \(age) s ago: the running one stays: "
        return refusal.problems.isEmpty ? [head + "no details"] : refusal.problems.map { head + $0 }
    }
}

/// The answer of `GET /ready`.
public struct ReadinessView: Codable, Sendable, Equatable {
    /// Whether there is no reason against traffic.
    public var ready: Bool
    /// Why not.
    public var reasons: [String]
    /// What an operator should look at all the same.
    public var warnings: [String]
    /// How each worker fares, in worker order. Hung ones are those whose ages grow; the guard looks here.
    public var workers: [Worker]

    /// One worker's heartbeat.
    public struct Worker: Codable, Sendable, Equatable {
        /// Its number.
        public var worker: Int
        /// Since its last turn; absent before the first. An idle worker of an intercepting process turns every 100 ms.
        public var heartbeatAgeMilliseconds: Int?
        /// Turns since the start.
        public var turns: Int

        /// A heartbeat.
        public init(worker: Int, heartbeatAgeMilliseconds: Int?, turns: Int) {
            self.worker = worker
            self.heartbeatAgeMilliseconds = heartbeatAgeMilliseconds
            self.turns = turns
        }
    }
}
