import Model

/// The tunnels of protected hosts, in nft: what comes out of one is for the proxy here, or is reset.
extension RulePlan {
    func hostChain(_ tunnel: HostTunnel) -> String { "host_\(tunnel.host.id)" }
    func takeChain(_ tunnel: HostTunnel) -> String { "take_\(tunnel.host.id)" }
    func podSet(_ tunnel: HostTunnel, _ family: IPAddress.Family) -> String {
        "host_\(tunnel.host.id)_pods\(family.digit)"
    }

    private func deliverChain(_ tunnel: HostTunnel) -> String { "for_\(tunnel.host.id)" }
    private func resetChain(_ tunnel: HostTunnel) -> String { "reset_\(tunnel.host.id)" }

    func writeHost(_ tunnel: HostTunnel, _ table: inout TextBlock) {
        table.chain(deliverChain(tunnel), tunnel.host.node) {
            $0.line("\(setWide("meta", hostMark(tunnel))) accept")
        }
        table.chain(resetChain(tunnel)) {
            // With the mark the reset finds its way back.
            $0.line("\(setWide("meta", hostMark(tunnel))) meta l4proto tcp counter name resets reject with tcp reset")
            $0.line("drop")
        }
        let (deliver, take) = (deliverChain(tunnel), takeChain(tunnel))
        table.chain(hostChain(tunnel), "out of the tunnel of \(tunnel.host.node)") {
            $0.line("meta l4proto { icmp, icmpv6 } socket transparent 1 goto \(deliver)")
            let ends = (TunnelAddress.protected(tunnel.host.tunnel), TunnelAddress.remote(tunnel.host.tunnel))
            let test = "ip saddr \(ends.0) ip daddr \(ends.1) tcp dport \(RuleProbe.port)"
            $0.line("\(test) socket transparent 1 goto \(deliver)")
            $0.line("\(test) goto \(take)")
            for family in families {
                let (address, pods) = (family.nftAddress, "@\(podSet(tunnel, family))")
                $0.line("\(address) saddr != \(pods) \(address) daddr != \(pods) counter name strangers drop")
            }
            $0.line("meta l4proto != tcp drop")
            $0.line("\(Self.syn) goto \(take)")
            $0.line("socket transparent 1 goto \(deliver)")
            // A translated reply matches its socket only after the translation is undone, further on.
            $0.line("ct status & (snat | dnat) != 0 ct direction reply \(has("ct", .upstream)) goto \(deliver)")
            // The last step of a SYN cookie.
            $0.line("ct direction original \(has("ct", .toProxy)) goto \(take)")
            $0.line("goto \(resetChain(tunnel))")
        }
    }

    /// As for own pods: what a pod sends is outbound, even to another pod of its host.
    func writeTake(_ tunnel: HostTunnel, _ table: inout TextBlock) {
        table.chain(takeChain(tunnel)) { chain in
            if !state.refusesProtectedHosts {
                let ends = (TunnelAddress.protected(tunnel.host.tunnel), TunnelAddress.remote(tunnel.host.tunnel))
                let taking = "\(set("ct", .toProxy)) counter name taken goto \(deliverChain(tunnel))"
                chain.line(
                    "ip saddr \(ends.0) ip daddr \(ends.1) \(tproxy(.v4, interception.outboundPort)) \(taking)")
                let legs = [("saddr", interception.outboundPort), ("daddr", interception.inboundPort)]
                for (side, port) in legs {
                    for family in families {
                        chain.line(
                            "\(family.nftAddress) \(side) @\(podSet(tunnel, family)) \(tproxy(family, port)) \(taking)")
                    }
                }
            }
            chain.line("goto \(resetChain(tunnel))")
        }
    }
}
