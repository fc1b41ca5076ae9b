import Model

/// One policy routing rule, as `ip -j -N rule show` reports it.
public struct RoutingRule: Sendable, Hashable, Codable {
    /// Its preference: rules are asked in ascending order.
    public var priority: Int
    /// The mark that is compared, after `mask`.
    public var mark: UInt32
    /// Bits of the packet's mark that are compared; none: marks do not matter.
    public var mask: UInt32
    /// The input device, or nil for any.
    public var inputDevice: String?
    /// The destination port of UDP, or nil for any packet.
    public var udpPort: UInt16?
    /// The table that is asked.
    public var table: Int

    /// Arguments of `ip rule add` and `ip rule del`.
    var arguments: [String] {
        var words = ["pref", "\(priority)"]
        if mask != 0 { words += ["fwmark", "\(mark.hexadecimal)/\(mask.hexadecimal)"] }
        if let inputDevice { words += ["iif", inputDevice] }
        if let udpPort { words += ["ipproto", "udp", "dport", "\(udpPort)"] }
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

    /// What a host sends for a protected host keeps the mark that leads back into its tunnel: accepted connections have
    /// that of their SYN, resets and ICMP errors that of the packet they answer.
    static func ofRemotes(hasIPv6: Bool) -> [Sysctl] {
        ["net/ipv4/tcp_fwmark_accept", "net/ipv4/fwmark_reflect"].map { Sysctl(name: $0, value: "1") }
            + (hasIPv6 ? [Sysctl(name: "net/ipv6/fwmark_reflect", value: "1")] : [])
    }

    /// All that a plan may set.
    static let known = [migrateRequests] + ofRemotes(hasIPv6: true)

    /// Its file.
    var path: String { "/proc/sys/" + name }
}

extension RulePlan {
    /// The routing table that delivers to the local stack whatever the destination.
    static let localTable = 1500
    /// The one that leads into the tunnel to the remotes.
    static let tunnelTable = 1501

    /// Families that have routing rules: those of the pods, that of the underlay, and IPv4 for the tests of remotes.
    public var routedFamilies: [IPAddress.Family] {
        let devices = tunnelDevices
        guard !devices.isEmpty else { return families }
        let underlays = devices.compactMap { IPAddress($0.local)?.family }
        let present = Set(families + underlays + [.v4])
        return [.v4, .v6].filter(present.contains)
    }

    /// Every device of the plan.
    public var tunnelDevices: [TunnelDevice] { (ownTunnel.map { [$0.device] } ?? []) + hostTunnels.map(\.device) }

    /// The policy routing rules, the same for each family. But for the first they look at own marks only.
    public var routingRules: [RoutingRule] {
        let mark = interception.mark
        func rule(_ priority: Int, _ number: MarkNumber, _ table: Int) -> RoutingRule {
            RoutingRule(priority: priority, mark: number.value(in: mark), mask: mark.mask, table: table)
        }
        // An outer packet has the mark of the inner one: it must not be led into the tunnel again.
        let ports = Set(tunnelDevices.map(\.port)).sorted()
        var rules = ports.map {
            RoutingRule(priority: 90, mark: 0, mask: 0, udpPort: $0, table: RoutingRule.mainTable)
        }
        rules += hostTunnels.map {
            RoutingRule(
                priority: 91, mark: hostMark($0), mask: wideMask, inputDevice: "lo", table: $0.table)
        }
        if ownTunnel != nil {
            // The same as 99 for packets that are forwarded into the tunnel: there the kernel asks as if from it.
            rules.append(
                RoutingRule(
                    priority: 98, mark: mark.value, mask: mark.value, inputDevice: OwnTunnel.deviceName,
                    table: RoutingRule.mainTable))
        }
        rules += [
            // Reverse-path lookups (src_valid_mark=1) and answers with a copied mark (tcp_fwmark_accept=1) carry the
            // mark as well: they must not be delivered locally. Both ask with `lo` as the input device.
            RoutingRule(
                priority: 99, mark: mark.value, mask: mark.value, inputDevice: "lo", table: RoutingRule.mainTable),
            rule(100, .toProxy, Self.localTable),
        ]
        if let ownTunnel {
            for remote in ownTunnel.remotes {
                for number in [MarkNumber.tunnel, .hostReply] {
                    rules.append(
                        RoutingRule(
                            priority: 100, mark: self.mark(of: remote, number), mask: wideMask, table: remote.table))
                }
            }
            rules.append(rule(101, .tunnel, Self.tunnelTable))
        }
        rules.append(rule(102, .loop, Self.localTable))
        if ownTunnel != nil { rules.append(rule(103, .hostReply, Self.tunnelTable)) }
        return rules
    }

    /// The bits of own marks together with those that name a host, or a remote.
    var wideMask: UInt32 { interception.mark.mask | failover.hostMarkMask }

    /// What packets for a protected host carry.
    func hostMark(_ tunnel: HostTunnel) -> UInt32 {
        failover.hostMark(tunnel.host) | MarkNumber.toProxy.value(in: interception.mark)
    }

    /// What packets for one remote carry.
    func mark(of remote: OwnTunnel.Remote, _ number: MarkNumber) -> UInt32 {
        remote.mark(number, interception.mark, failover.hostMarkMask)
    }

    /// The routing part as a shell would run it.
    public var routingText: String {
        let devices = tunnelDevices.flatMap { $0.commands }
        let nexthops = nexthops.map { ["ip", "nexthop", "add"] + $0.arguments }
        let routes = routes.map { ["ip", $0.family.ipOption, "route", "add"] + $0.arguments }
        let rules = routedFamilies.flatMap { family in
            routingRules.map { ["ip", family.ipOption, "rule", "add"] + $0.arguments }
        }
        return (devices + nexthops + routes + rules).map { $0.joined(separator: " ") + "\n" }.joined()
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
