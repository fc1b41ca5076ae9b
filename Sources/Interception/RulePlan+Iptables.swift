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
            return XtablesRules(
                set: set, tables: [mangle(set.family, deciding: true), nat, filter(set, refusing: true)])
        }
    }

    // MARK: pieces

    func chain(_ name: String, _ rules: [String]) -> XtablesRules.Chain {
        XtablesRules.Chain(name: XtablesRules.chainPrefix + name, rules: rules)
    }

    func jump(_ name: String) -> String { "-j \(XtablesRules.chainPrefix)\(name)" }

    func bits(_ number: MarkNumber) -> String {
        "\(number.value(in: field).hexadecimal)/\(field.mask.hexadecimal)"
    }

    func has(_ number: MarkNumber) -> String { "-m mark --mark \(bits(number))" }
    func connectionHas(_ number: MarkNumber) -> String { "-m connmark --mark \(bits(number))" }
    func set(_ number: MarkNumber) -> String { "-j MARK --set-xmark \(bits(number))" }

    // MARK: tables

    private func mangle(_ family: IPAddress.Family, deciding: Bool) -> XtablesRules.Table {
        var chains = [
            chain("DIVERT", [set(.toProxy), "-j ACCEPT"]),
            chain("OPENED", opened(deciding)),
        ]
        if deciding { chains += decisions(family) }
        chains += [chain("PRE", pre(family, deciding)), chain("OUT", out(family, deciding))]
        if deciding { chains = tunnelChains(family) + chains }
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
        var rules = ["-i lo -j RETURN"] + arrivals(family, deciding)
        // A SYN always starts over, whatever old connection its tuple still belongs to.
        if deciding { rules.append("-p tcp --syn \(jump("DECIDE"))") }
        rules += [
            "-p tcp --syn -j RETURN"
        ]
        rules += stickiness(deciding)
        rules += [
            "-p tcp -m socket --transparent \(jump("DIVERT"))",
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
        var chains = [
            chain("FALLBACK", fallback(family)),
            // A test of the local proxy is answered by nobody else.
            chain(
                "NOBODY",
                [
                    "-d \(RuleProbe.destination(family).address) -p tcp --dport \(RuleProbe.port) \(set(.refuse))",
                    "-d \(RuleProbe.destination(family).address) -p tcp --dport \(RuleProbe.port) -j ACCEPT",
                    "-g \(XtablesRules.chainPrefix)FALLBACK",
                ]),
        ]
        chains += legs.map { name, port, excluded in
            let returns = PortRange.merged(excluded).map { "-p tcp --dport \($0.first):\($0.last) -j RETURN" }
            return chain(name, returns + decision(family, port, loopback, isOutbound: name == "OUTBOUND"))
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

    /// The xt TPROXY drops when nobody listens: while the proxy is known to be gone it must not be asked.
    private func decision(
        _ family: IPAddress.Family, _ port: UInt16, _ loopback: String, isOutbound: Bool
    ) -> [String] {
        let fallback = "-g \(XtablesRules.chainPrefix)FALLBACK"
        var rules = drilledPods(family).map { "\(isOutbound ? "-s" : "-d") \($0) \(fallback)" }
        let take = [
            "-j CONNMARK --set-xmark \(bits(.toProxy))",
            "-p tcp -j TPROXY --on-port \(port) --on-ip \(loopback) --tproxy-mark \(bits(.toProxy))",
        ]
        guard state.isLocalTaken else { return rules + take }
        if isOutbound {
            // Whether the proxy is back is asked through the rules.
            let probe = RuleProbe.destination(family)
            rules += take.map { rule in
                let match = "-d \(probe.address) -p tcp --dport \(probe.port) "
                return match + (rule.hasPrefix("-p tcp ") ? String(rule.dropFirst("-p tcp ".count)) : rule)
            }
        }
        return rules + ["-g \(XtablesRules.chainPrefix)NOBODY"]
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

    private func out(_ family: IPAddress.Family, _ deciding: Bool) -> [String] {
        [
            "\(has(.upstream)) -j CONNMARK --set-xmark \(bits(.upstream))",
            // A server on the host itself answers the proxy at the pod's address: without this it would answer the pod.
            "-p tcp -m mark --mark 0x0/\(field.loopOrProxy.hexadecimal) -m conntrack --ctdir REPLY "
                + "\(connectionHas(.upstream)) -m addrtype ! --dst-type LOCAL \(set(.loop))",
        ] + (deciding ? tunnelOutput(family) : [])
    }

    /// What opens the host's firewall, each chain at the head of the built-in one that it is called after. Empty where
    /// nothing has to be opened.
    private func filter(_ set: Xtables, refusing: Bool) -> XtablesRules.Table {
        var opened: [(builtIn: String, rules: [String])] = []
        if host.hostFirewalls.contains(set) {
            opened.append(("INPUT", ["\(has(.toProxy)) -j ACCEPT", "\(has(.loop)) -j ACCEPT"]))
        }
        // What is taken is delivered locally, and what passes while no proxy listens is the host's to judge, as before: only
        // what goes through the own tunnel is forwarded for the proxy's sake.
        var forward = refusing ? ["-p tcp \(has(.refuse)) -j REJECT --reject-with tcp-reset"] : []
        if let ownTunnel, refusing || host.forwardFirewalls.contains(set) {
            forward += ["-i", "-o"].map { "\($0) \(ownTunnel.device.name) -j ACCEPT" }
        }
        if !forward.isEmpty { opened.append(("FORWARD", forward)) }
        if host.closedOutputs.contains(set) {
            let none = "0x0/\(field.mask.hexadecimal)"
            opened.append(("OUTPUT", ["-m connmark ! --mark \(none) -j ACCEPT"]))
        }
        let chains = opened.map { chain($0.builtIn, $0.rules) }
        let jumps = zip(opened, chains).map { (from: $0.builtIn, to: $1.name) }
        return XtablesRules.Table(name: "filter", chains: chains, jumps: jumps)
    }
}
