import Model
import Testing

@testable import Interception

@Suite struct HostConflictsTests {
    let conflicts = HostConflicts(
        redirection: Redirection(interception: Configuration.Interception(podCIDRs: [])),
        rules: [
            RoutingRule(priority: 99, mark: 0x10, mask: 0x10, inputDevice: "lo", table: RoutingRule.mainTable),
            RoutingRule(priority: 100, mark: 0x10, mask: 0x70, table: 1500),
            RoutingRule(priority: 102, mark: 0x40, mask: 0x70, table: 1500),
        ])

    func problems(_ rule: KernelState.ForeignRule) -> [String] {
        var kernel = KernelState()
        kernel.rules[.v4] = [rule]
        return conflicts.routing(kernel)
    }

    @Test func ownRulesAreNoConflict() {
        let own = KernelState.ForeignRule(
            priority: 100, src: "all", fwmark: "0x10", fwmask: "0x70", table: "1500")
        #expect(problems(own) == [])
    }

    @Test(arguments: [
        ("a preference of ours", KernelState.ForeignRule(priority: 100, src: "all", table: "254"), "pref 100"),
        ("our table", KernelState.ForeignRule(priority: 7, src: "all", fwmark: "0x1000", table: "1500"), "table 1500"),
        (
            "marks we set match",
            KernelState.ForeignRule(priority: 7, src: "all", fwmark: "0x20", fwmask: "0x20", table: "9"),
            "0x20/0x20"
        ),
        (
            "their marks match ours", KernelState.ForeignRule(priority: 7, src: "all", fwmark: "0x110", table: "9"),
            "0x110/all"
        ),
    ]) func clashesAreNamed(what: String, rule: KernelState.ForeignRule, named: String) {
        let found = problems(rule)
        #expect(found.count == 1 && found.contains { $0.contains(named) }, "\(what): \(found)")
    }

    @Test(arguments: [
        KernelState.ForeignRule(priority: 5, src: "all", fwmark: "0x4000", fwmask: "0x4000", table: "9"),
        KernelState.ForeignRule(priority: 5, src: "all", fwmark: "0x200", fwmask: "0xf00", table: "2004"),
        KernelState.ForeignRule(priority: 5, not: true, src: "all", fwmark: "0xca6c", table: "51820"),
        KernelState.ForeignRule(priority: 5, src: "all", fwmark: "0x80000", fwmask: "0xff0000", table: "52"),
        KernelState.ForeignRule(priority: 0, src: "all", table: "255"),
    ]) func othersAreLeftAlone(rule: KernelState.ForeignRule) {
        #expect(problems(rule) == [])
    }

    @Test func foreignRoutesInOurTableAreNamed() {
        var kernel = KernelState()
        kernel.routes[.v6] = [1500: [KernelState.KernelRoute(dst: "fd00::/8", dev: "eth0")]]
        #expect(conflicts.routing(kernel) == ["IPv6 table 1500: has a route to fd00::/8 of somebody else"])
    }

    @Test func rulesThatWriteOurBitsAreNamed() {
        var kernel = KernelState()
        kernel.foreignMarkRules = [
            "iptables-nft: -A X -j MARK --set-xmark 0x10/0xff", "iptables-nft: -A Y -j MARK --set-xmark 0x4000/0x4000",
        ]
        #expect(conflicts.iptablesMarks(kernel).count == 1)
        let ruleset = """
            table inet other {
            \tchain a {
            \t\tmeta mark set 0x00000050
            \t\tmeta mark set meta mark & 0xffff00ff | 0x00004000
            \t}
            }
            table inet apus {
            \tchain a {
            \t\tmeta mark set 0x00000010
            \t}
            }
            table ip mangle {
            \tchain APUS_PRE {
            \t\tmeta mark set 0x00000010
            \t}
            }
            """
        let found = conflicts.nftMarks(ruleset)
        #expect(
            found.count == 1 && found.allSatisfy { $0.contains("inet other") && $0.contains("0x00000050") }, "\(found)")
    }
}
