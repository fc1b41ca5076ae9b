import Model

/// The host's end of what is attached to a bridge, with what makes TCP from there enter the host as routed packets do.
///
/// Inside a bridge nothing can be intercepted: packets between pods never reach the rules, and with bridge-nf-call-iptables
/// the rules see packets too early, where TPROXY loses its socket. So TCP is taken off each port as it comes in, before the
/// bridge, and received again on the bridge device itself: for routes, firewalls and reverse path filters it is what it
/// was. ARP, neighbor discovery and everything else stay in the bridge.
struct BridgePort: Sendable, Equatable {
    var name: String
    var bridge: String
    /// The port's qdisc for what comes in (`clsact`, `ingress`), if any.
    var qdisc: String?
    /// Families whose TCP is led to `bridge`.
    var covered: Set<IPAddress.Family> = []
    /// Families for which there is a filter with a preference of ours, whatever it does.
    var present: Set<IPAddress.Family> = []
    /// Filters of others on what comes in: those no longer see TCP.
    var hasForeignFilters = false

    static func preference(_ family: IPAddress.Family) -> Int { family == .v4 ? 1501 : 1502 }

    /// The protocol number is the byte at 9 of an IPv4 and at 6 of an IPv6 header.
    static func match(_ family: IPAddress.Family) -> TrafficFilter.Match {
        family == .v4
            ? .init(value: "60000", mask: "ff0000", offset: 8) : .init(value: "600", mask: "ff00", offset: 4)
    }

    /// Adds the qdisc, which holds filters and does nothing else.
    var qdiscCommand: Command { Command("tc", ["qdisc", "add", "dev", name, "clsact"]) }
    var qdiscRemoval: Command { Command("tc", ["qdisc", "del", "dev", name, "clsact"]) }

    /// Classifier and action are those that the smallest kernels have.
    func command(_ family: IPAddress.Family) -> Command {
        let (proto, field) = family == .v4 ? ("ip", "ip") : ("ipv6", "ip6")
        return Command(
            "tc",
            [
                "filter", "add", "dev", name, "ingress", "pref", "\(Self.preference(family))", "protocol", proto, "u32",
                "match", field, "protocol", "6", "0xff", "action", "mirred", "ingress", "redirect", "dev", bridge,
            ])
    }

    func removal(_ family: IPAddress.Family) -> Command {
        Command("tc", ["filter", "del", "dev", name, "ingress", "pref", "\(Self.preference(family))"])
    }
}
