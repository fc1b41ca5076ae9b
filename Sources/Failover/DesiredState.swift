import Model

/// What the rules are to do with new connections: the outcome of everything the guard knows.
public struct DesiredState: Sendable, Equatable, Codable {
    /// Whether new connections are led past the local proxy though it listens.
    public var isLocalTaken: Bool
    /// Whether protected hosts' new connections are reset: the local proxy hangs, so it can stand in for nobody.
    public var refusesProtectedHosts: Bool
    /// Names of the remotes that connections may be sent to, in the configuration's order.
    public var remotes: [String]
    /// Names of the remotes that keep the connections they have, and get no others.
    public var kept: [String]

    /// A state.
    public init(
        isLocalTaken: Bool, refusesProtectedHosts: Bool = false, remotes: [String], kept: [String] = []
    ) {
        self.isLocalTaken = isLocalTaken
        self.refusesProtectedHosts = refusesProtectedHosts
        self.remotes = remotes
        self.kept = kept
    }

    /// Where connections that pods open go that meet no listener, or may not.
    public func answer(_ policy: [Configuration.Failover.Answer]) -> Configuration.Failover.Answer {
        policy.first { $0 != .remote || !remotes.isEmpty } ?? .drop
    }
}
