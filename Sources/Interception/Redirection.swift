import Model

/// What of a configuration the rules depend on. Two configurations with the same `Redirection` have the same rules.
public struct Redirection: Sendable, Equatable {
    /// Ports, own pods' prefixes, exclusions, the mark field.
    public var interception: Configuration.Interception
    /// Policy, remotes, tunnels, protected hosts.
    public var failover: Configuration.Failover
    /// Whether this host only stands in for others: it has no pods of its own then.
    public var isRemote: Bool
    /// Own pods that have another policy than the node.
    public var podPolicies: [PodPolicy]

    /// A pod's own answers.
    public struct PodPolicy: Sendable, Equatable {
        /// Its addresses.
        public var addresses: [IPAddress]
        /// In order of preference.
        public var policy: [Configuration.Failover.Answer]

        /// A policy.
        public init(addresses: [IPAddress], policy: [Configuration.Failover.Answer]) {
            self.addresses = addresses
            self.policy = policy
        }
    }

    /// A redirection.
    public init(
        interception: Configuration.Interception, failover: Configuration.Failover = Configuration.Failover(),
        isRemote: Bool = false, podPolicies: [PodPolicy] = []
    ) {
        self.interception = interception
        self.failover = failover
        self.isRemote = isRemote
        self.podPolicies = podPolicies
    }

    /// That of a configuration; nil without an `interception` section: there is nothing to install.
    public init?(_ configuration: Configuration) {
        guard let interception = configuration.interception else { return nil }
        let pods = configuration.pods.filter { $0.host == 0 }
        self.init(
            interception: interception, failover: configuration.failover,
            isRemote: configuration.node.mode == .remote,
            podPolicies: pods.compactMap { pod in
                pod.failoverPolicy.map { PodPolicy(addresses: pod.addresses, policy: $0) }
            })
    }

    /// Prefixes of this host's own pods.
    var ownPrefixes: [CIDR] { isRemote ? [] : interception.podCIDRs }

    /// Whether some new connection may have to go through a tunnel to a remote.
    var needsOwnTunnel: Bool {
        guard !isRemote, !failover.remotes.isEmpty else { return false }
        return failover.policy.first == .remote || podPolicies.contains { $0.policy.first == .remote }
    }
}
