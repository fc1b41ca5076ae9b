import Model

extension RulePlan {
    /// The name of the own table, in family `inet`.
    static let tableName = "apus"
    /// Chains whose flush stops the taking of new connections and leaves those that are proxied alone.
    static let chainsOfNewConnections = ["decide", "decide_translated"]

    /// The own nft table as one transaction for `nft -f`: whatever was there before is replaced. Empty when the backend
    /// has no own table.
    public var nftText: String { nftText(withSwitch: true) }

    /// The same without what `switchText` writes: what no state of failover changes.
    var fixedText: String { nftText(withSwitch: false) }

    private func nftText(withSwitch: Bool) -> String {
        guard backend.usesNft else { return "" }
        var text = TextBlock()
        text.line("add table inet \(Self.tableName)")
        text.line("delete table inet \(Self.tableName)")
        text.block("table inet \(Self.tableName)") { table in
            writeSets(&table)
            for counter in counters { table.block("counter \(counter)") { _ in } }
            writeVerdicts(&table)
            if ownTunnel != nil { writeTunnel(&table) }
            for tunnel in hostTunnels { writeHost(tunnel, &table) }
            if !tunnelDevices.isEmpty { writeUnderlay(&table) }
            if withSwitch { writeSwitch(&table) }
            writeDecide(&table)
            writeLost(&table)
            if backend == .nft { writeDispatch(&table) } else { writeDecisionsAfterIptables(&table) }
            writeLoop(&table)
            writeTranslated(&table)
            writeIdentityNAT(&table)
        }
        return text.text
    }

    private var counters: [String] {
        ["taken", "passed", "refused", "resets"] + (ownTunnel == nil ? [] : ["tunnelled"])
            + (tunnelDevices.isEmpty ? [] : ["strangers"])
    }

    // MARK: pieces of expressions

    var field: Configuration.MarkField { interception.mark }
    static let syn = "tcp flags & (fin | syn | rst | ack) == syn"

    func has(_ place: String, _ number: MarkNumber) -> String {
        "\(place) mark & \(field.mask.hexadecimal) == \(number.value(in: field).hexadecimal)"
    }

    func set(_ place: String, _ number: MarkNumber) -> String {
        "\(place) mark set \(place) mark & \(field.others.hexadecimal) | \(number.value(in: field).hexadecimal)"
    }

    func tproxy(_ family: IPAddress.Family, _ port: UInt16) -> String {
        "\(family.nftProtocol) tproxy \(family.nftAddress) to \(family.nftLoopback):\(port)"
    }

    func daddrInPods(_ family: IPAddress.Family) -> String {
        "\(family.nftAddress) daddr @pods\(family.digit)"
    }

    private var notExcludedInbound: String {
        interception.excludeInboundPorts.isEmpty ? "" : " tcp dport != @excluded_inbound"
    }

    // MARK: chains

    private func writeSets(_ table: inout TextBlock) {
        for family in families {
            table.set("pods\(family.digit)", type: family.nftType, podPrefixes(family))
            let excluded = prefixes(interception.excludeCIDRs, family)
            if !excluded.isEmpty { table.set("excluded\(family.digit)", type: family.nftType, excluded) }
        }
        let ports = [
            ("excluded_outbound", interception.excludeOutboundPorts),
            ("excluded_inbound", interception.excludeInboundPorts),
        ]
        for (name, ranges) in ports where !ranges.isEmpty {
            table.set(name, type: "inet_service", PortRange.merged(ranges))
        }
        writeTunnelSets(&table)
    }

    private func writeVerdicts(_ table: inout TextBlock) {
        table.chain("to_proxy") { $0.line("\(set("meta", .toProxy)) accept") }
        table.chain("gone", "nobody has this connection any more: its peer must hear of it") {
            $0.line("meta l4proto tcp counter name resets reject with tcp reset")
        }
        table.chain("pass") {
            // The entry may be an old one of the proxy: its later packets must not be taken for the proxy's.
            $0.line("ct mark set ct mark & \(field.others.hexadecimal) counter name passed accept")
        }
        table.chain("refuse") { $0.line("counter name refused reject with tcp reset") }
    }

    private func writeDecide(_ table: inout TextBlock) {
        table.chain("decide") {
            $0.line("fib daddr type local return")
            for family in families where excludesProbe(family) {
                let (address, probe) = (family.nftAddress, RuleProbe.destination(family))
                $0.line(
                    "\(address) saddr @pods\(family.digit) \(address) daddr \(probe.address) tcp dport \(probe.port) "
                        + "goto outbound")
            }
            for family in families where !prefixes(interception.excludeCIDRs, family).isEmpty {
                $0.line("\(family.nftAddress) daddr @excluded\(family.digit) return")
            }
            let ports = interception.excludeOutboundPorts.isEmpty ? "" : " tcp dport != @excluded_outbound"
            for family in families {
                $0.line("\(family.nftAddress) saddr @pods\(family.digit)\(ports) goto outbound")
            }
            for family in families { $0.line("\(daddrInPods(family))\(notExcludedInbound) goto inbound") }
        }
    }

    private func writeLost(_ table: inout TextBlock) {
        table.chain("lost", "no socket: the last step of a SYN cookie, or what a dead proxy left behind") {
            $0.line("jump decide")
            $0.line("goto gone")
        }
        table.chain("lost_upstream") {
            // A translated reply matches its socket only after the translation is undone, further on.
            $0.line("ct status & (snat | dnat) != 0 goto to_proxy")
            $0.line("fib daddr type local accept")
            $0.line("goto gone")
        }
    }

    private func writeDispatch(_ table: inout TextBlock) {
        table.chain("accepted", "the client's side of a connection that the proxy accepted") {
            $0.line("socket transparent 1 goto to_proxy")
            // An answer is for a pod whose connection came back here through a tunnel, and is forwarded to it.
            $0.line("meta l4proto tcp ct direction original goto lost")
        }
        table.chain("opened", "what comes back to a connection that the proxy opened") {
            $0.line("socket transparent 1 goto to_proxy")
            $0.line("ct direction reply goto lost_upstream")
        }
        table.chain("pre", base: "type filter hook prerouting priority mangle; policy accept;") {
            $0.line("iifname \"lo\" goto from_lo")
            writeArrivals(&$0)
            $0.line("\(Self.syn) goto decide")
            let verdicts: [(MarkNumber, String)] = [
                (.toProxy, "goto accepted"), (.upstream, "goto opened"), (.loop, "accept"),
            ]
            $0.line(dispatch(["0x0 : accept"], verdicts + tunnelVerdicts))
            $0.line("meta l4proto { tcp, icmp, icmpv6 } socket transparent 1 goto to_proxy")
        }
        table.chain("out", base: "type filter hook output priority mangle; policy accept;") {
            $0.line("\(has("meta", .upstream)) \(set("ct", .upstream))")
        }
    }

    /// What becomes of later packets, by the mark of their connection.
    private func dispatch(_ first: [String], _ verdicts: [(MarkNumber, String)]) -> String {
        let elements = first + verdicts.map { "\($0.value(in: field).hexadecimal) : \($1)" }
        return "ct state established,related ct mark & \(field.mask.hexadecimal) vmap "
            + "{ \(elements.joined(separator: ", ")) }"
    }

    /// The iptables backend's chains have run one priority earlier and have marked what has a socket.
    private func writeDecisionsAfterIptables(_ table: inout TextBlock) {
        table.chain("pre", base: "type filter hook prerouting priority mangle + 1; policy accept;") {
            $0.line("iifname \"lo\" goto from_lo")
            writeArrivals(&$0)
            $0.line("\(Self.syn) goto decide")
            $0.line("\(has("meta", .toProxy)) accept")
            if !tunnelVerdicts.isEmpty { $0.line(dispatch([], tunnelVerdicts)) }
            $0.line("meta l4proto tcp ct direction original \(has("ct", .toProxy)) goto lost")
            $0.line("meta l4proto tcp ct direction reply \(has("ct", .upstream)) goto lost_upstream")
        }
    }

    private func writeLoop(_ table: inout TextBlock) {
        let translated = "\(Self.syn) ct direction original ct status dnat"
        table.chain("from_lo", "the proxy's own connection, translated to a pod of this host: its inbound table") {
            $0.line("meta mark & \(field.mask.hexadecimal) != \(MarkNumber.loop.value(in: field).hexadecimal) accept")
            for family in families {
                $0.line("\(translated) \(daddrInPods(family)) \(tproxy(family, interception.inboundPort)) accept")
            }
            for family in families { $0.line("\(translated) \(daddrInPods(family)) goto gone") }
        }
        // Priority: after the translation of locally generated packets (-100). The chain type routes them anew.
        table.chain("out_translated", base: "type route hook output priority -99; policy accept;") {
            for family in families {
                $0.line(
                    "\(has("meta", .upstream)) ct direction original ct status dnat \(daddrInPods(family))"
                        + "\(notExcludedAddress(family))\(notExcludedInbound) \(set("meta", .loop))")
            }
            // A server on the host itself answers the proxy at the pod's address: without this it would answer the pod.
            $0.line(
                "meta l4proto tcp meta mark & \(field.loopOrProxy.hexadecimal) == 0x0 ct direction reply "
                    + "\(has("ct", .upstream)) fib daddr type != local \(set("meta", .loop))")
            writeHostReplies(&$0)
        }
        if !tunnelDevices.isEmpty { writeTunnelOutput(&table) }
    }

    /// An excluded pod stays excluded when the host translates a service's address to it.
    private func notExcludedAddress(_ family: IPAddress.Family) -> String {
        let isExcluding = !prefixes(interception.excludeCIDRs, family).isEmpty
        return isExcluding ? " \(family.nftAddress) daddr != @excluded\(family.digit)" : ""
    }

    private func writeTranslated(_ table: inout TextBlock) {
        let inbound = interception.inboundPort
        table.chain("translated", "a node port or the like: the host has translated it to one of its pods") {
            if !interception.excludeInboundPorts.isEmpty { $0.line("tcp dport @excluded_inbound accept") }
            $0.line("\(Self.syn) goto decide_translated")
            $0.line("ct mark & \(field.mask.hexadecimal) != \(MarkNumber.loop.value(in: field).hexadecimal) accept")
            $0.line("socket transparent 1 goto to_proxy")
            for family in families { $0.line("\(tproxy(family, inbound)) goto to_proxy") }
            $0.line("goto gone")
        }
        table.chain("post", base: "type filter hook prerouting priority dstnat + 1; policy accept;") {
            $0.line("iifname \"lo\" accept")
            // It has been proxied.
            for device in tunnelDevices { $0.line("iifname \"\(device.name)\" accept") }
            $0.line("\(has("meta", .toProxy)) accept")
            for family in families {
                $0.line(
                    "meta l4proto tcp ct direction original ct status dnat \(daddrInPods(family))"
                        + "\(notExcludedAddress(family)) goto translated")
            }
        }
    }

    private func writeIdentityNAT(_ table: inout TextBlock) {
        // Only a rule that binds the connection keeps later translations away; `accept` would not.
        table.chain("nat_pre", base: "type nat hook prerouting priority dstnat - 1; policy accept;") {
            let numbers = ownTunnel == nil ? [MarkNumber.toProxy] : [.toProxy, .tunnel]
            for family in families {
                for number in numbers {
                    $0.line("\(has("meta", number)) dnat \(family.nftAddress) to \(family.nftAddress) daddr")
                }
            }
        }
        if !tunnelDevices.isEmpty { writeTunnelNAT(&table) }
    }
}

extension IPAddress.Family {
    var digit: String { self == .v4 ? "4" : "6" }
    var nftAddress: String { self == .v4 ? "ip" : "ip6" }
    var nftType: String { self == .v4 ? "ipv4_addr" : "ipv6_addr" }
    var nftLoopback: String { self == .v4 ? "127.0.0.1" : "[::1]" }
    var nftProtocol: String { "meta nfproto \(self == .v4 ? "ipv4" : "ipv6") meta l4proto tcp" }
}
