import Model

/// Everything that must be in a host's kernel so that its pods' connections reach the proxy: a pure value, made from the
/// configuration and a few facts about the host, and rendered to text without looking at anything else.
///
/// The walks of packets through the rules, and why each chain is there, are in docs/design/interception.md.
public struct RulePlan: Sendable, Equatable {
    /// Ports, pod prefixes, exclusions and the mark field.
    public let interception: Configuration.Interception
    /// What becomes of a new connection when no proxy listens.
    public let answer: Configuration.Failover.Answer
    /// Families with pods, IPv4 first. Nothing is written for others.
    public let families: [IPAddress.Family]
    /// The rule language.
    public let backend: Backend
    /// iptables sets whose filter table already has an INPUT chain: there intercepted packets are accepted first,
    /// because no verdict of an own table overrides somebody else's drop.
    public let hostFirewalls: [Xtables]
    /// iptables sets whose filter OUTPUT drops what it does not know: there what the proxy sends is accepted first. An
    /// OUTPUT that drops only what it names keeps its say over it.
    public let closedOutputs: [Xtables]
    /// Sysctls that are set while the plan is installed.
    public let sysctls: [Sysctl]

    /// The plan of `interception` on a host.
    /// - Parameters:
    ///   - backend: a backend the host has.
    ///   - hostFirewalls, closedOutputs: see the properties; sets of families without pods are left out.
    ///   - hasIPv6: false leaves IPv6 prefixes out: without the kernel's IPv6 their rules cannot be loaded.
    ///   - hasTCPMigration: whether the kernel knows `net.ipv4.tcp_migrate_req` (5.14).
    /// - Throws: `InterceptionError.refused` with everything that cannot be turned into rules.
    public init(
        interception: Configuration.Interception, failover: Configuration.Failover, backend: Backend,
        hostFirewalls: [Xtables] = [], closedOutputs: [Xtables] = [], hasIPv6: Bool = true, hasTCPMigration: Bool = true
    ) throws(InterceptionError) {
        let families = Self.families(of: interception.podCIDRs, hasIPv6: hasIPv6)
        var problems: [String] = []
        if !interception.mark.isWellFormed {
            problems.append(
                "interception.mark: \(interception.mark.value.hexadecimal)/\(interception.mark.mask.hexadecimal): "
                    + "the mask must be three adjacent bits and the value the lowest of them")
        }
        if families.isEmpty { problems.append("interception.podCIDRs: no prefix of a family this host has") }
        let answer = failover.policy.first ?? .direct
        if answer == .remote { problems.append("failover.policy: remote: not in this build") }
        guard problems.isEmpty else { throw .refused(problems) }
        self.interception = interception
        self.answer = answer
        self.families = families
        self.backend = backend
        self.hostFirewalls = hostFirewalls.filter { families.contains($0.family) }
        self.closedOutputs = closedOutputs.filter { families.contains($0.family) }
        sysctls = hasTCPMigration ? [.migrateRequests] : []
    }

    /// Whose connections are taken: the pods of the configuration, and the synthetic ones of tests.
    func podPrefixes(_ family: IPAddress.Family) -> [CIDR] {
        prefixes(interception.podCIDRs + RuleProbe.clients, family)
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

    /// What the plan cannot do as configured, one line each, for the operator.
    public var limitations: [String] {
        guard case .iptables(_, .xtables) = backend else { return [] }
        let policy =
            answer == .direct
            ? "failover.policy direct: without nf_tables new connections time out while no proxy listens"
            : "failover.policy drop: without nf_tables new connections time out instead of being reset"
        return [
            policy,
            "connections a dead proxy left behind time out instead of being reset",
            "NodePort and the like: connections that the host translates to a local pod are not intercepted",
            "a cluster address passed through to a pod of this host does not meet that pod's inbound table",
            "the rules must stay before kube-proxy's in nat PREROUTING: check with redirect status",
        ]
    }

    private static func families(of cidrs: [CIDR], hasIPv6: Bool) -> [IPAddress.Family] {
        let present = Set(cidrs.map(\.family))
        return [.v4, .v6].filter { present.contains($0) && ($0 == .v4 || hasIPv6) }
    }
}
