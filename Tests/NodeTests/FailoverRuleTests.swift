import Foundation
import Lab
import Model
import Testing

/// The rules of failover on live hosts: A is protected by C. No proxy runs on A, so what its pods open must go through the
/// tunnel, whatever C does with it.
extension NodeTests {
    @Suite struct FailoverRuleTests {
        /// What uninstall has to bring back.
        private func state(of host: Node) throws -> [String] {
            let commands = [
                ["nft", "-s", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"], ["ip", "nexthop"],
                ["ip", "route", "show", "table", "all"], ["ip", "-6", "route", "show", "table", "all"],
                ["ip", "-br", "link"], ["iptables-legacy-save"],
                ["sysctl", "-a", "--pattern", "^net\\.ipv[46]\\.(conf\\.[^.]*\\.rp_filter|tcp_|fwmark)"],
            ]
            return try commands.flatMap { command in
                try host.run(command).required().output.split(separator: "\n").map(String.init)
                    .filter { !$0.hasPrefix("#") }
                    // Packets that passed meanwhile are no trace.
                    .map { $0.replacingOccurrences(of: " \\[[0-9]+:[0-9]+\\]$", with: "", options: .regularExpression) }
                    .map { "\(command[0]): \($0)" }
            }
        }

        private func counter(_ name: String, _ host: FailoverHost) throws -> Int {
            let listing = try host.node.run(["nft", "list", "counter", "inet", "apus", name]).required().output
            let words = listing.split { $0 == " " || $0 == "\n" || $0 == "\t" }
            let index = try #require(words.firstIndex(of: "packets"), "\(listing)")
            return try #require(Int(words[index + 1]), "\(listing)")
        }

        private func expectRefusal(from pod: Node, to address: IPAddress) {
            let error = #expect(throws: LabError.self) {
                try pod.connect(to: SocketAddress(address, 8080), timeout: .seconds(1))
            }
            #expect(error.map { "\($0)".contains("refused") } ?? false, "\(address): \(String(describing: error))")
        }

        static let backends: [[String]] = [
            ["--backend", "nft"], ["--backend", "iptables"], ["--backend", "iptables", "--xtables-only"],
        ]

        @Test(arguments: backends)
        func tunnelsAreInstalledOnceAndLeaveNoTrace(backend: [String]) throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            for host in try FailoverHost.buddies(lab) {
                // The tables of the legacy variant, once used, stay.
                try host.node.run(["iptables-legacy", "-t", "nat", "-S"]).required()
                let before = try state(of: host.node)
                try host.redirect(["install"] + backend).required()
                let again = try host.redirect(["install"] + backend).required().output
                #expect(again.contains("nothing to change"), "\(again)")
                let status = try host.redirect(["status"] + backend)
                #expect(status.succeeded, "\(status)")
                try host.redirect(["uninstall", "--wait", "0s"]).required()
                let left = try state(of: host.node).difference(from: before)
                #expect(left.isEmpty, "\(left)")
            }
        }

        /// C resets what it gets while nobody listens there: the refusal at once shows that it was asked.
        @Test(arguments: backends.prefix(2))
        func withoutAProxyConnectionsGoThroughTheTunnel(backend: [String]) throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            let (a, c) = try FailoverHost.protectedAndRemote(lab)
            for host in [a, c] { try host.redirect(["install"] + backend).required() }
            let servers = try [lab[.a1].echo(), lab[.a2].echo(), lab[.b1].echo()]
            let pairs: [(PodName, PodName)] = [(.a1, .b1), (.a1, .a2), (.b1, .a1)]
            for (from, to) in pairs {
                for address in [to.v4, to.v6] { expectRefusal(from: lab[from], to: address) }
            }
            #expect(servers.map(\.accepted) == [0, 0, 0])
            #expect(try counter("tunnelled", a) == 2 * pairs.count)
            #expect(try counter("resets", c) == 2 * pairs.count)
            // Pods of a host without a part in this are not touched.
            try lab[.b2].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
        }

        @Test func theWayBackSurvivesStrictSourceChecks() throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            let (a, c) = try FailoverHost.protectedAndRemote(lab)
            for host in [a, c] {
                try host.redirect(["install"]).required()
                let settings = ["rp_filter", "src_valid_mark"].map { "net.ipv4.conf.all.\($0)=1" }
                try host.node.run(["sysctl", "-qw"] + settings).required()
            }
            for (from, to) in [(PodName.a1, PodName.b1), (.a1, .a2), (.b1, .a1)] {
                expectRefusal(from: lab[from], to: to.v4)
            }
            #expect(try counter("resets", c) == 3)
        }

        @Test func whatIsTakenAwayIsNamedAndComesBack() throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            let (a, _) = try FailoverHost.protectedAndRemote(lab)
            try a.redirect(["install"]).required()
            let losses: [([String], String)] = [
                (["ip", "link", "del", "apus-tun"], "device apus-tun vxlan id 7011"),
                (["ip", "link", "set", "apus-tun", "mtu", "1300"], "device apus-tun mtu 1450"),
                (["ip", "nexthop", "flush"], "nexthop id 1504"),
                (["ip", "-6", "rule", "del", "pref", "101"], "IPv6 rule pref 101"),
                (["ip", "neighbor", "flush", "dev", "apus-tun", "nud", "permanent"], "neighbor"),
                (["nft", "flush", "chain", "inet", "apus", "from_tunnel"], "nft table inet apus"),
            ]
            for (loss, named) in losses {
                try a.node.run(loss).required()
                let status = try a.redirect(["status"])
                #expect(status.exit == .status(1) && status.output.contains(named), "\(loss): \(status)")
                try a.redirect(["install"]).required()
                let repaired = try a.redirect(["status"])
                #expect(repaired.succeeded, "\(loss): \(repaired)")
            }
        }

        @Test func onlyPeersReachTheTunnel() throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            let (a, c) = try FailoverHost.protectedAndRemote(lab)
            for host in [a, c] { try host.redirect(["install"]).required() }
            for host in [HostName.a, .c] {
                try lab[.b].run(["bash", "-c", "echo stranger > /dev/udp/\(lab[host].v4)/4799"]).required()
            }
            #expect(try eventually(within: .seconds(2)) { try counter("strangers", a) == 1 })
            #expect(try eventually(within: .seconds(2)) { try counter("strangers", c) == 1 })
        }

        static let conflicts: [([String], String)] = [
            (["ip", "link", "add", "apus-tun", "type", "bridge"], "device apus-tun: this name is needed"),
            (
                [
                    "ip", "link", "add", "flannel.1", "type", "vxlan", "id", "7011", "dstport", "4799", "local",
                    "10.99.0.11",
                ],
                "flannel.1: is a VXLAN with the same vni 7011"
            ),
            (["ip", "rule", "add", "pref", "98", "lookup", "main"], "rule pref 98: this preference is needed"),
            (["ip", "route", "add", "10.9.0.0/16", "dev", "eth0", "table", "1501"], "table 1501: has a route"),
            (["ip", "nexthop", "add", "id", "1504", "blackhole"], "nexthop id 1504: this id is needed"),
            (["ip", "link", "set", "eth0", "down"], "no route to 10.99.0.13"),
        ]

        @Test(arguments: conflicts)
        func whatOthersHaveIsRefusedByName(command: [String], named: String) throws {
            let lab = try Lab.up(hostCount: 3)
            defer { lab.down() }
            let (a, _) = try FailoverHost.protectedAndRemote(lab)
            try a.node.run(command).required()
            let before = try state(of: a.node)
            let install = try a.redirect(["install"])
            #expect(install.exit == .status(1) && install.errors.contains(named), "\(install)")
            #expect(try state(of: a.node) == before)
        }
    }
}

/// A lab host with a configuration of failover and rules, without a proxy.
struct FailoverHost {
    let node: Node
    private let path: String

    private init(_ node: Node, _ lab: Lab, _ text: String) throws {
        self.node = node
        path = try lab.workspace.write(text, to: "failover-\(node.name).yaml")
    }

    /// A, and C that stands in for it and has no pods of its own.
    static func protectedAndRemote(_ lab: Lab) throws -> (a: FailoverHost, c: FailoverHost) {
        let a = try FailoverHost(
            lab[.a], lab,
            """
            version: 1
            node: {name: A}
            interception: {podCIDRs: [\(HostName.a.podCIDRs.joined(separator: ", "))]}
            failover: {policy: [remote, drop], remotes: [{name: C, address: \(lab[.c].v4)}]}
            """)
        let c = try FailoverHost(
            lab[.c], lab,
            """
            version: 1
            node: {name: C, mode: remote}
            interception: {}
            failover:
              protects:
                - {id: 1, node: A, address: \(lab[.a].v4), podCIDRs: [\(HostName.a.podCIDRs.joined(separator: ", "))],
                   tunnel: {vni: 7011}}
            """)
        return (a, c)
    }

    /// Three hosts, each protected by the two others: one file.
    static func buddies(_ lab: Lab) throws -> [FailoverHost] {
        let hosts: [HostName] = [.a, .b, .c]
        let remotes = hosts.map { "{name: \($0), address: \(lab[$0].v4)}" }.joined(separator: ", ")
        let protects = hosts.enumerated().map { index, host in
            "    - {id: \(index + 1), node: \(host), address: \(lab[host].v4), "
                + "podCIDRs: [\(host.podCIDRs.joined(separator: ", "))], tunnel: {vni: \(7011 + index)}}"
        }
        return try hosts.map { host in
            try FailoverHost(
                lab[host], lab,
                """
                version: 1
                node: {name: \(host)}
                interception: {}
                failover:
                  policy: [remote, direct]
                  remotes: [\(remotes)]
                  protects:
                \(protects.joined(separator: "\n"))
                """)
        }
    }

    /// `apusctl redirect ...` here.
    func redirect(_ arguments: [String]) throws -> CommandResult {
        try node.run([Programs.path("apusctl"), "redirect", arguments[0], "--config", path] + arguments.dropFirst())
    }
}
