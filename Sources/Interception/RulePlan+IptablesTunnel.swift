import Model

/// Tunnels in iptables. With the decisions in nft these are there as well: iptables' chains only have to keep out of the way
/// of what belongs to tunnels. Without nf_tables everything is here.
extension RulePlan {
    private func wide(_ value: UInt32) -> String { "\(value.hexadecimal)/\(wideMask.hexadecimal)" }

    private func goto(_ name: String) -> String { "-g \(XtablesRules.chainPrefix)\(name)" }

    var nat: XtablesRules.Table {
        let pass = chain(
            "NAT", [has(.toProxy)].map { "\($0) -j ACCEPT" } + (ownTunnel == nil ? [] : ["\(has(.tunnel)) -j ACCEPT"]))
        var table = XtablesRules.Table(name: "nat", chains: [pass], jumps: [("PREROUTING", pass.name)])
        guard !tunnelDevices.isEmpty else { return table }
        let post = chain("NATPOST", tunnelDevices.map { "-o \($0.name) -j ACCEPT" })
        table.chains.append(post)
        table.jumps.append(("POSTROUTING", post.name))
        if !hostTunnels.isEmpty {
            let out = chain("NATOUT", hostTunnels.map { "-m mark --mark \(wide(hostMark($0))) -j ACCEPT" })
            table.chains.append(out)
            table.jumps.append(("OUTPUT", out.name))
        }
        return table
    }

    // MARK: before the decisions

    /// In `PRE`, first.
    func arrivals(_ family: IPAddress.Family, _ deciding: Bool) -> [String] {
        guard deciding else { return tunnelDevices.map { "-i \($0.name) -j RETURN" } }
        var rules: [String] = []
        for port in Set(tunnelDevices.map(\.port)).sorted() where !peers(family).isEmpty {
            rules.append("-p udp --dport \(port) -m addrtype --dst-type LOCAL \(goto("UNDERLAY"))")
        }
        if let ownTunnel { rules.append("-i \(ownTunnel.device.name) \(goto("FROMTUN"))") }
        return rules + hostTunnels.map { "-i \($0.device.name) \(goto("HOST\($0.host.id)"))" }
    }

    /// In `PRE`, after SYNs: connections of the tunnel stay there, whatever socket a dead proxy has left.
    func stickiness(_ deciding: Bool) -> [String] {
        guard ownTunnel != nil else { return [] }
        guard deciding else { return [MarkNumber.tunnel, .fromTunnel].map { "\(connectionHas($0)) -j RETURN" } }
        return [
            "\(connectionHas(.tunnel)) -m conntrack --ctdir ORIGINAL \(goto("TUN"))",
            "\(connectionHas(.tunnel)) -j RETURN",
            "\(connectionHas(.fromTunnel)) -m conntrack --ctdir REPLY \(goto("BACK"))",
            "\(connectionHas(.fromTunnel)) -j RETURN",
        ]
    }

    private func peers(_ family: IPAddress.Family) -> [IPAddress] {
        Set(tunnelDevices.flatMap(\.peers).compactMap { IPAddress($0.address) }).filter { $0.family == family }.sorted(
            by: IPAddress.precedes)
    }

    // MARK: without nf_tables

    func tunnelChains(_ family: IPAddress.Family) -> [XtablesRules.Chain] {
        guard !tunnelDevices.isEmpty else { return [] }
        var chains: [XtablesRules.Chain] = []
        if !peers(family).isEmpty {
            chains.append(
                chain(
                    "UNDERLAY",
                    // A peer's packets come from where packets to it go: not from a pod.
                    peers(family).flatMap { peer in
                        [set(.toProxy), "-j ACCEPT"].map { "-s \(peer) -m rpfilter \($0)" }
                    } + ["-j DROP"]))
        }
        if let ownTunnel { chains += ownChains(ownTunnel, family) }
        return chains + hostTunnels.map { chain("HOST\($0.host.id)", hostRules($0, family)) }
    }

    private func ownChains(_ tunnel: OwnTunnel, _ family: IPAddress.Family) -> [XtablesRules.Chain] {
        let clear = "-j MARK --set-xmark \(wide(0))"
        let ends = (TunnelAddress.remote(failover.tunnel), TunnelAddress.protected(failover.tunnel))
        let test = "-s \(ends.0) -d \(ends.1) -p tcp --sport \(RuleProbe.port)"
        let known = podPrefixes(family).flatMap { pods in
            ["-s", "-d"].flatMap { side in
                ["tcp", family == .v4 ? "icmp" : "ipv6-icmp"].map {
                    "\(side) \(pods) -p \($0) \(goto("FORWARDED"))"
                }
            }
        }
        let marks = tunnel.remotes.flatMap { remote in
            ["-p tcp --syn", "-m conntrack --ctdir ORIGINAL \(noConnectionMark)"].map {
                "-m mac --mac-source \(remote.link) \($0) -j CONNMARK --set-xmark \(wide(mark(of: remote, .fromTunnel)))"
            }
        }
        // Who has answered its SYN has the connection, whatever becomes of the group.
        let binding =
            !bindsToRemotes
            ? []
            : tunnel.remotes.map { remote in
                "-m conntrack --ctdir REPLY -m connmark --mark \(wide(tunnelValue)) -m mac --mac-source \(remote.link) "
                    + "-j CONNMARK --set-xmark \(wide(mark(of: remote, .tunnel)))"
            }
        let bound = keepingRemotes.flatMap { remote in
            let match = "-m connmark --mark \(wide(mark(of: remote, .tunnel)))"
            return ["\(match) -j MARK --set-xmark \(wide(mark(of: remote, .tunnel)))", "\(match) -j ACCEPT"]
        }
        let back = tunnel.remotes.flatMap { remote in
            let match = "-m connmark --mark \(wide(mark(of: remote, .fromTunnel)))"
            return ["\(match) -j MARK --set-xmark \(wide(mark(of: remote, .tunnel)))", "\(match) -j ACCEPT"]
        }
        return [
            chain("TUN", bound + [set(.tunnel), "-j ACCEPT"]), chain("BACK", back),
            chain("FORWARDED", [clear] + marks + binding + ["-j ACCEPT"]),
            chain(
                "FROMTUN",
                (family == .v4 ? ["\(test) \(set(.toProxy))", "\(test) -j ACCEPT"] : []) + known + ["-j DROP"]),
        ]
    }

    private var noConnectionMark: String { "-m connmark --mark 0x0/\(interception.mark.mask.hexadecimal)" }

    private func hostRules(_ tunnel: HostTunnel, _ family: IPAddress.Family) -> [String] {
        let mark = wide(hostMark(tunnel))
        let loopback = family == .v4 ? "127.0.0.1" : "::1"
        var rules = ["-j MARK --set-xmark \(mark)"]
        let icmp = family == .v4 ? "icmp" : "ipv6-icmp"
        rules += ["-p \(icmp) -m socket --transparent -j ACCEPT", "-p tcp ! --syn -m socket --transparent -j ACCEPT"]
        rules.append("-p tcp \(connectionHas(.upstream)) -m conntrack --ctdir REPLY -j ACCEPT")
        guard !state.refusesProtectedHosts else { return rules + ["-j DROP"] }
        rules.append("-p tcp -j CONNMARK --set-xmark \(bits(.toProxy))")
        func take(_ match: String, _ port: UInt16) -> String {
            "\(match) -p tcp -j TPROXY --on-port \(port) --on-ip \(loopback) --tproxy-mark \(mark)"
        }
        if family == .v4 {
            let ends = (TunnelAddress.protected(tunnel.host.tunnel), TunnelAddress.remote(tunnel.host.tunnel))
            rules.append(take("-s \(ends.0) -d \(ends.1)", interception.outboundPort))
        }
        let pods = prefixes(tunnel.host.podCIDRs + RuleProbe.clients, family)
        rules += pods.map { take("-s \($0)", interception.outboundPort) }
        rules += pods.map { take("-d \($0)", interception.inboundPort) }
        return rules + ["-j DROP"]
    }

    /// In `OUT`: connection marks for what this host sends, and the way of its own answers.
    func tunnelOutput(_ family: IPAddress.Family) -> [String] {
        var rules: [String] = []
        for port in Set(tunnelDevices.map(\.port)).sorted() {
            rules += peers(family).map {
                "-p udp --dport \(port) -d \($0) -j CONNMARK --set-xmark \(bits(.tunnel))"
            }
        }
        if ownTunnel != nil {
            rules.append("\(has(.hostReply)) \(noConnectionMark) -j CONNMARK --set-xmark \(bits(.tunnel))")
        }
        for remote in ownTunnel?.remotes ?? [] {
            rules.append(
                "-p tcp -m mark --mark 0x0/\(interception.mark.loopOrProxy.hexadecimal) -m conntrack --ctdir REPLY "
                    + "-m connmark --mark \(wide(mark(of: remote, .fromTunnel))) -m addrtype ! --dst-type LOCAL "
                    + "-j MARK --set-xmark \(wide(mark(of: remote, .hostReply)))")
        }
        return rules
            + hostTunnels.map {
                "-m mark --mark \(wide(hostMark($0))) -m conntrack --ctdir ORIGINAL -j CONNMARK --set-xmark "
                    + bits(.upstream)
            }
    }

    /// The stricter answer of the two pods, when both are of this host (as in nft).
    func fallback(_ family: IPAddress.Family) -> [String] {
        let own = podAnswers(family)
        let ranked: [Configuration.Failover.Answer] = [.drop, .remote, .direct]
        var rules: [String] = []
        for answer in ranked where answer != self.answer {
            for pod in own[answer] ?? [] {
                rules += ["-s", "-d"].flatMap { side in verdict(answer).map { "\(side) \(pod) \($0)" } }
            }
        }
        return rules + verdict(answer)
    }

    private func verdict(_ answer: Configuration.Failover.Answer) -> [String] {
        switch answer {
        case .direct:
            ["-j CONNMARK --set-xmark 0x0/\(interception.mark.mask.hexadecimal)", "-j ACCEPT"]
        case .drop: ["-p tcp \(set(.refuse))", "-j ACCEPT"]
        case .remote:
            // An old entry may name the remote that had the connection before.
            ["-j CONNMARK --set-xmark \(bindsToRemotes ? wide(tunnelValue) : bits(.tunnel))", goto("TUN")]
        }
    }
}
