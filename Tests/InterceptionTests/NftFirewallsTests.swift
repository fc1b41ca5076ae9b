import Model
import Testing

@testable import Interception

/// Which base chains of others drop proxied packets, judged by their listing.
@Suite struct NftFirewallsTests {
    static func firewalls(
        hook: String = "input", priority: Int = 0, policy: String = "accept", family: String = "inet",
        _ rules: [String: [String]]
    ) -> NftFirewalls {
        let place = "\"family\": \"\(family)\", \"table\": \"t\""
        let base = """
            {"chain": {\(place), "name": "base", "type": "filter", "hook": "\(hook)", "prio": \(priority), \
            "policy": "\(policy)"}}
            """
        let items = rules.flatMap { chain, rules in
            rules.map { "{\"rule\": {\(place), \"chain\": \"\(chain)\", \"expr\": [\($0)]}}" }
        }
        return NftFirewalls(
            parsing: "{\"nftables\": [\((["{\"metainfo\": {}}", base] + items).joined(separator: ", "))]}")
    }

    func problems(_ firewalls: NftFirewalls) -> [String] {
        firewalls.problems(Passage(field: Configuration.MarkField(), families: [.v4, .v6]))
    }

    @Test func tunnelledPacketsPassForward() {
        let passage = Passage(field: Configuration.MarkField(), families: [.v4], isTunnelling: true)
        let closed = Self.firewalls(hook: "forward", policy: "drop", [:]).problems(passage)
        #expect(closed.count == 1 && closed.allSatisfy { $0.contains("ct mark and 0x70 == { 0x30, 0x50 } accept") })
        let accept = "\(Self.match(Self.connectionMark, "{\"set\": [48, 80]}")), \(Self.accept)"
        #expect(Self.firewalls(hook: "forward", policy: "drop", ["base": [accept]]).problems(passage) == [])
    }

    static func match(_ left: String, _ right: String, _ comparison: String = "==") -> String {
        "{\"match\": {\"op\": \"\(comparison)\", \"left\": \(left), \"right\": \(right)}}"
    }

    static let mark = "{\"&\": [{\"meta\": {\"key\": \"mark\"}}, 112]}"
    static let connectionMark = "{\"&\": [{\"ct\": {\"key\": \"mark\"}}, 112]}"
    static let accept = "{\"accept\": null}", drop = "{\"drop\": null}", reject = "{\"reject\": {\"type\": \"icmpx\"}}"
    static let established = match("{\"ct\": {\"key\": \"state\"}}", "{\"set\": [\"established\", \"related\"]}")
    static let device = match("{\"meta\": {\"key\": \"iifname\"}}", "\"eth0\"")
    static let ours = "\(match(mark, "{\"set\": [16, 64]}")), {\"counter\": null}, \(accept)"

    @Test func aPolicyOfDropIsNamedWithTheCommand() {
        let found = problems(Self.firewalls(policy: "drop", ["base": ["\(Self.established), \(Self.accept)"]]))
        #expect(
            found == [
                "nft table inet t: chain base (input, policy drop) drops intercepted connections: run: nft insert rule inet "
                    + "t base meta mark and 0x70 == { 0x10, 0x40 } accept"
            ])
    }

    @Test func theCommandOfEachHookIsEnough() {
        for hook in ["prerouting", "input", "output", "postrouting"] {
            let first = hook.hasSuffix("put") && hook != "input" || hook == "postrouting"
            let accept = first ? "\(Self.match(Self.connectionMark, "0", "!=")), \(Self.accept)" : Self.ours
            #expect(problems(Self.firewalls(hook: hook, policy: "drop", ["base": []])).count == 1, "\(hook)")
            #expect(problems(Self.firewalls(hook: hook, policy: "drop", ["base": [accept]])) == [], "\(hook)")
            #expect(
                problems(Self.firewalls(hook: hook, policy: "drop", ["base": [Self.device, accept]])) == [], "\(hook)")
            let late = Self.firewalls(hook: hook, policy: "drop", ["base": [Self.drop, accept]])
            #expect(problems(late).count == 1, "\(hook): a drop stands before it")
        }
    }

    @Test(arguments: [
        ("a reject at the end", ["base": ["\(established), \(accept)", reject]]),
        (
            "in a chain it always leads to",
            ["base": ["{\"jump\": {\"target\": \"end\"}}"], "end": ["{\"log\": null}, \(drop)"]]
        ),
        ("for one family", ["base": ["\(match("{\"meta\": {\"key\": \"nfproto\"}}", "\"ipv6\"")), \(drop)"]]),
        ("for new connections", ["base": ["\(match("{\"ct\": {\"key\": \"state\"}}", "\"new\"")), \(drop)"]]),
        ("for its own bits of our mark", ["base": ["\(match(mark, "16")), \(drop)"]]),
    ]) func dropsByRuleAreFound(what: String, rules: [String: [String]]) {
        let found = problems(Self.firewalls(rules))
        #expect(found.count == 1 && found.allSatisfy { $0.contains("its rules drop the rest") }, "\(what): \(found)")
    }

    @Test(arguments: [
        ("a drop of something", ["base": ["\(device), \(drop)"]]),
        ("in a chain it may lead to", ["base": ["\(device), {\"jump\": {\"target\": \"end\"}}"], "end": [drop]]),
        ("after a return", ["base": ["{\"jump\": {\"target\": \"end\"}}"], "end": ["{\"return\": null}", drop]]),
        ("after an accept of everything", ["base": [accept, drop]]),
        ("other bits decide", ["base": ["\(match("{\"meta\": {\"key\": \"mark\"}}", "16")), \(drop)"]]),
        ("of packets with other marks", ["base": ["\(match(mark, "48")), \(drop)"]]),
        ("rules nobody has heard of", ["base": ["{\"xt\": null}, \(drop)", "{\"vmap\": {}}", "7"]]),
    ]) func whatMayNotBeMeantIsLeftAlone(what: String, rules: [String: [String]]) {
        #expect(problems(Self.firewalls(rules)) == [], "\(what)")
    }

    @Test func onlyOneOfTwoMarksIsNotEnough() {
        #expect(
            problems(Self.firewalls(policy: "drop", ["base": ["\(Self.match(Self.mark, "16")), \(Self.accept)"]])).count
                == 1)
    }

    @Test func whereNothingOfOursPassesNothingIsAsked() {
        #expect(problems(Self.firewalls(hook: "forward", policy: "drop", [:])) == [])
        #expect(problems(Self.firewalls(hook: "prerouting", priority: -300, policy: "drop", [:])) == [])
        let v4Only = Passage(field: Configuration.MarkField(), families: [.v4])
        #expect(Self.firewalls(policy: "drop", family: "ip6", [:]).problems(v4Only) == [])
    }

    @Test func aChainBeforeTheMarksCannotBeCuredByOne() {
        let found = problems(Self.firewalls(hook: "output", priority: -300, policy: "drop", [:]))
        #expect(found.count == 1 && found.allSatisfy { $0.contains("above mangle") }, "\(found)")
    }

    @Test func ownAndIptablesChainsAreNotForeign() {
        var firewalls = Self.firewalls(policy: "drop", [:])
        firewalls.bases = [("inet", "apus", "pre"), ("ip", "filter", "INPUT"), ("ip6", "filter", "OUTPUT")].map {
            NftFirewalls.Base(family: $0, table: $1, name: $2, type: "filter", hook: "input", prio: 0, policy: "drop")
        }
        #expect(problems(firewalls) == [])
        firewalls.bases[1].name = "input"
        #expect(problems(firewalls).count == 1)
    }

    @Test func firewalldGetsItsRemark() {
        var firewalls = Self.firewalls(policy: "drop", [:])
        firewalls.bases[0].table = "firewalld"
        #expect(problems(firewalls).allSatisfy { $0.hasSuffix("reload first)") })
    }
}
