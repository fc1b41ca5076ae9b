import Foundation
import Lab
import Model
import Testing

/// Hosts whose own firewall drops what it does not know.
extension NodeTests {
    @Suite struct FirewallTests {
        /// Backend of the rules, and the iptables that the host's firewall is written with.
        static let combinations: [(Mesh.Backend, ClosedHost)] = [
            (.nft, ClosedHost(variant: .nft)), (.nft, ClosedHost(variant: .legacy)),
            (.nft, ClosedHost(variant: .nft, closesOutput: true)), (.iptables, ClosedHost(variant: .nft)),
            (.iptables, ClosedHost(variant: .legacy, closesOutput: true)),
            (.iptablesLegacy, ClosedHost(variant: .legacy)), (.iptablesLegacy, ClosedHost(variant: .nft)),
            (.xtablesOnly, ClosedHost(variant: .nft, closesOutput: true)),
        ]

        @Test(arguments: combinations)
        func closedHostsLetProxiedTrafficThrough(backend: Mesh.Backend, firewall: ClosedHost) throws {
            try withMesh({
                $0.backend = backend
                $0.prepare = { lab in
                    for host in [HostName.a, .b] { try firewall.close(lab[host]) }
                }
            }) { mesh in
                let servers = try mesh.lab.topology.pods.map { try mesh.lab[$0].echo() }
                for (from, to) in TrafficTests.pairs {
                    let proxy = from.host == .a ? mesh.a : mesh.b
                    for target in [to.v4, to.v6] {
                        let (greeting, record) = try mesh.observe(
                            from: mesh.lab[from], to: SocketAddress(target, 8080), in: proxy)
                        #expect(greeting.app == "\(to)")
                        #expect(record.pod == ProxyConfiguration.name(of: from))
                    }
                }
                #expect(servers.map(\.accepted).reduce(0, +) == 2 * TrafficTests.pairs.count)
                for proxy in mesh.proxies {
                    let status = try mesh.redirect("status", proxy)
                    #expect(status.succeeded, "\(status)")
                    #expect(status.output.contains("connection IPv4: answered"), "\(status)")
                    #expect(status.output.contains("connection IPv6: answered"), "\(status)")
                }
            }
        }

        /// Without a proxy pods are forwarded by the host's own rules: nothing has to be opened, nothing is.
        @Test(arguments: Mesh.Backend.usual)
        func closedHostsForwardDirectConnections(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.prepare = { lab in for host in [HostName.a, .b] { try ClosedHost().close(lab[host]) } }
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                for proxy in mesh.proxies { try proxy.kill() }
                for target in [PodName.b1.v4, PodName.b1.v6] {
                    try mesh.lab[.a1].connect(to: SocketAddress(target, 8080)).exchange()
                }
                #expect(server.accepted == 2)
                let forward = try mesh.lab[.a].run(["iptables-nft-save", "-t", "filter"]).required().output
                #expect(!forward.contains("APUS_FORWARD"), "\(forward)")
            }
        }

        @Test(arguments: KubeProxy.Variant.allCases)
        func theAcceptIsKeptInFirstPlace(variant: KubeProxy.Variant) throws {
            let program = "iptables-\(variant.rawValue)"
            func save(_ host: Node) throws -> [String] {
                try host.run(["\(program)-save", "-t", "filter"]).required().output.split(separator: "\n")
                    .map(String.init).filter { !$0.hasPrefix("#") }.map { $0.prefix { $0 != "[" } }.map(String.init)
            }
            try withMesh({
                $0.isInstalled = false
                $0.prepare = { try ClosedHost(variant: variant).close($0[.a]) }
            }) { mesh in
                let host = mesh.lab[.a]
                let before = try save(host)
                try mesh.redirect("install", mesh.a).required()
                try host.run([program, "-w", "5", "-I", "INPUT", "1", "-p", "tcp", "-j", "DROP"]).required()
                let drift = try mesh.redirect("status", mesh.a)
                #expect(drift.exit == .status(1), "\(drift)")
                #expect(
                    drift.output.contains("\(program): filter INPUT: rules of others stand before ours"), "\(drift)")
                #expect(drift.output.contains("connection IPv4: failed"), "\(drift)")
                #expect(drift.output.contains("connection IPv6: answered"), "\(drift)")

                try mesh.redirect("install", mesh.a).required()
                let repaired = try mesh.redirect("status", mesh.a)
                #expect(repaired.succeeded, "\(repaired)")
                try mesh.redirect("install", mesh.a).required()
                #expect(try mesh.redirect("install", mesh.a).output.contains("nothing to change"))

                try host.run([program, "-w", "5", "-D", "INPUT", "-p", "tcp", "-j", "DROP"]).required()
                try mesh.a.redirect("uninstall").required()
                #expect(try save(host) == before)
            }
        }

        @Test func aFirewallThatCameAfterwardsIsNamedAndOpened() throws {
            try withMesh { mesh in
                try ClosedHost(closesOutput: true).close(mesh.lab[.a])
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.exit == .status(1), "\(status)")
                for chain in [
                    "iptables-nft: filter INPUT", "ip6tables-nft: filter INPUT", "iptables-nft: filter OUTPUT",
                ] {
                    #expect(status.output.contains("\(chain): has come since the installation"), "\(status)")
                }
                try mesh.redirect("install", mesh.a).required()
                let repaired = try mesh.redirect("status", mesh.a)
                #expect(repaired.succeeded, "\(repaired)")
            }
        }

        // MARK: firewalls in nft

        /// What an administrator's nft file says, and the chains that are named.
        struct Foreign: Sendable, CustomTestStringConvertible {
            var name: String
            var text: String
            var chains: [String]
            var testDescription: String { name }
        }

        static let foreign = [
            Foreign(
                name: "policy drop",
                text: """
                    table inet guard {
                        chain incoming {
                            type filter hook input priority filter; policy drop;
                            iifname "lo" accept
                            meta l4proto { icmp, ipv6-icmp } accept
                            ct state established,related accept
                            tcp dport 22 accept
                        }
                    }
                    """, chains: ["inet guard: chain incoming"]),
            Foreign(
                name: "as firewalld",
                text: """
                    table inet firewalld {
                        chain filter_INPUT {
                            type filter hook input priority filter + 10; policy accept;
                            ct state { established, related } accept
                            ct status dnat accept
                            iifname "lo" accept
                            meta l4proto { icmp, ipv6-icmp } accept
                            jump filter_INPUT_POLICIES
                            ct state { invalid } drop
                            reject with icmpx admin-prohibited
                        }
                        chain filter_INPUT_POLICIES {
                            iifname "eth0" tcp dport 22 accept
                        }
                    }
                    """, chains: ["inet firewalld: chain filter_INPUT"]),
            Foreign(
                name: "every hook, in the families' own tables",
                text: """
                    table ip four {
                        chain coming {
                            type filter hook input priority 0; policy drop;
                            iifname "lo" accept
                        }
                        chain going {
                            type filter hook output priority 0; policy drop;
                            oifname "lo" accept
                        }
                    }
                    table ip6 six {
                        chain pre {
                            type filter hook prerouting priority 0; policy drop;
                            iifname "lo" accept
                            meta l4proto ipv6-icmp accept
                        }
                        chain post {
                            type filter hook postrouting priority 0; policy accept;
                            meta l4proto ipv6-icmp accept
                            oifname "lo" accept
                            goto deny
                        }
                        chain deny {
                            counter drop
                        }
                    }
                    """,
                chains: ["ip four: chain coming", "ip four: chain going", "ip6 six: chain pre", "ip6 six: chain post"]),
        ]

        @Test(arguments: foreign) func foreignChainsThatDropAreNamedWithTheirCure(foreign: Foreign) throws {
            try withMesh({
                $0.isInstalled = false
                $0.prepare = { lab in
                    let file = try lab[.a].workspace.write(foreign.text, to: "foreign.nft")
                    try lab[.a].run(["nft", "-f", file]).required()
                }
            }) { mesh in
                let host = mesh.lab[.a]
                let before = try state(of: host)
                let refused = try mesh.redirect("install", mesh.a)
                #expect(refused.exit == .status(1), "\(refused)")
                for chain in foreign.chains { #expect(refused.errors.contains("nft table \(chain) "), "\(refused)") }
                #expect(try state(of: host) == before, "nothing is installed")

                let commands = refused.errors.split(separator: "\n").compactMap { line in
                    line.firstRange(of: "run: ").map { line[$0.upperBound...] }
                }.map { String($0.prefix { $0 != "(" }) }
                #expect(commands.count == foreign.chains.count, "\(refused)")
                for command in commands { try host.run(["sh", "-c", command]).required() }
                try mesh.redirect("install", mesh.a).required()
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
                let servers = try [PodName.b1, .a1, .a2].map { try mesh.lab[$0].echo() }
                for (from, to) in [(PodName.a1, PodName.b1), (.b1, .a1), (.a1, .a2)] {
                    for target in [to.v4, to.v6] {
                        try mesh.lab[from].connect(to: SocketAddress(target, 8080)).exchange()
                    }
                }
                #expect(servers.map(\.accepted) == [2, 2, 2])

                // The administrator's rule is lost, as in a reload of firewalld.
                try host.run(["nft", "flush", "ruleset"]).required()
                try host.run(["nft", "-f", "\(host.workspace.path)/foreign.nft"]).required()
                let lost = try mesh.redirect("status", mesh.a)
                #expect(lost.exit == .status(1), "\(lost)")
                for chain in foreign.chains { #expect(lost.output.contains("nft table \(chain) "), "\(lost)") }
            }
        }

        private func state(of host: Node) throws -> String {
            try ["nft list ruleset", "ip rule", "ip -6 rule", "ip route show table all"].map {
                try host.run(["sh", "-c", $0]).required().output
            }.joined()
        }

        /// Chains that drop only what they name, or that never see a proxied packet, are no reason to refuse.
        @Test func firewallsThatDoNotDropAreLeftAlone() throws {
            let text = """
                table inet selective {
                    chain incoming {
                        type filter hook input priority 0; policy accept;
                        ct state invalid drop
                        iifname "eth0" tcp dport 23 drop
                    }
                    chain forwarding {
                        type filter hook forward priority 0; policy drop;
                        iifname "pod*" accept
                        oifname "pod*" accept
                    }
                    chain early {
                        type filter hook prerouting priority raw; policy drop;
                        iifname { "lo", "eth0" } accept
                        iifname "pod*" accept
                        iifname "apus-probe" accept
                    }
                }
                """
            try withMesh({
                $0.prepare = { lab in
                    let file = try lab[.a].workspace.write(text, to: "selective.nft")
                    try lab[.a].run(["nft", "-f", file]).required()
                }
            }) { mesh in
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
                let server = try mesh.lab[.b1].echo()
                try mesh.observe(from: mesh.lab[.a1], to: SocketAddress(PodName.b1.v4, 8080), in: mesh.a)
                try mesh.a.kill()
                try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
                #expect(server.accepted == 2)
            }
        }
    }
}
