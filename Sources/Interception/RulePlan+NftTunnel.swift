import Model

/// This host's own tunnel to its remotes, in nft.
extension RulePlan {
    /// Where packets of tunnelled connections go, by their connection's mark.
    var tunnelVerdicts: [(MarkNumber, String)] {
        ownTunnel == nil ? [] : [(.tunnel, "goto tunnelled"), (.fromTunnel, "goto came_back")]
    }

    /// All bits but ours and those that name a host or a remote.
    var wideOthers: String { (~wideMask).hexadecimal }

    /// Sets the own number and the host's or remote's beside it.
    func setWide(_ place: String, _ value: UInt32) -> String {
        "\(place) mark set \(place) mark & \(wideOthers) | \(value.hexadecimal)"
    }

    func writeTunnelSets(_ table: inout TextBlock) {
        let peers = Set(tunnelDevices.flatMap(\.peers).compactMap { IPAddress($0.address) })
        for family in [IPAddress.Family.v4, .v6] {
            let present = peers.filter { $0.family == family }.sorted(by: IPAddress.precedes)
            if !present.isEmpty { table.set("peers\(family.digit)", type: family.nftType, present) }
        }
        for tunnel in hostTunnels {
            for family in families {
                let prefixes = prefixes(tunnel.host.podCIDRs + RuleProbe.clients, family)
                table.set(podSet(tunnel, family), type: family.nftType, prefixes)
            }
        }
    }

    private var peerFamilies: [IPAddress.Family] {
        let families = Set(tunnelDevices.flatMap(\.peers).compactMap { IPAddress($0.address)?.family })
        return [.v4, .v6].filter(families.contains)
    }

    private var ports: String {
        "{ \(Set(tunnelDevices.map(\.port)).sorted().map(String.init).joined(separator: ", ")) }"
    }

    // MARK: what comes in

    /// In `pre`, before anything else is asked.
    func writeArrivals(_ chain: inout TextBlock) {
        guard !tunnelDevices.isEmpty else { return }
        chain.line("udp dport \(ports) fib daddr type local goto from_underlay")
        let own = ownTunnel.map { ["\"\($0.device.name)\" : goto from_tunnel"] } ?? []
        let hosts = hostTunnels.map { "\"\($0.device.name)\" : goto \(hostChain($0))" }
        chain.line("iifname vmap { \((own + hosts).joined(separator: ", ")) }")
    }

    func writeUnderlay(_ table: inout TextBlock) {
        table.chain("from_underlay", "outer packets: nothing else tells who may send them") {
            // With mark 1 they pass the host's firewall. The inner packet inherits it, so it is set anew there. A peer's
            // packets come from where packets to it go: not from a pod, which can write any sender's address.
            for family in peerFamilies {
                $0.line("\(family.nftAddress) saddr @peers\(family.digit) fib saddr . iif oif exists goto to_proxy")
            }
            $0.line("counter name strangers drop")
        }
    }

    func writeTunnel(_ table: inout TextBlock) {
        guard let ownTunnel else { return }
        let tunnel = failover.tunnel
        table.chain("to_tunnel") { $0.line("\(set("meta", .tunnel)) accept") }
        table.chain("new_in_tunnel") {
            // An old entry may name the remote that had the connection before.
            let unbound = bindsToRemotes ? setWide("ct", tunnelValue) : set("ct", .tunnel)
            $0.line("\(unbound) counter name tunnelled goto to_tunnel")
        }
        for remote in ownTunnel.remotes {
            table.chain("to_remote_\(remote.slot)", remote.name) {
                $0.line("\(setWide("meta", mark(of: remote, .tunnel))) accept")
            }
            table.chain("from_remote_\(remote.slot)", remote.name) {
                $0.line("\(setWide("ct", mark(of: remote, .fromTunnel))) accept")
            }
            guard bindsToRemotes else { continue }
            table.chain("bound_\(remote.slot)", remote.name) {
                $0.line("\(setWide("ct", mark(of: remote, .tunnel))) accept")
            }
        }
        if bindsToRemotes {
            table.chain("bind", "who has answered its SYN has the connection, whatever becomes of the group") {
                let remotes = ownTunnel.remotes.map { "\($0.link) : goto bound_\($0.slot)" }
                $0.line("ether saddr vmap { \(remotes.joined(separator: ", ")) }")
                $0.line("accept")
            }
        }
        table.chain("from_remote", "the way back is the one it came") {
            let remotes = ownTunnel.remotes.map { "\($0.link) : goto from_remote_\($0.slot)" }
            $0.line("ether saddr vmap { \(remotes.joined(separator: ", ")) }")
            $0.line("counter name strangers drop")
        }
        table.chain("came_back", "answers to what a remote opened through this host") {
            $0.line("ct direction original accept")
            let remotes = ownTunnel.remotes.map {
                "\(mark(of: $0, .fromTunnel).hexadecimal) : goto to_remote_\($0.slot)"
            }
            $0.line("ct mark & \(wideMask.hexadecimal) vmap { \(remotes.joined(separator: ", ")) }")
            $0.line("accept")
        }
        table.chain("from_tunnel", "it has been proxied: it is forwarded as what a pod sends, and never taken again") {
            let ends = (TunnelAddress.remote(tunnel), TunnelAddress.protected(tunnel))
            $0.line("ip saddr \(ends.0) ip daddr \(ends.1) tcp sport \(RuleProbe.port) goto to_proxy")
            for family in families {
                let (address, pods) = (family.nftAddress, "@pods\(family.digit)")
                $0.line("\(address) saddr != \(pods) \(address) daddr != \(pods) counter name strangers drop")
            }
            // Nothing else was ever sent in.
            $0.line("meta l4proto != { tcp, icmp, icmpv6 } counter name strangers drop")
            $0.line("meta mark set meta mark & \(wideOthers)")
            $0.line("\(Self.syn) goto from_remote")
            $0.line("ct direction original ct mark & \(field.mask.hexadecimal) == 0x0 goto from_remote")
            if bindsToRemotes {
                let unbound = "ct mark & \(wideMask.hexadecimal) == \(tunnelValue.hexadecimal)"
                $0.line("ct direction reply \(unbound) goto bind")
            }
            $0.line("accept")
        }
    }

    var tunnelValue: UInt32 { MarkNumber.tunnel.value(in: field) }

    /// Follows the state of failover: a remote that is gone must not be waited for.
    func writeTunnelled(_ table: inout TextBlock) {
        guard ownTunnel != nil else { return }
        table.chain("tunnelled", "opened through the tunnel: it stays there when the local proxy is back") {
            if !keepingRemotes.isEmpty {
                let remotes = keepingRemotes.map {
                    "\(mark(of: $0, .tunnel).hexadecimal) : goto to_remote_\($0.slot)"
                }
                $0.line(
                    "ct direction original ct mark & \(wideMask.hexadecimal) vmap { \(remotes.joined(separator: ", ")) }"
                )
            }
            $0.line("ct direction original goto to_tunnel")
            $0.line("accept")
        }
    }

    // MARK: what goes out

    /// In `out_translated`: a server on this host itself answers what a remote opened for a pod.
    func writeHostReplies(_ chain: inout TextBlock) {
        for remote in ownTunnel?.remotes ?? [] {
            chain.line(
                "meta l4proto tcp meta mark & \(field.loopOrProxy.hexadecimal) == 0x0 ct direction reply "
                    + "ct mark & \(wideMask.hexadecimal) == \(mark(of: remote, .fromTunnel).hexadecimal) "
                    + "fib daddr type != local \(setWide("meta", mark(of: remote, .hostReply)))")
        }
    }

    /// Connection marks for what this host sends: they let it pass host firewalls, and answers find their way.
    func writeTunnelOutput(_ table: inout TextBlock) {
        table.chain("out_tunnels", base: "type filter hook output priority mangle + 1; policy accept;") {
            for family in peerFamilies {
                $0.line(
                    "udp dport \(ports) \(family.nftAddress) daddr @peers\(family.digit) \(set("ct", .tunnel)) accept")
            }
            let unmarked = "ct mark & \(field.mask.hexadecimal) == 0x0"
            if ownTunnel != nil { $0.line("\(has("meta", .hostReply)) \(unmarked) \(set("ct", .tunnel))") }
            for tunnel in hostTunnels {
                $0.line(
                    "meta mark & \(wideMask.hexadecimal) == \(hostMark(tunnel).hexadecimal) ct direction original "
                        + "\(set("ct", .upstream))")
            }
        }
    }

    /// Nothing that goes through a tunnel is translated here: that is for the host whose pods' it is.
    func writeTunnelNAT(_ table: inout TextBlock) {
        let names = tunnelDevices.map { "\"\($0.name)\"" }.joined(separator: ", ")
        table.chain("nat_post", base: "type nat hook postrouting priority srcnat - 1; policy accept;") {
            for family in families {
                $0.line("oifname { \(names) } snat \(family.nftAddress) to \(family.nftAddress) saddr")
            }
        }
        guard !hostTunnels.isEmpty else { return }
        table.chain("nat_out", base: "type nat hook output priority -101; policy accept;") {
            for tunnel in hostTunnels {
                for family in families {
                    $0.line(
                        "meta mark & \(wideMask.hexadecimal) == \(hostMark(tunnel).hexadecimal) "
                            + "dnat \(family.nftAddress) to \(family.nftAddress) daddr")
                }
            }
        }
    }
}
