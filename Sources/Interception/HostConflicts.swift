import FoundationEssentials
import Model

/// What stands on a host that interception cannot live with. Each problem is one line: what, where, and what to do.
struct HostConflicts {
    let redirection: Redirection
    let rules: [RoutingRule]
    /// A former installation: what is its own is replaced, or removed once the new is there.
    var former: InstallState?

    private var interception: Configuration.Interception { redirection.interception }
    private var field: Configuration.MarkField { interception.mark }
    private var ownNumbers: [UInt32] {
        MarkNumber.allCases.map { $0.value(in: field) }
    }

    /// Rules and routes of others under our preferences, in our table, or with our marks.
    func routing(_ kernel: KernelState) -> [String] {
        var problems: [String] = []
        let tables = redirection.tables(former?.host?.slots)
        for family in [IPAddress.Family.v4, .v6] {
            for rule in kernel.rules[family] ?? [] where !isOwn(rule) {
                let name = "\(family.name) rule pref \(rule.priority)"
                if rules.contains(where: { $0.priority == rule.priority }) {
                    problems.append("\(name): this preference is needed: move the rule that has it (see ip rule)")
                } else if let table = rule.table.flatMap(Int.init), tables.contains(table) {
                    problems.append("\(name): looks up table \(table), which is needed: use another table there")
                } else if clashes(rule) {
                    problems.append(
                        "\(name): matches mark \(rule.fwmark ?? "")/\(rule.fwmask ?? "all"), which overlaps "
                            + "interception.mark \(field.value.hexadecimal)/\(field.mask.hexadecimal): choose other bits"
                    )
                }
            }
            for (table, routes) in (kernel.routes[family] ?? [:]).sorted(by: { $0.key < $1.key }) {
                for route in routes where !isOwn(route, table, family) {
                    problems.append("\(family.name) table \(table): has a route to \(route.dst) of somebody else")
                }
            }
        }
        return problems
    }

    private func isOwn(_ route: KernelState.KernelRoute, _ table: Int, _ family: IPAddress.Family) -> Bool {
        // Next hops and devices are looked at themselves.
        if table != RulePlan.localTable, let device = route.dev, TunnelDevice.isOwn(device) { return true }
        if let id = route.nhid, Nexthop.isOwn(id) { return true }
        return Route(family, table: table, .local).is(route)
    }

    /// Devices, next hops and marks of others that stand where those of tunnels have to be.
    func tunnels(_ plan: RulePlan, _ kernel: KernelState) -> [String] {
        var problems: [String] = []
        for device in plan.tunnelDevices {
            let isFormer = former?.devices?.contains { $0.name == device.name } ?? false
            if let present = kernel.device(device.name), !isFormer, !device.isMade(as: present) {
                problems.append("device \(device.name): this name is needed: rename or remove the device that has it")
            }
            for other in kernel.devices
            where other.vni == device.vni && other.port == device.port && !TunnelDevice.isOwn(other.name) {
                problems.append(
                    "device \(other.name): is a VXLAN with the same vni \(device.vni) and port \(device.port) as the "
                        + "tunnel \(device.name): give failover's tunnel another vni")
            }
        }
        for nexthop in plan.nexthops {
            guard let present = kernel.nexthop(nexthop.id), !present.isOwn else { continue }
            problems.append("nexthop id \(nexthop.id): this id is needed: give the next hop that has it another one")
        }
        return problems + foreignHostMarks(plan, kernel)
    }

    /// Rules of others that match a packet by the bits that name a protected host.
    private func foreignHostMarks(_ plan: RulePlan, _ kernel: KernelState) -> [String] {
        let marks = plan.hostTunnels.map(plan.hostMark)
        let bits = plan.failover.hostMarkMask
        return [IPAddress.Family.v4, .v6].flatMap { family in
            (kernel.rules[family] ?? []).filter { !isOwn($0) && $0.not != true }.compactMap { rule -> String? in
                guard let mark = rule.fwmark.flatMap(UInt32.init(hexadecimal:)) else { return nil }
                let mask = rule.fwmask.flatMap(UInt32.init(hexadecimal:)) ?? .max
                guard mask & bits != 0, marks.contains(where: { ($0 ^ mark) & mask == 0 }) else { return nil }
                return "\(family.name) rule pref \(rule.priority): matches mark \(mark.hexadecimal)/"
                    + "\(mask.hexadecimal), which overlaps failover.hostMark.mask \(bits.hexadecimal): choose other bits"
            }
        }
    }

    private func isOwn(_ rule: KernelState.ForeignRule) -> Bool {
        rule.ours.map { rules.contains($0) || former?.rules.contains($0) ?? false } ?? false
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
}
