import Model

/// What the guard thinks of one remote: a pure value. The first probe decides at once, later ones only in a row.
public struct RemoteProxy: Sendable, Equatable {
    /// Its name and where its end of the tunnel is.
    public let remote: Configuration.Remote
    /// Whether connections may be sent to it; nil: not asked yet.
    public private(set) var isHealthy: Bool?
    /// Since when, nanoseconds.
    public private(set) var since: Int64
    private var against = 0

    /// A remote as the rules in force have it; nil: they do not know it.
    public init(_ remote: Configuration.Remote, isHealthy: Bool?, now: Int64) {
        self.remote = remote
        self.isHealthy = isHealthy
        since = now
    }

    /// A probe has ended; true when this changes what is thought of it.
    public mutating func probed(isAnswered: Bool, _ settings: Configuration.Probe, now: Int64) -> Bool {
        guard let isHealthy else { return become(isAnswered, now) }
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
