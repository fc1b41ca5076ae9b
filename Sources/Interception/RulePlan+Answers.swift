import Model

/// What becomes of new connections that no local proxy takes.
extension RulePlan {
    /// The node's answer as things are.
    public var answer: Configuration.Failover.Answer { answer(failover.policy) }

    /// The first answer of a policy that can be given: `remote` needs a usable remote. A policy that has no other ends
    /// in a reset, never in connections that hang.
    func answer(_ policy: [Configuration.Failover.Answer]) -> Configuration.Failover.Answer {
        let hasRemote = !usableRemotes.isEmpty
        return policy.first { $0 != .remote || hasRemote } ?? (policy.isEmpty ? .direct : .drop)
    }

    /// Remotes that may get connections.
    var usableRemotes: [OwnTunnel.Remote] { ownTunnel?.remotes.filter { state.isUsable($0.name) } ?? [] }

    /// Whether connections are bound to the remote that has answered their SYN: with one, there is nobody else.
    var bindsToRemotes: Bool { ownTunnel.map { $0.remotes.count > 1 } ?? false }

    /// Remotes whose connections stay with them. Of one that is gone without a word, another one resets what is left.
    var keepingRemotes: [OwnTunnel.Remote] {
        guard bindsToRemotes else { return [] }
        return ownTunnel?.remotes.filter { state.isUsable($0.name) || state.kept?.contains($0.name) == true } ?? []
    }

    /// Addresses of own pods whose answer is not the node's, by answer and family, in order.
    func podAnswers(_ family: IPAddress.Family) -> [Configuration.Failover.Answer: [IPAddress]] {
        var found: [Configuration.Failover.Answer: Set<IPAddress>] = [:]
        for pod in redirection.podPolicies {
            let answer = answer(pod.policy)
            guard answer != self.answer else { continue }
            found[answer, default: []].formUnion(pod.addresses.filter { $0.family == family })
        }
        return found.filter { !$0.value.isEmpty }.mapValues { $0.sorted(by: IPAddress.precedes) }
    }

    /// Pods that a drill leads past the local proxy.
    func drilledPods(_ family: IPAddress.Family) -> [IPAddress] {
        Set(state.drilledPods.compactMap { IPAddress($0) }).filter { $0.family == family }.sorted(
            by: IPAddress.precedes)
    }

    /// What the plan cannot do as configured, one line each, for the operator.
    public var limitations: [String] { tunnelLimitations + xtablesLimitations }

    private var tunnelLimitations: [String] {
        guard ownTunnel != nil else { return [] }
        return [
            "through a remote, a cluster address that is passed through to a pod of this host does not meet that pod's "
                + "inbound table"
        ]
    }

    private var xtablesLimitations: [String] {
        guard case .iptables(_, .xtables) = backend else { return [] }
        let policy =
            switch answer {
            case .direct: "failover.policy direct: without nf_tables new connections time out while no proxy listens"
            case .drop: "failover.policy drop: without nf_tables new connections time out instead of being reset"
            case .remote:
                "failover.policy remote: without nf_tables new connections time out while no proxy listens, until the "
                    + "guard has switched the rules"
            }
        var lines = [
            policy,
            "connections a dead proxy left behind time out instead of being reset",
            "NodePort and the like: connections that the host translates to a local pod are not intercepted",
            "a cluster address passed through to a pod of this host does not meet that pod's inbound table",
            "the rules must stay before kube-proxy's in nat PREROUTING: check with redirect status",
        ]
        if !hostTunnels.isEmpty {
            lines.append("protected hosts: without nf_tables their connections time out instead of being reset")
        }
        return lines
    }
}

extension IPAddress {
    /// For a stable order: IPv4 as its mapped form.
    static func precedes(_ one: IPAddress, _ other: IPAddress) -> Bool {
        (one.high, one.low) < (other.high, other.low)
    }
}
