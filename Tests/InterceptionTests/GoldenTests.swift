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
    var policy: Configuration.Failover.Answer = .direct
    var backend: Backend = .nft
    var firewalls: [Xtables] = []
    var closedOutputs: [Xtables] = []
    var isCustom = false

    var testDescription: String { name }

    static let all: [PlanCase] = [
        PlanCase(name: "nft-direct"),
        PlanCase(name: "nft-drop-v4", pods: ["10.1.0.0/24"], policy: .drop),
        PlanCase(name: "nft-custom", isCustom: true),
        PlanCase(name: "nft-firewalls", firewalls: [Xtables(.nft, .v4), Xtables(.legacy, .v6)]),
        PlanCase(
            name: "nft-firewalls-output", firewalls: [Xtables(.nft, .v4), Xtables(.nft, .v6)],
            closedOutputs: [Xtables(.nft, .v4), Xtables(.legacy, .v4)]),
        PlanCase(name: "iptables-hybrid", backend: .iptables(.nft, decisions: .nft)),
        PlanCase(name: "iptables-pure", backend: .iptables(.legacy, decisions: .xtables)),
        PlanCase(
            name: "iptables-pure-custom", pods: ["10.1.0.0/24"], policy: .drop,
            backend: .iptables(.nft, decisions: .xtables), firewalls: [Xtables(.nft, .v4)], isCustom: true),
    ]

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
        return try RulePlan(
            interception: interception, failover: Configuration.Failover(policy: [policy]), backend: backend,
            hostFirewalls: firewalls, closedOutputs: closedOutputs)
    }
}
