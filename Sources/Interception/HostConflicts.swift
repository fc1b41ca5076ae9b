import FoundationEssentials
import Model

/// What stands on a host that interception cannot live with. Each problem is one line: what, where, and what to do.
struct HostConflicts {
    let interception: Configuration.Interception
    let rules: [RoutingRule]
    /// Rules of a former installation: other marks than now, and removed once the new ones are there.
    var former: [RoutingRule] = []

    private var field: Configuration.MarkField { interception.mark }
    private var ownNumbers: [UInt32] {
        [MarkNumber.toProxy, .upstream, .loop, .refuse].map { $0.value(in: field) }
    }

    // MARK: pure checks

    /// Rules and routes of others under our preferences, in our table, or with our marks.
    func routing(_ kernel: KernelState) -> [String] {
        var problems: [String] = []
        for family in [IPAddress.Family.v4, .v6] {
            for rule in kernel.rules[family] ?? [] where !isOwn(rule) {
                let name = "\(family.name) rule pref \(rule.priority)"
                if rules.contains(where: { $0.priority == rule.priority }) {
                    problems.append("\(name): this preference is needed: move the rule that has it (see ip rule)")
                } else if rule.table == "\(RulePlan.localTable)" {
                    problems.append(
                        "\(name): looks up table \(RulePlan.localTable), which is needed: use another table there")
                } else if clashes(rule) {
                    problems.append(
                        "\(name): matches mark \(rule.fwmark ?? "")/\(rule.fwmask ?? "all"), which overlaps "
                            + "interception.mark \(field.value.hexadecimal)/\(field.mask.hexadecimal): choose other bits"
                    )
                }
            }
            for route in kernel.localRoutes[family] ?? [] where !route.isOurs {
                problems.append(
                    "\(family.name) table \(RulePlan.localTable): has a route to \(route.dst) of somebody else")
            }
        }
        return problems
    }

    private func isOwn(_ rule: KernelState.ForeignRule) -> Bool {
        rule.ours.map { rules.contains($0) || former.contains($0) } ?? false
    }

    /// A rule of others that matches packets with a mark of ours, or ours that would match its packets.
    private func clashes(_ rule: KernelState.ForeignRule) -> Bool {
        guard rule.not != true, let mark = rule.fwmark.flatMap(UInt32.init(hexadecimal:)) else { return false }
        let mask = rule.fwmask.flatMap(UInt32.init(hexadecimal:)) ?? .max
        guard mask & field.mask != 0 else { return false }
        return ownNumbers.contains { ($0 ^ mark) & mask == 0 } || ownNumbers.contains(mark & field.mask)
    }

    /// iptables rules of others that write into our field (`--set-xmark 0x10/0xff`).
    func iptablesMarks(_ kernel: KernelState) -> [String] {
        kernel.foreignMarkRules.compactMap { line in
            let words = line.split(separator: " ")
            guard let at = words.firstIndex(where: { $0 == "--set-xmark" || $0 == "--set-mark" }), at + 1 < words.count,
                let value = UInt32(hexadecimal: String(words[at + 1].prefix { $0 != "/" })), value & field.mask != 0
            else { return nil }
            return "\(line): writes into interception.mark's bits \(field.mask.hexadecimal): choose other bits"
        }
    }

    /// nft rules of others that write into our field. `ruleset` is what `nft list ruleset` prints.
    func nftMarks(_ ruleset: String) -> [String] {
        var table: Substring = ""
        var problems: [String] = []
        for line in ruleset.split(separator: "\n") {
            if line.hasPrefix("table ") { table = line.dropFirst("table ".count).prefix { $0 != "{" } }
            guard !isOwnOrOfIptables(table), let range = line.firstRange(of: " mark set ") else { continue }
            let words = line[range.upperBound...].split(separator: " ")
            for (index, word) in words.enumerated() where word.hasPrefix("0x") {
                let isMask = index > 0 && ["&", "and"].contains(words[index - 1])
                guard !isMask, let value = UInt32(hexadecimal: String(word)), value & field.mask != 0 else { continue }
                problems.append(
                    "nft table \(table)writes mark \(word), into interception.mark's bits \(field.mask.hexadecimal): "
                        + "choose other bits")
            }
        }
        return problems
    }

    /// Tables of iptables-nft are read by its own programs.
    private func isOwnOrOfIptables(_ table: Substring) -> Bool {
        let words = table.split(separator: " ").map(String.init)
        guard words.count == 2 else { return false }
        if words == ["inet", RulePlan.tableName] { return true }
        return ["ip", "ip6"].contains(words[0]) && ["filter", "nat", "mangle", "raw", "security"].contains(words[1])
    }

    // MARK: checks that look at the host

    /// Pods on a bridge whose packets iptables sees inside the bridge: TPROXY loses its socket there.
    func bridges() async -> [String] {
        let devices = await bridgesWithPods()
        guard !devices.isEmpty else { return [] }
        let settings = ["iptables", "ip6tables"].filter { name in
            let text = try? String(contentsOfFile: "/proc/sys/net/bridge/bridge-nf-call-\(name)", encoding: .utf8)
            return text?.first == "1"
        }
        return settings.map {
            "net.bridge.bridge-nf-call-\($0)=1: pods are on the bridge \(devices.joined(separator: ", ")): intercepted "
                + "connections would hang: set it to 0, or attach pods by routed veth pairs"
        }
    }

    /// What bridged pods mean for the operator.
    func notes() async -> [String] {
        await bridgesWithPods().map {
            "bridge \($0): pods of this bridge reach each other inside it, where nothing is intercepted"
        }
    }

    private func bridgesWithPods() async -> [String] {
        struct Route: Decodable {
            var dst: String
            var dev: String?
        }
        struct Link: Decodable { var ifname: String }
        guard let text = await Tool.output("ip", "-j", "link", "show", "type", "bridge"),
            let links = try? JSONDecoder().decode([Link].self, from: Data(text.utf8)), !links.isEmpty
        else { return [] }
        var found: Set<String> = []
        for option in ["-4", "-6"] {
            guard let text = await Tool.output("ip", option, "-j", "-N", "route", "show"),
                let routes = try? JSONDecoder().decode([Route].self, from: Data(text.utf8))
            else { continue }
            for route in routes {
                guard let device = route.dev, links.contains(where: { $0.ifname == device }),
                    let prefix = CIDR(route.dst), interception.podCIDRs.contains(where: { $0.overlaps(prefix) })
                else { continue }
                found.insert(device)
            }
        }
        return found.sorted()
    }
}
