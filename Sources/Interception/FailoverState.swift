import Model

/// What is known of the proxies right now, as far as the rules depend on it: made by the guard, rendered by `RulePlan`,
/// kept with the installation. The default is what a host without a guard has: the kernel alone decides by who listens.
public struct FailoverState: Sendable, Equatable, Codable {
    /// New connections of this host's pods are led past the local proxy though it listens (it hangs, or an operator wants
    /// it so): they follow `failover.policy`. Established ones stay.
    public var isLocalTaken: Bool
    /// New connections out of the tunnels of protected hosts are reset: the local proxy hangs, so it can stand in for
    /// nobody. Their guards see it by the same reset.
    public var refusesProtectedHosts: Bool
    /// Names of the remotes that may get connections; nil: all. Without any, the next answer of each policy holds.
    public var remotes: [String]?
    /// Names of those that may not, and keep the connections they have: they are leaving, or their hosts answer that nobody
    /// is there. nil: none.
    public var kept: [String]?
    /// Addresses of pods whose new connections are led past the local proxy to prove that the policy works.
    public var drilledPods: [String]

    /// A state.
    public init(
        isLocalTaken: Bool = false, refusesProtectedHosts: Bool = false, remotes: [String]? = nil,
        kept: [String]? = nil, drilledPods: [String] = []
    ) {
        self.isLocalTaken = isLocalTaken
        self.refusesProtectedHosts = refusesProtectedHosts
        self.remotes = remotes
        self.kept = kept
        self.drilledPods = drilledPods
    }

    /// What is not as on a host without a guard, for people; empty: nothing.
    public var lines: [String] {
        var lines: [String] = []
        if isLocalTaken { lines.append("new connections are led past the local proxy") }
        if refusesProtectedHosts { lines.append("connections of protected hosts are reset") }
        if let remotes { lines.append("usable remotes: \(remotes.isEmpty ? "none" : remotes.joined(separator: ", "))") }
        if let kept { lines.append("remotes that keep what they have: \(kept.joined(separator: ", "))") }
        if !drilledPods.isEmpty { lines.append("drilled pods: \(drilledPods.joined(separator: ", "))") }
        return lines
    }

    /// Whether a remote may get connections.
    func isUsable(_ remote: String) -> Bool { remotes?.contains(remote) ?? true }
}
