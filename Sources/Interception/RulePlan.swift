import Model

/// Everything that must be in a host's kernel so that its pods' connections reach the proxy, and those of protected hosts
/// too: a pure value, made from the configuration, the state of failover and a few facts about the host, and rendered to
/// text without looking at anything else.
///
/// The walks of packets through the rules, and why each chain is there, are in docs/design/interception.md.
public struct RulePlan: Sendable, Equatable {
    /// What of the configuration the plan follows.
    public let redirection: Redirection
    /// Which proxies may get connections.
    public let state: FailoverState
    /// Families with pods, IPv4 first. Nothing is written for others.
    public let families: [IPAddress.Family]
    /// The rule language.
    public let backend: Backend
    /// What the host has.
    public let host: HostFacts
    /// This host's tunnel to its remotes.
    public let ownTunnel: OwnTunnel?
    /// Tunnels to the hosts it stands in for.
    public let hostTunnels: [HostTunnel]

    /// The plan of `redirection` on a host.
    /// - Parameter backend: a backend the host has.
    /// - Throws: `InterceptionError.refused` with everything that cannot be turned into rules.
    public init(
        _ redirection: Redirection, state: FailoverState = FailoverState(), backend: Backend,
        host: HostFacts = HostFacts()
    ) throws(InterceptionError) {
        var problems: [String] = []
        let mark = redirection.interception.mark
        if !mark.isWellFormed {
            problems.append(
                "interception.mark: \(mark.value.hexadecimal)/\(mark.mask.hexadecimal): "
                    + "the mask must be three adjacent bits and the value the lowest of them")
        }
        let families = Self.families(of: redirection, hasIPv6: host.hasIPv6)
        if families.isEmpty {
            let place = redirection.isRemote ? "failover.protects" : "interception.podCIDRs"
            problems.append("\(place): no prefix of a family this host has")
        }
        ownTunnel = OwnTunnel(redirection, families, host, &problems)
        hostTunnels = HostTunnel.all(redirection, families, host, &problems)
        guard problems.isEmpty else { throw .refused(problems) }
        self.redirection = redirection
        self.state = state
        self.families = families
        self.backend = backend
        self.host = host
    }

    var interception: Configuration.Interception { redirection.interception }
    var failover: Configuration.Failover { redirection.failover }

    /// Sysctls that are set while the plan is installed.
    public var sysctls: [Sysctl] {
        (host.hasTCPMigration ? [.migrateRequests] : [])
            + (hostTunnels.isEmpty ? [] : Sysctl.ofRemotes(hasIPv6: host.hasIPv6))
    }

    /// Whose connections are taken: the pods of the configuration, and the synthetic ones of tests.
    func podPrefixes(_ family: IPAddress.Family) -> [CIDR] {
        prefixes(redirection.ownPrefixes + RuleProbe.clients, family)
    }

    /// Whether an exclusion of the configuration covers what a test of the rules dials.
    func excludesProbe(_ family: IPAddress.Family) -> Bool {
        let destination = RuleProbe.destination(family)
        return interception.excludeCIDRs.contains { $0.contains(destination.address) }
            || interception.excludeOutboundPorts.contains { $0.contains(destination.port) }
    }

    /// Prefixes of one family, without those that lie inside another one (intervals of a set must not overlap).
    func prefixes(_ list: [CIDR], _ family: IPAddress.Family) -> [CIDR] {
        let own = list.filter { $0.family == family }
        var kept: [CIDR] = []
        for (index, cidr) in own.enumerated() {
            let covered = own.enumerated().contains { other, wider in
                other != index && wider.overlaps(cidr)
                    && (wider.mappedLength < cidr.mappedLength || (wider == cidr && other < index))
            }
            if !covered { kept.append(cidr) }
        }
        return kept
    }

    private static func families(of redirection: Redirection, hasIPv6: Bool) -> [IPAddress.Family] {
        let prefixes = redirection.ownPrefixes + redirection.failover.protects.flatMap(\.podCIDRs)
        let present = Set(prefixes.map(\.family))
        return [.v4, .v6].filter { present.contains($0) && ($0 == .v4 || hasIPv6) }
    }
}
