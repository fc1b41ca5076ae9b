import Model

extension RulePlan {
    /// The own chains of each iptables set: the rules themselves for an iptables backend, and an accept in each host
    /// firewall whatever the backend.
    public var iptables: [XtablesRules] {
        var sets: [XtablesRules] = []
        if case .iptables(let variant, let decisions) = backend {
            sets = families.map { rules(Xtables(variant, $0), decisions) }
        }
        for firewall in Xtables.all where !sets.contains(where: { $0.set == firewall }) {
            let filter = filter(firewall, refusing: false)
            if !filter.chains.isEmpty { sets.append(XtablesRules(set: firewall, tables: [filter])) }
        }
        return sets
    }

    private func rules(_ set: Xtables, _ decisions: Backend.Decisions) -> XtablesRules {
        switch decisions {
        case .nft:
            let (mangle, filter) = (mangle(set.family, deciding: false), filter(set, refusing: false))
            return XtablesRules(set: set, tables: filter.chains.isEmpty ? [mangle] : [mangle, filter])
        case .xtables:
            let pass = chain("NAT", ["\(has(.toProxy)) -j ACCEPT"])
            let nat = XtablesRules.Table(name: "nat", chains: [pass], jumps: [("PREROUTING", pass.name)])
            return XtablesRules(
                set: set, tables: [mangle(set.family, deciding: true), nat, filter(set, refusing: true)])
        }
    }

    // MARK: pieces

    private func chain(_ name: String, _ rules: [String]) -> XtablesRules.Chain {
        XtablesRules.Chain(name: XtablesRules.chainPrefix + name, rules: rules)
    }

    private func jump(_ name: String) -> String { "-j \(XtablesRules.chainPrefix)\(name)" }

    private func bits(_ number: MarkNumber) -> String {
        "\(number.value(in: field).hexadecimal)/\(field.mask.hexadecimal)"
    }

    private func has(_ number: MarkNumber) -> String { "-m mark --mark \(bits(number))" }
    private func connectionHas(_ number: MarkNumber) -> String { "-m connmark --mark \(bits(number))" }
    private func set(_ number: MarkNumber) -> String { "-j MARK --set-xmark \(bits(number))" }

    // MARK: tables

    private func mangle(_ family: IPAddress.Family, deciding: Bool) -> XtablesRules.Table {
        var chains = [
            chain("DIVERT", [set(.toProxy), "-j ACCEPT"]),
            chain("OPENED", opened(deciding)),
        ]
        if deciding { chains += decisions(family) }
        chains += [chain("PRE", pre(family, deciding)), chain("OUT", out)]
        let prefix = XtablesRules.chainPrefix
        return XtablesRules.Table(
            name: "mangle", chains: chains, jumps: [("PREROUTING", prefix + "PRE"), ("OUTPUT", prefix + "OUT")])
    }

    /// Replies to connections of the proxy that no socket was found for.
    private func opened(_ deciding: Bool) -> [String] {
        // Translated replies match their socket only after the translation is undone, further on.
        var rules = ["SNAT", "DNAT"].map { "-m conntrack --ctstate \($0) \(jump("DIVERT"))" }
        if deciding {
            rules += ["-m addrtype --dst-type LOCAL -j RETURN", "-p tcp \(set(.refuse))"]
        }
        return rules
    }

    private func pre(_ family: IPAddress.Family, _ deciding: Bool) -> [String] {
        let icmp = family == .v4 ? "icmp" : "ipv6-icmp"
        var rules = ["-i lo -j RETURN"]
        // A SYN always starts over, whatever old connection its tuple still belongs to.
        if deciding { rules.append("-p tcp --syn \(jump("DECIDE"))") }
        rules += [
            "-p tcp --syn -j RETURN", "-p tcp -m socket --transparent \(jump("DIVERT"))",
            "-p \(icmp) -m socket --transparent \(jump("DIVERT"))",
            "-m conntrack --ctdir REPLY \(connectionHas(.upstream)) \(jump("OPENED"))",
        ]
        // The last step of a SYN cookie has no socket yet.
        if deciding {
            rules.append("-p tcp -m conntrack --ctdir ORIGINAL \(connectionHas(.toProxy)) \(jump("DECIDE"))")
        }
        return rules
    }

    private func decisions(_ family: IPAddress.Family) -> [XtablesRules.Chain] {
        let loopback = family == .v4 ? "127.0.0.1" : "::1"
        let legs = [
            ("OUTBOUND", interception.outboundPort, interception.excludeOutboundPorts),
            ("INBOUND", interception.inboundPort, interception.excludeInboundPorts),
        ]
        var chains = legs.map { name, port, excluded in
            chain(
                name,
                PortRange.merged(excluded).map { "-p tcp --dport \($0.first):\($0.last) -j RETURN" } + [
                    "-j CONNMARK --set-xmark \(bits(.toProxy))",
                    "-p tcp -j TPROXY --on-port \(port) --on-ip \(loopback) --tproxy-mark \(bits(.toProxy))",
                ])
        }
        let pods = podPrefixes(family)
        chains.append(
            chain(
                "DECIDE",
                ["-m addrtype --dst-type LOCAL -j RETURN"] + probe(family, loopback)
                    + prefixes(interception.excludeCIDRs, family).map { "-d \($0) -j RETURN" }
                    + pods.map { "-s \($0) \(jump("OUTBOUND"))" } + pods.map { "-d \($0) \(jump("INBOUND"))" }))
        return chains
    }

    /// What a test of the rules dials, where an exclusion would cover it.
    private func probe(_ family: IPAddress.Family, _ loopback: String) -> [String] {
        guard excludesProbe(family) else { return [] }
        let destination = RuleProbe.destination(family)
        let match = "-d \(destination.address) -p tcp --dport \(destination.port)"
        return prefixes(RuleProbe.clients, family).flatMap { client in
            [
                "-s \(client) \(match) -j CONNMARK --set-xmark \(bits(.toProxy))",
                "-s \(client) \(match) -j TPROXY --on-port \(interception.outboundPort) --on-ip \(loopback) "
                    + "--tproxy-mark \(bits(.toProxy))",
            ]
        }
    }

    private var out: [String] {
        [
            "\(has(.upstream)) -j CONNMARK --set-xmark \(bits(.upstream))",
            // A server on the host itself answers the proxy at the pod's address: without this it would answer the pod.
            "-p tcp -m mark --mark 0x0/\(field.loopOrProxy.hexadecimal) -m conntrack --ctdir REPLY "
                + "\(connectionHas(.upstream)) -m addrtype ! --dst-type LOCAL \(set(.loop))",
        ]
    }

    /// What opens the host's firewall, each chain at the head of the built-in one that it is called after. Empty where
    /// nothing has to be opened.
    private func filter(_ set: Xtables, refusing: Bool) -> XtablesRules.Table {
        var opened: [(builtIn: String, rules: [String])] = []
        if host.hostFirewalls.contains(set) {
            opened.append(("INPUT", ["\(has(.toProxy)) -j ACCEPT", "\(has(.loop)) -j ACCEPT"]))
        }
        // Nothing else of ours is forwarded: what is taken is delivered locally, and what passes while no proxy listens
        // is the host's to judge, as before. Accepts for tunnels to a remote proxy belong here.
        if refusing { opened.append(("FORWARD", ["-p tcp \(has(.refuse)) -j REJECT --reject-with tcp-reset"])) }
        if host.closedOutputs.contains(set) {
            let none = "0x0/\(field.mask.hexadecimal)"
            opened.append(("OUTPUT", ["-m connmark ! --mark \(none) -j ACCEPT"]))
        }
        let chains = opened.map { chain($0.builtIn, $0.rules) }
        let jumps = zip(opened, chains).map { (from: $0.builtIn, to: $1.name) }
        return XtablesRules.Table(name: "filter", chains: chains, jumps: jumps)
    }
}
