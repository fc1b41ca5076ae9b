import Foundation
import Interception
import Model
import Testing

/// The text of whole plans, compared with files in `Golden/`. After a change that is meant, write them anew and read
/// the difference: `APUS_UPDATE_GOLDEN=1 swift test --filter GoldenTests && git diff Tests/InterceptionTests/Golden`.
@Suite struct GoldenTests {
    static let cases = PlanCase.all

    @Test(arguments: cases) func planTextIsAsReviewed(plan: PlanCase) throws {
        let text = try plan.plan().text
        let file = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "Golden/\(plan.name).txt")
        if ProcessInfo.processInfo.environment["APUS_UPDATE_GOLDEN"] != nil {
            try text.write(to: file, atomically: true, encoding: .utf8)
        }
        let expected = try String(contentsOf: file, encoding: .utf8)
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        let difference = lines.difference(from: expected.split(separator: "\n", omittingEmptySubsequences: false))
        #expect(difference.isEmpty, "\(plan.name): \(difference)")
    }
}

/// A configuration and a host with the name of its golden file.
struct PlanCase: Sendable, CustomTestStringConvertible {
    var name: String
    var pods: [String] = ["10.1.0.0/24", "fd01::/64"]
    var policy: [Configuration.Failover.Answer] = [.direct]
    var backend: Backend = .nft
    var firewalls: [Xtables] = []
    var closedOutputs: [Xtables] = []
    var isCustom = false
    /// `node.mode: remote`.
    var isRemote = false
    /// Names out of `PlanCase.hosts`.
    var remotes: [String] = []
    var protects: [String] = []
    var state = FailoverState()
    /// Own policies of 10.1.0.11 / fd01::11, 10.1.0.12 / fd01::12, ...
    var podPolicies: [[Configuration.Failover.Answer]] = []

    var testDescription: String { name }

    static let all: [PlanCase] = [
        PlanCase(name: "nft-direct"),
        PlanCase(name: "nft-drop-v4", pods: ["10.1.0.0/24"], policy: [.drop]),
        PlanCase(name: "nft-custom", isCustom: true),
        PlanCase(name: "nft-firewalls", firewalls: [Xtables(.nft, .v4), Xtables(.legacy, .v6)]),
        PlanCase(
            name: "nft-firewalls-output", firewalls: [Xtables(.nft, .v4), Xtables(.nft, .v6)],
            closedOutputs: [Xtables(.nft, .v4), Xtables(.legacy, .v4)]),
        PlanCase(name: "iptables-hybrid", backend: .iptables(.nft, decisions: .nft)),
        PlanCase(name: "iptables-pure", backend: .iptables(.legacy, decisions: .xtables)),
        PlanCase(
            name: "iptables-pure-custom", pods: ["10.1.0.0/24"], policy: [.drop],
            backend: .iptables(.nft, decisions: .xtables), firewalls: [Xtables(.nft, .v4)], isCustom: true),
        PlanCase(name: "failover-local", policy: [.remote, .drop], remotes: ["C"]),
        PlanCase(
            name: "failover-local-taken", policy: [.remote, .direct], remotes: ["C"],
            state: FailoverState(isLocalTaken: true, drilledPods: ["10.1.0.12"])),
        PlanCase(
            name: "failover-several", policy: [.remote, .direct], remotes: ["B", "C", "D"],
            state: FailoverState(remotes: ["B", "D"]),
            podPolicies: [[.remote, .drop], [.direct], [.drop]]),
        PlanCase(
            name: "failover-none-healthy", policy: [.remote, .direct], remotes: ["C"],
            state: FailoverState(remotes: []), podPolicies: [[.remote, .drop], [.direct], [.drop]]),
        PlanCase(
            name: "failover-remote", pods: [], isRemote: true, protects: ["A", "B"]),
        PlanCase(
            name: "failover-remote-hung", pods: [], isRemote: true, protects: ["A"],
            state: FailoverState(isLocalTaken: true, refusesProtectedHosts: true)),
        PlanCase(name: "failover-buddy", policy: [.remote, .direct], remotes: ["C"], protects: ["C"]),
        PlanCase(
            name: "failover-underlay-v6", pods: ["10.1.0.0/24"], policy: [.remote, .drop], remotes: ["E"]),
        PlanCase(
            name: "failover-hybrid", policy: [.remote, .drop], backend: .iptables(.nft, decisions: .nft),
            firewalls: [Xtables(.nft, .v4)], remotes: ["B", "C"], protects: ["B"]),
        PlanCase(
            name: "failover-pure", pods: ["10.1.0.0/24"], policy: [.remote, .drop],
            backend: .iptables(.legacy, decisions: .xtables), remotes: ["B", "C"], protects: ["B"]),
        PlanCase(
            name: "failover-pure-taken", pods: ["10.1.0.0/24"], policy: [.remote, .drop],
            backend: .iptables(.legacy, decisions: .xtables), remotes: ["C"],
            state: FailoverState(isLocalTaken: true), podPolicies: [[.direct]]),
    ]

    /// Underlay addresses and the prefix of the pods.
    static let hosts = [
        "A": ("10.99.0.11", "10.1"), "B": ("10.99.0.12", "10.2"), "C": ("10.99.0.13", "10.3"),
        "D": ("10.99.0.14", "10.4"), "E": ("fd99::15", "10.5"),
    ]

    static func address(_ name: String) throws -> IPAddress {
        let text = try #require(hosts[name]).0
        return try #require(IPAddress(text))
    }

    private func failover() throws -> Configuration.Failover {
        let protected = try protects.enumerated().map { index, name in
            let pods = try #require(Self.hosts[name]).1
            return Configuration.ProtectedHost(
                id: index + 1, node: name, address: try Self.address(name),
                podCIDRs: [try #require(CIDR("\(pods).0.0/24"))], tunnel: .init(vni: 7021 + UInt32(index)))
        }
        return Configuration.Failover(
            policy: policy, remotes: try remotes.map { .init(name: $0, address: try Self.address($0)) },
            protects: protected)
    }

    private func policies() throws -> [Redirection.PodPolicy] {
        try podPolicies.enumerated().map { index, policy in
            let addresses = try ["10.1.0.\(11 + index)", "fd01::\(11 + index)"].map { try #require(IPAddress($0)) }
            return Redirection.PodPolicy(addresses: addresses, policy: policy)
        }
    }

    func plan() throws -> RulePlan {
        var interception = Configuration.Interception(podCIDRs: try pods.map { try #require(CIDR($0)) })
        if isCustom {
            interception.mark = Configuration.MarkField(value: 0x100000, mask: 0x700000)
            interception.outboundPort = 25001
            interception.inboundPort = 25006
            interception.excludeCIDRs = try ["192.0.2.0/24", "192.0.2.7/32", "169.254.0.0/16", "2001:db8::/32"].map {
                try #require(CIDR($0))
            }
            interception.excludeOutboundPorts = try ["25", "7000-7010", "7005-7020"].map { try #require(PortRange($0)) }
            interception.excludeInboundPorts = [PortRange(22)]
        }
        var host = HostFacts()
        host.hostFirewalls = firewalls
        host.forwardFirewalls = firewalls
        host.closedOutputs = closedOutputs
        host.underlays = Self.hosts.values.map { address, _ in
            let isV4 = address.contains(".")
            return HostFacts.Underlay(peer: address, local: isV4 ? "10.99.0.20" : "fd99::20", mtu: 1500)
        }
        let redirection = Redirection(
            interception: interception, failover: try failover(), isRemote: isRemote, podPolicies: try policies())
        return try RulePlan(redirection, state: state, backend: backend, host: host)
    }
}
