import Model

/// What the guard thinks of one remote: a pure value. The first probe decides at once, later ones only in a row; a remote
/// that says it is leaving is believed at once.
public struct RemoteProxy: Sendable, Equatable {
    /// How a probe ended.
    public enum Outcome: Sendable, Equatable {
        /// A worker answered.
        case answered
        /// A worker answered that its process is about to end.
        case leaving
        /// Refused or broken off: the host is there.
        case refused
        /// Nothing came.
        case unanswered
    }

    /// Its name and where its end of the tunnel is.
    public let remote: Configuration.Remote
    /// Whether connections may be sent to it; nil: not asked yet.
    public private(set) var isHealthy: Bool?
    /// Whether its host answers at all. Connections that it has are left with it then: its proxy serves them to their end,
    /// or its kernel resets them.
    public private(set) var isReachable: Bool
    /// Since when it is as healthy as it is, nanoseconds.
    public private(set) var since: Int64
    private var against = 0
    private var unanswered = 0

    /// A remote as the rules in force have it; nil: they do not know it.
    public init(_ remote: Configuration.Remote, isHealthy: Bool?, isReachable: Bool = true, now: Int64) {
        self.remote = remote
        self.isHealthy = isHealthy
        self.isReachable = isReachable
        since = now
    }

    /// A probe has ended; true when this changes whether connections are sent to it.
    public mutating func probed(_ outcome: Outcome, _ settings: Configuration.Probe, now: Int64) -> Bool {
        unanswered = outcome == .unanswered ? unanswered + 1 : 0
        if unanswered == 0 { isReachable = true } else if unanswered >= settings.unhealthyAfter { isReachable = false }
        let isAnswered = outcome == .answered
        guard let isHealthy else { return become(isAnswered, now) }
        if outcome == .leaving, isHealthy { return become(false, now) }
        against = isAnswered == isHealthy ? 0 : against + 1
        let limit = isHealthy ? settings.unhealthyAfter : settings.healthyAfter
        return against >= limit ? become(isAnswered, now) : false
    }

    private mutating func become(_ healthy: Bool, _ now: Int64) -> Bool {
        isHealthy = healthy
        against = 0
        since = now
        return true
    }
}
