import FoundationEssentials
import Model

/// The nft base chains of others through which packets of proxied connections pass, with the chains they lead to: what
/// can be read off them without asking the kernel again. A drop in any of them is final: no accept of ours overrides it.
struct NftFirewalls: Sendable, Equatable {
    /// A chain's place.
    struct Name: Sendable, Hashable, CustomStringConvertible {
        var family: String
        var table: String
        var chain: String

        var description: String { "\(family) \(table) \(chain)" }
    }

    /// A chain at a hook.
    struct Base: Sendable, Equatable, Decodable {
        var family: String
        var table: String
        var name: String
        var type: String?
        var hook: String?
        var prio: Int?
        var policy: String?

        var place: Name { Name(family: family, table: table, chain: name) }
    }

    /// False: there is no `nft`, or it cannot print JSON.
    var isKnown = false
    /// Every base chain of the kernel.
    var bases: [Base] = []
    /// Rules of the foreign ones, and of the chains they lead to.
    var rules: [Name: [NftRule]] = [:]

    /// Chains followed from one base chain: a ruleset that is deeper is judged by what was seen.
    private static let chainsMax = 256

    /// Reads them; empty without nft.
    static func read() async throws(InterceptionError) -> NftFirewalls {
        // All at once: asking for each of a thousand chains took half a minute.
        guard let text = try await Tool.look(Command("nft", ["-j", "list", "ruleset"])) else { return NftFirewalls() }
        return NftFirewalls(parsing: text)
    }

    /// Nothing known.
    init() {}

    /// What `nft -j list ruleset` has printed.
    init(parsing text: String) {
        guard let listing = try? JSONDecoder().decode(Listing.self, from: Data(text.utf8)) else { return }
        isKnown = true
        bases = listing.nftables.compactMap(\.chain).filter { $0.hook != nil }
        let all = Dictionary(grouping: listing.nftables.compactMap(\.rule), by: \.place)
        for base in bases where base.isForeign { follow(base.place, all) }
    }

    private struct Listing: Decodable {
        var nftables: [Item]

        struct Item: Decodable {
            var chain: Base?
            var rule: Rule?
        }

        struct Rule: Decodable {
            var family: String
            var table: String
            var chain: String
            var expr: [JSONValue]

            var place: Name { Name(family: family, table: table, chain: chain) }
        }
    }

    private mutating func follow(_ start: Name, _ all: [Name: [Listing.Rule]]) {
        var waiting = [start]
        var count = 0
        while let name = waiting.popLast(), count < Self.chainsMax {
            guard rules[name] == nil else { continue }
            count += 1
            let found = (all[name] ?? []).map { NftRule($0.expr) }
            rules[name] = found
            waiting += found.compactMap(\.target).map { Name(family: name.family, table: name.table, chain: $0) }
        }
    }

    /// Whether iptables' chain of that name (`INPUT`) exists in nft's tables, or may exist.
    func has(_ chain: String, table: String, _ family: IPAddress.Family) -> Bool {
        guard isKnown else { return true }
        let name = Name(family: family == .v4 ? "ip" : "ip6", table: table, chain: chain)
        return bases.contains { $0.place == name }
    }
}

// MARK: judging

extension NftFirewalls {
    /// What could not be judged.
    var notes: [String] {
        guard !isKnown, Tool.path(of: "nft") != nil else { return [] }
        return ["nft cannot list chains as JSON: firewalls that others have written in nft are not looked at"]
    }

    /// Chains that drop packets of proxied connections, one line each, with the command that lets them through.
    func problems(_ passage: Passage) -> [String] {
        bases.filter(\.isForeign).compactMap { base in
            var seen = passage
            seen.families = passage.families.filter(base.sees)
            guard let hook = base.hook, let passing = MarkedPacket.passing(hook, seen),
                let reason = passing.packets.lazy.compactMap({ self.drop($0, base) }).first
            else { return nil }
            let subject = "nft table \(base.family) \(base.table): chain \(base.name) (\(hook), \(reason)) drops"
            switch base.runsBeforeMarks {
            case true where hook == "prerouting":
                // It decides before any mark is set, by what a pod's packet had before there was a proxy as well.
                return nil
            case true:
                return "\(subject) what the proxy sends, before it can know it by its mark: give the chain a priority "
                    + "above mangle (-150) and run this again"
            case false:
                let what =
                    switch hook {
                    case "forward": "what goes through a tunnel to a remote proxy"
                    case "output", "postrouting": "what the proxy sends"
                    default: "intercepted connections"
                    }
                let insert = "nft insert rule \(base.family) \(base.table) \(base.name) \(passing.accept)"
                return "\(subject) \(what): run: \(insert)" + base.remark
            }
        }
    }

    /// Why a packet does not survive a base chain; nil: it does, or that depends on what is not known.
    func drop(_ packet: MarkedPacket, _ base: Base) -> String? {
        var depth = 0
        switch walk(packet, base.place, &depth) {
        case .accepted: return nil
        case .dropped: return "its rules drop the rest"
        case .returned: return base.policy == "drop" ? "policy drop" : nil
        }
    }

    private enum Outcome { case accepted, dropped, returned }

    private func walk(_ packet: MarkedPacket, _ chain: Name, _ depth: inout Int) -> Outcome {
        depth += 1
        defer { depth -= 1 }
        // The kernel allows 16 levels of jumps.
        guard depth <= 16 else { return .returned }
        for rule in rules[chain] ?? [] {
            let answers = rule.conditions.map(packet.meets)
            // A rule that may match other packets only is not held against the chain.
            guard answers.allSatisfy({ $0 == true }) else { continue }
            switch rule.verdict {
            case nil: continue
            case .accept: return .accepted
            case .drop: return .dropped
            case .leave: return .returned
            case .jump(let target):
                let outcome = walk(packet, Name(family: chain.family, table: chain.table, chain: target), &depth)
                if outcome != .returned { return outcome }
            case .goto(let target):
                return walk(packet, Name(family: chain.family, table: chain.table, chain: target), &depth)
            }
        }
        return .returned
    }
}

extension NftFirewalls.Base {
    /// Not ours, not of iptables-nft (whose chains are opened by its own programs), and one that filters IP packets.
    var isForeign: Bool {
        guard ["filter", "route"].contains(type), ["ip", "ip6", "inet"].contains(family) else { return false }
        guard table != RulePlan.tableName || family != "inet" else { return false }
        let isIptables =
            family != "inet" && ["filter", "mangle", "raw", "security"].contains(table)
            && ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"].contains(name)
        return !isIptables
    }

    /// Whether it runs before our chains mark packets.
    var runsBeforeMarks: Bool { ["prerouting", "output"].contains(hook) && (prio ?? 0) <= Self.manglePriority }
    /// Where `pre` and `out` stand.
    private static let manglePriority = -150

    func sees(_ packets: IPAddress.Family) -> Bool { family == "inet" || (family == "ip") == (packets == .v4) }

    /// What the operator of this firewall should know.
    fileprivate var remark: String {
        guard table.hasPrefix("firewalld") else { return "" }
        return " (firewalld forgets it when it reloads: run it again then; if it is not permitted, set "
            + "NftablesTableOwner=no in firewalld.conf and reload first)"
    }
}
