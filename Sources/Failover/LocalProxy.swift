import Model

/// What the guard thinks of this host's proxy: a pure value, told of probes and progress, with the time passed in
/// (nanoseconds of any monotonic clock).
///
/// Two troubles are told apart. Nobody listens: the kernel's rules fall through by themselves, so nothing is to be done
/// but to notice. It listens and does not answer: only the guard can tell, so new connections are taken away from it
/// first, and only a proxy that makes no progress at all is killed. One hung worker of several is enough, because it
/// gets its share of the connections whatever the others do.
public struct LocalProxy: Sendable, Equatable {
    /// How it fares.
    public enum State: String, Sendable, Codable, CaseIterable {
        /// Nothing speaks against it.
        case serving
        /// Nobody listens.
        case absent
        /// It takes connections and does not answer them.
        case hung
        /// It answers again after it hung, and has not yet done so for long enough.
        case returning
    }

    /// What a probe asks: probes of one lane are told apart from those of others.
    public enum Lane: Sendable, Hashable {
        /// One worker.
        case worker(Int)
        /// The worker behind a source port that was never answered.
        case port(UInt16)
        /// Whichever worker, by this family.
        case any(IPAddress.Family)
    }

    /// How a probe ended.
    public enum Outcome: Sendable, Equatable {
        /// A worker answered.
        case answered
        /// No answer in time.
        case unanswered
        /// Refused: nobody listens.
        case refused
    }

    /// Where it went, and why.
    public struct Change: Sendable, Equatable {
        /// The states.
        public var from, to: State
        /// For people.
        public var reason: String
        /// How long it had been in the state before, nanoseconds.
        public var after: Int64
    }

    private struct Streak: Sendable, Equatable {
        var answered = 0
        var unanswered = 0
    }

    /// How it fares now.
    public private(set) var state: State
    /// Since when, nanoseconds.
    public private(set) var since: Int64
    /// See `BackOff`.
    public private(set) var backOff = BackOff()
    private var lastProgress: Int64
    private var lanes: [Lane: Streak] = [:]
    /// The latest outcome by family: it is absent when it is for all of them.
    private var refusals: [IPAddress.Family: Bool] = [:]
    private var settings: Configuration.Probe

    /// Lanes that are kept: workers, and ports nobody answered.
    private static let lanesMax = 1024

    /// A proxy that serves, or one that the rules in force are already leading past.
    public init(_ settings: Configuration.Probe, isTaken: Bool, now: Int64) {
        self.settings = settings
        state = isTaken ? .hung : .serving
        since = now
        lastProgress = now
    }

    /// Takes new settings.
    public mutating func set(_ settings: Configuration.Probe) { self.settings = settings }

    // MARK: events

    /// A probe has ended.
    public mutating func probed(
        _ lane: Lane, _ family: IPAddress.Family, _ outcome: Outcome, now: Int64
    ) -> Change? {
        refusals[family] = outcome == .refused
        switch outcome {
        case .refused: return refused(now)
        case .answered:
            // Each worker that answers is one that can be reached by the family.
            if lane != .any(family), lanes[.any(family)] != nil { _ = answered(.any(family), now) }
            return answered(lane, now)
        case .unanswered: return unanswered(lane, now)
        }
    }

    /// It got on at this time, however slowly (see `ProxyProgress`).
    public mutating func progressed(now: Int64) { lastProgress = max(lastProgress, now) }

    /// Nobody listens, as another source than a probe tells: with xt TPROXY a probe is not refused then, but dropped.
    public mutating func gone(now: Int64) -> Change? {
        guard state != .absent else { return nil }
        // A hang has been counted as a failure already.
        if state == .serving { backOff.failed(now: now) }
        lanes = [:]
        return go(.absent, "nobody listens", now)
    }

    /// Another process, or another number of workers: what was known of lanes is of no use.
    public mutating func changed() { lanes = [:] }

    /// The process has been sent SIGKILL.
    public mutating func killed(now: Int64) { lastProgress = now }

    // MARK: what follows

    /// Whether the rules lead new connections past it.
    ///
    /// - Parameter fallsThrough: whether the rules do so by themselves while nobody listens.
    public func isTaken(fallsThrough: Bool, now: Int64) -> Bool {
        switch state {
        case .hung, .returning: true
        case .absent: !fallsThrough || backOff.isActive(now: now)
        case .serving: backOff.isActive(now: now)
        }
    }

    /// Whether it hangs and has not moved for so long that it is to be killed.
    ///
    /// - Parameter spun: CPU time that a worker has had since anything was heard of the process.
    public func mustBeKilled(spun: Int64 = 0, now: Int64) -> Bool {
        let limit = settings.killAfter.nanoseconds
        guard state == .hung, now - since >= limit else { return false }
        return now - lastProgress >= limit || spun >= limit
    }

    // MARK: steps

    private mutating func refused(_ now: Int64) -> Change? {
        guard refusals.values.allSatisfy(\.self) else { return nil }
        return gone(now: now)
    }

    private mutating func answered(_ lane: Lane, _ now: Int64) -> Change? {
        // Of a proxy that hangs, those workers answer that do not.
        if state != .hung { lastProgress = now }
        note(lane) {
            $0.answered += 1
            $0.unanswered = 0
        }
        switch state {
        case .serving: return nil
        case .absent: return go(.serving, "it answers", now)
        case .hung:
            guard lanes.values.allSatisfy({ $0.unanswered == 0 }) else { return nil }
            return go(.returning, "every worker that was asked answers", now)
        case .returning:
            guard lanes.values.allSatisfy({ $0.answered >= settings.healthyAfter }) else { return nil }
            return go(.serving, "answered \(settings.healthyAfter) times in a row", now)
        }
    }

    private mutating func unanswered(_ lane: Lane, _ now: Int64) -> Change? {
        note(lane) {
            $0.answered = 0
            $0.unanswered += 1
        }
        guard let streak = lanes[lane], streak.unanswered >= (state == .returning ? 1 : settings.unhealthyAfter),
            state != .hung
        else { return nil }
        let isFirst = state != .returning
        if isFirst { backOff.failed(now: now) }
        // Progress that was made before it hung says nothing now.
        lastProgress = max(lastProgress, now)
        for key in lanes.keys { lanes[key]?.answered = 0 }
        return go(.hung, "\(lane): no answer \(streak.unanswered) times in a row", now)
    }

    private mutating func note(_ lane: Lane, _ change: (inout Streak) -> Void) {
        guard lanes[lane] != nil || lanes.count < Self.lanesMax else { return }
        change(&lanes[lane, default: Streak()])
        // A port that is answered is its worker's from now on.
        if case .port = lane, lanes[lane]?.unanswered == 0 { lanes[lane] = nil }
    }

    private mutating func go(_ next: State, _ reason: String, _ now: Int64) -> Change {
        let change = Change(from: state, to: next, reason: reason, after: now - since)
        state = next
        since = now
        return change
    }
}

extension LocalProxy.Lane: CustomStringConvertible {
    /// `worker 1`, `the worker behind port 20001`, `any worker by IPv6`.
    public var description: String {
        switch self {
        case .worker(let index): "worker \(index)"
        case .port(let port): "the worker behind port \(port)"
        case .any(let family): "any worker by \(family == .v4 ? "IPv4" : "IPv6")"
        }
    }
}
