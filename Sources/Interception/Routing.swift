import Model

/// One policy routing rule, as `ip -j -N rule show` reports it.
public struct RoutingRule: Sendable, Hashable, Codable {
    /// Its preference: rules are asked in ascending order.
    public var priority: Int
    /// The mark that is compared, after `mask`.
    public var mark: UInt32
    /// Bits of the packet's mark that are compared.
    public var mask: UInt32
    /// The input device, or nil for any.
    public var inputDevice: String?
    /// The table that is asked.
    public var table: Int

    /// Arguments of `ip rule add` and `ip rule del`.
    var arguments: [String] {
        var words = ["pref", "\(priority)", "fwmark", "\(mark.hexadecimal)/\(mask.hexadecimal)"]
        if let inputDevice { words += ["iif", inputDevice] }
        return words + ["lookup", table == Self.mainTable ? "main" : "\(table)"]
    }

    static let mainTable = 254
}

extension RoutingRule: CustomStringConvertible {
    /// `pref 100 fwmark 0x10/0x70 lookup 1500`.
    public var description: String { arguments.joined(separator: " ") }
}

/// A kernel setting that is changed while the plan is installed.
public struct Sysctl: Sendable, Hashable, Codable {
    /// Its name below /proc/sys, with slashes.
    public var name: String
    /// The value it gets.
    public var value: String

    /// Connections that wait in the queue of a closed listener go to another one of its port (upgrade of the proxy).
    static let migrateRequests = Sysctl(name: "net/ipv4/tcp_migrate_req", value: "1")

    /// Its file.
    var path: String { "/proc/sys/" + name }
}

extension RulePlan {
    /// The routing table that delivers to the local stack whatever the destination.
    static let localTable = 1500
    /// `ip route` arguments of the one route in `localTable`.
    static let localRoute = ["local", "default", "dev", "lo", "table", "\(localTable)"]

    /// The policy routing rules, the same for each family. They look at own marks only.
    public var routingRules: [RoutingRule] {
        let mark = interception.mark
        return [
            // Reverse-path lookups (src_valid_mark=1) and answers with a copied mark (tcp_fwmark_accept=1) carry the
            // mark as well: they must not be delivered locally. Both ask with `lo` as the input device.
            RoutingRule(
                priority: 99, mark: mark.value, mask: mark.value, inputDevice: "lo", table: RoutingRule.mainTable),
            RoutingRule(
                priority: 100, mark: MarkNumber.toProxy.value(in: mark), mask: mark.mask, table: Self.localTable),
            RoutingRule(priority: 102, mark: MarkNumber.loop.value(in: mark), mask: mark.mask, table: Self.localTable),
        ]
    }

    /// The routing part as a shell would run it.
    public var routingText: String {
        let commands = [["route", "add"] + Self.localRoute] + routingRules.map { ["rule", "add"] + $0.arguments }
        let lines = families.flatMap { family in commands.map { ["ip", family.ipOption] + $0 } }
        return lines.map { $0.joined(separator: " ") + "\n" }.joined()
    }

    /// The whole plan as text: routing, sysctls, nft, iptables.
    public var text: String {
        var parts = ["# routing\n" + routingText]
        if !sysctls.isEmpty {
            parts.append("# sysctls\n" + sysctls.map { "\($0.name) = \($0.value)\n" }.joined())
        }
        if !nftText.isEmpty { parts.append("# nft -f\n" + nftText) }
        for xtables in iptables { parts.append("# \(xtables.set.restoreTool) --noflush\n" + xtables.installText()) }
        for limitation in limitations { parts.append("# not honoured: \(limitation)\n") }
        return parts.joined(separator: "\n")
    }
}

extension IPAddress.Family {
    var ipOption: String { self == .v4 ? "-4" : "-6" }
    var name: String { self == .v4 ? "IPv4" : "IPv6" }
}
