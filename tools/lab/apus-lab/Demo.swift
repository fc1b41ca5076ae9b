import Glibc
import Lab
import Model

/// The demonstration: two hosts with two pods each, `apusd` and rules on both, real curl and nginx; then a third host
/// that stands in for both.
///
/// Every step prints what was seen and checks it; the first surprise ends the demo.
struct Demo {
    let lab: Lab
    let report: DemoReport
    let backend: String
    let proxyA: ProxyHost
    let proxyB: ProxyHost
    /// Joins for the failover.
    let proxyC: ProxyHost
    let guardA: GuardHost

    /// The service `web`, translated by an emulated kube-proxy, and for pods of host A by Apus itself.
    static let clusterIP = SocketAddress(IPAddress(v4: 0x0a60_000a), 80)
    /// A port that pods of A must not reach.
    static let deniedPort: UInt16 = 25

    init(lab: Lab, report: DemoReport, backend: String) throws {
        self.lab = lab
        self.report = report
        self.backend = backend
        var a = ProxyConfiguration(.a)
        a.outbound[.a1] = [
            "{match: {cidrs: [\(Self.clusterIP.address)/32], ports: [80]}, protocol: tcp, cluster: web}",
            "{match: {ports: [\(Self.deniedPort)]}, deny: true}",
        ]
        a.clusters = [Self.web(at: .b1)]
        proxyA = try ProxyHost(a, in: lab)
        proxyB = try ProxyHost(ProxyConfiguration(.b), in: lab)
        proxyC = try ProxyHost(Self.remote(like: a), in: lab)
        guardA = GuardHost(proxyA)
    }

    static func web(at pod: PodName) -> String {
        "{name: web, endpoints: [{address: \(SocketAddress(pod.v4, WebServer.port))}], connectTimeout: 1s}"
    }

    func run() throws {
        try prepare()
        try install()
        try showTraffic()
        try showDenial()
        try showReload()
        try showCrash()
        try showFailover()
        try uninstall()
        lab.down()
        report.success()
    }

    private func prepare() throws {
        report.heading("Two hosts with two pods each, by network namespaces; nginx in three pods, curl in the fourth")
        report.table(
            ["host", "address", "pods"],
            [HostName.a, .b].map { host in
                [
                    "\(host)", "\(host.v4)  \(host.v6)",
                    host.pods.map { "\($0) \($0.v4) \($0.v6)" }.joined(separator: "   "),
                ]
            })
        for pod in [PodName.a2, .b2] { try WebServer.start(in: lab[pod]) }
        try WebServer.start(in: lab[.b1], others: [Self.deniedPort])
        let service = KubeProxy.Service(
            clusterIP: Self.clusterIP.address, port: Self.clusterIP.port,
            endpoint: SocketAddress(PodName.b1.v4, WebServer.port))
        for host in lab.topology.hosts { try KubeProxy([service]).install(on: lab[host]) }
        let answer = try get(SocketAddress(PodName.b1.v4, WebServer.port))
        try report.check(answer.server == "B1", "without Apus, A1 reaches B1 directly", saw: "\(answer)")
    }

    private func install() throws {
        report.heading("apusd on both hosts, then the rules: apusctl redirect install")
        for proxy in [proxyA, proxyB] {
            try proxy.start()
            try proxy.redirect("install", ["--backend", backend]).required()
            let status = try proxy.redirect("status", ["--backend", backend])
            try report.check(status.succeeded, "host \(proxy.host.name): the rules are as desired", saw: "\(status)")
        }
    }

    private func uninstall() throws {
        report.heading("apusctl redirect uninstall leaves the hosts as found; apusd drains on SIGTERM")
        try guardA.process.signal(SIGTERM)
        let exit = try guardA.process.wait(atMost: .seconds(5))
        try report.check(exit == .status(0), "host A: apus-guard ended with status 0", saw: "\(exit)")
        for proxy in [proxyA, proxyB, proxyC] {
            try proxy.redirect("uninstall").required()
            let tables = try proxy.host.run(["nft", "list", "tables"]).required().output
            let links = try proxy.host.run(["ip", "link"]).required().output
            try report.check(
                !tables.contains("apus") && !links.contains("apus-t"),
                "host \(proxy.host.name): no table and no tunnel of ours is left", saw: tables + links)
            let exit = try proxy.terminate()
            try report.check(exit == .status(0), "host \(proxy.host.name): apusd ended with status 0", saw: "\(exit)")
        }
        let answer = try get(SocketAddress(PodName.b1.v4, WebServer.port))
        try report.check(answer.client == "\(PodName.a1.v4)", "A1 reaches B1 directly again", saw: "\(answer)")
    }

    /// For a failure: what the proxies said last.
    func printProxyErrors() {
        let said = [proxyA, proxyB, proxyC].map { ("apusd on \($0.host.name)", $0.errors) }
        for (who, errors) in said + [("apus-guard on A", guardA.errors)] {
            let lines = errors.split(separator: "\n").suffix(15)
            guard !lines.isEmpty else { continue }
            report.text("\(who) said:")
            for line in lines { report.text("  \(line)") }
        }
    }
}
