import Lab
import Model

/// Host C, which stands in for A and B, and what a connection through it looks like.
extension Demo {
    func showFailover() throws {
        try addRemote()
        let traffic = SteadyTraffic(from: lab[.a1], to: FailoverDemo.target)
        defer { traffic.stop() }
        let line = try TrafficLine(traffic, local: proxyA, remote: proxyC, report: report)
        var failover = FailoverDemo(self, line: line)
        try failover.run()
    }

    /// `failover` of hosts that C stands in for. Each finds its own tunnel in the entry with its name.
    private static var protection: [String] {
        ["remotes: [{name: \(ProxyConfiguration.node(.c)), address: \(HostName.c.v4)}]", protects(by: .c)]
    }

    /// C: no pods of its own, those of A and B with the same tables.
    static func remote(like a: ProxyConfiguration) -> ProxyConfiguration {
        var c = ProxyConfiguration(.c)
        c.mode = "remote"
        c.sourcePorts = nil
        c.podHosts = [.a, .b]
        c.outbound = a.outbound
        c.clusters = [web(at: .b2)]
        c.failover = [protects()]
        return c
    }

    private static func protects(by remote: HostName? = nil) -> String {
        let names = remote.map { ", by: [\(ProxyConfiguration.node($0))]" } ?? ""
        let entries = [HostName.a, .b].map { host in
            let prefixes = host.podCIDRs.map { "\"\($0)\"" }.joined(separator: ", ")
            return """
                {id: \(host.rawValue), node: \(ProxyConfiguration.node(host)), address: \(host.v4), \
                podCIDRs: [\(prefixes)], tunnel: {vni: \(7010 + host.rawValue)}\(names)}
                """
        }
        return "protects: [\(entries.joined(separator: ", "))]"
    }

    private func addRemote() throws {
        report.heading("Host C stands in for A and B: apusd in mode remote, tunnels; apus-guard on A")
        try proxyC.start()
        for proxy in [proxyA, proxyB] {
            try proxy.reload {
                $0.policy = "remote, direct"
                $0.failover = Self.protection
            }
        }
        for proxy in [proxyC, proxyA, proxyB] {
            try proxy.redirect("install", ["--backend", backend]).required()
            let status = try proxy.redirect("status", ["--backend", backend])
            try report.check(status.succeeded, "host \(proxy.host.name): the rules are as desired", saw: "\(status)")
        }
        try guardA.start()
        let isComplete = try eventually(within: .seconds(10)) {
            try guardA.admin.metric("apus_guard_local_workers") == 2
                && guardA.admin.metric("apus_guard_remote_healthy") == 1
        }
        try report.check(isComplete, "apus-guard has probed both workers and the remote", saw: guardA.errors)
    }

    /// With A's own proxy away.
    func showRemotePath() throws {
        let counts = try (proxyC.accessLog().count, proxyB.accessLog().count, tunnelPackets())
        let answer = try get(FailoverDemo.target)
        let client = PodName.a1.v4
        let outbound = try hop(
            proxyC, after: counts.0, "outbound", pod: .a1, client: client, target: FailoverDemo.target)
        let inbound = try hop(proxyB, after: counts.1, "inbound", pod: .b1, client: client, target: FailoverDemo.target)
        let packets = try tunnelPackets() - counts.2
        report.table(
            Self.hopHeader,
            [
                row("A -> tunnel -> C", "apusd C, for \(outbound.host ?? "?")", outbound),
                row("", "apusd B, inbound", inbound), ["", "nginx in \(answer.server)", answer.client, answer.dialled],
            ])
        try report.check(
            outbound.host == ProxyConfiguration.node(.a) && packets > 0 && answer.client == "\(client)",
            "B1 saw A1's own address; meanwhile \(packets) packets went into A's tunnel", saw: "\(outbound)")
        let denied = try curl(SocketAddress(PodName.b1.v4, Self.deniedPort))
        try report.check(!denied.succeeded, "A1's tables hold at C: the denied port is denied", saw: "\(denied)")
        let service = try get(Self.clusterIP).server
        try report.check(service == "B2", "and the ClusterIP is Apus's: B2, not kube-proxy's B1", saw: service)
    }

    /// Sent by A into its tunnel.
    private func tunnelPackets() throws -> Int {
        let text = try lab[.a].run(["cat", "/sys/class/net/apus-tun/statistics/tx_packets"]).required().output
        guard let count = Int(text.filter(\.isNumber)) else { throw LabError("tx_packets: \(text)") }
        return count
    }
}
