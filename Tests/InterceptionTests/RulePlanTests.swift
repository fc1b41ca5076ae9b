import Model
import Testing

@testable import Interception

@Suite struct RulePlanTests {
    func plan(
        _ pods: [String], mark: Configuration.MarkField = Configuration.MarkField(),
        policy: [Configuration.Failover.Answer] = [.direct], remotes: [Configuration.Remote] = [], hasIPv6: Bool = true
    ) throws -> RulePlan {
        let interception = Configuration.Interception(podCIDRs: try pods.map { try #require(CIDR($0)) }, mark: mark)
        var host = HostFacts()
        host.hasIPv6 = hasIPv6
        return try RulePlan(
            Redirection(interception: interception, failover: .init(policy: policy, remotes: remotes)), backend: .nft,
            host: host)
    }

    @Test func prefixesInsideOthersAreLeftOutOfTheSets() throws {
        let plan = try plan(["10.1.0.0/24", "10.1.0.0/16", "10.1.0.7/32", "10.2.0.0/24", "10.2.0.0/24"])
        #expect(plan.nftText.contains("elements = { 10.1.0.0/16, 10.2.0.0/24, 169.254.112.0/29 }"))
    }

    @Test func aHostWithoutIPv6GetsNoIPv6Rules() throws {
        let plan = try plan(["10.1.0.0/24", "fd01::/64"], hasIPv6: false)
        #expect(plan.families == [.v4])
        #expect(!plan.text.contains("ip6") && !plan.text.contains("ip -6"))
    }

    @Test(arguments: [
        (UInt32(0x10), UInt32(0x30)), (0x10, 0xf0), (0x20, 0x70), (0x0, 0x0), (0x30, 0x70), (0x8000_0000, 0x8000_0000),
    ]) func marksThatAreNotThreeAdjacentBitsAreRefused(value: UInt32, mask: UInt32) {
        #expect(throws: InterceptionError.self) {
            try plan(["10.1.0.0/24"], mark: Configuration.MarkField(value: value, mask: mask))
        }
    }

    @Test func theHighestMarkFieldWorks() throws {
        let text = try plan(["10.1.0.0/24"], mark: .init(value: 0x2000_0000, mask: 0xe000_0000)).text
        #expect(text.contains("fwmark 0x80000000/0xe0000000 lookup 1500"))
    }

    @Test func everythingThatCannotBecomeRulesIsSaidAtOnce() throws {
        let error = #expect(throws: InterceptionError.self) {
            try plan(
                ["fd01::/64"], mark: .init(value: 1, mask: 3), policy: [.remote],
                remotes: [.init(name: "C", address: try #require(IPAddress("10.99.0.13")))], hasIPv6: false)
        }
        guard case .refused(let problems) = try #require(error) else {
            Issue.record("expected a refusal: \(String(describing: error))")
            return
        }
        #expect(problems.count == 3, "\(problems)")
    }

    @Test func portRangesAreMerged() throws {
        let ranges = try ["80", "443", "81-90", "85-100", "65535", "1-2"].map { try #require(PortRange($0)) }
        #expect(PortRange.merged(ranges).map(\.description) == ["1-2", "80-100", "443", "65535"])
    }

    /// A mark before `tproxy` would stay on the packet when nobody listens, and the packet would hang in the local stack.
    @Test(arguments: PlanCase.all) func nothingStandsBeforeTproxyThatMarks(plan: PlanCase) throws {
        for line in try plan.plan().nftText.split(separator: "\n") where line.contains("tproxy") {
            let before = line[..<(try #require(line.firstRange(of: "tproxy")).lowerBound)]
            #expect(!before.contains("mark set"), "\(line)")
        }
    }

    /// Whatever is set keeps the bits of others, whatever is tested looks at own bits only.
    @Test func ownBitsOnly() throws {
        let text = try PlanCase(name: "custom", isCustom: true).plan().nftText
        for line in text.split(separator: "\n") where line.contains("mark") {
            #expect(
                line.contains("& 0xff8fffff") || line.contains("& 0x700000") || line.contains("& 0x500000"), "\(line)")
        }
    }
}
