import Lab
import Model

/// What happens when something changes: a denial, a new configuration, a crash.
extension Demo {
    func showDenial() throws {
        report.heading("A denied port: A1 may not dial \(Self.deniedPort)")
        let before = try proxyA.admin.metric("apus_resets_total")
        let result = try curl(SocketAddress(PodName.b1.v4, Self.deniedPort))
        // The reset follows the handshake at once: curl meets it while connecting (7), sending (55) or receiving (56).
        try report.check(
            [7, 55, 56].contains { result.exit == .status($0) },
            "curl: \(result.errors.split(separator: "\n").first ?? "")", saw: "\(result)")
        let after = try proxyA.admin.metric("apus_resets_total")
        try report.check(after > before, "counted: apus_resets_total went from \(before) to \(after)", saw: "\(after)")
        let other = try lab[.a2].run(["curl", "-sS", "--max-time", "5", "http://\(PodName.b1.v4):\(Self.deniedPort)/"])
        try report.check(other.succeeded, "A2, whose table does not deny it, gets through", saw: "\(other)")
    }

    func showReload() throws {
        report.heading("A reload moves the service to another endpoint; a live connection stays")
        let live = try KeepAlive(to: Self.clusterIP, from: lab[.a1])
        try report.check(live.get().server == "B1", "a connection to the ClusterIP reaches B1", saw: "another server")
        try proxyA.reload { $0.clusters = [Self.web(at: .b2)] }
        let moved = try eventually { try get(Self.clusterIP).server == "B2" }
        try report.check(
            moved, "new connections to the ClusterIP reach B2", saw: "still B1 after 5 s\n\(proxyA.errors)")
        let server = try live.get().server
        try report.check(server == "B1", "the live connection is still B1's", saw: server)
        try "clusters: {\n".write(toFile: proxyA.configurationPath, atomically: true, encoding: .utf8)
        try proxyA.process.signal(1)
        let warned = try eventually { try proxyA.admin.request("/ready").body.contains("yaml:") }
        try report.check(
            warned, "a broken file is refused and shown in /ready", saw: "\(try proxyA.admin.request("/ready"))")
        let still = try get(Self.clusterIP).server
        try report.check(still == "B2", "and the running configuration stays", saw: still)
        try proxyA.reload { _ in }
    }

    func showCrash() throws {
        report.heading("kill -9 of host A's apusd: the kernel lets new connections pass (policy direct)")
        try proxyA.kill()
        let lines = try proxyA.accessLog().count
        let clock = ContinuousClock.now
        let target = SocketAddress(PodName.b1.v4, WebServer.port)
        for number in 1...50 {
            let server = try KeepAlive(to: target, from: lab[.a1]).get()
            guard server.client == "\(PodName.a1.v4)" else {
                throw DemoReport.Failure(description: "connection \(number) after the kill: saw \(server)")
            }
        }
        let milliseconds = Int((ContinuousClock.now - clock) / .milliseconds(1))
        try report.check(true, "50 of 50 new connections work, \(milliseconds) ms in all", saw: "")
        let answer = try get(Self.clusterIP)
        try report.check(answer.server == "B1", "the ClusterIP goes by kube-proxy, to B1", saw: "\(answer)")
        try report.check(try proxyA.accessLog().count == lines, "none of them passed A's proxy", saw: "new log lines")
        try proxyA.start()
        let back = try get(Self.clusterIP)
        try report.check(
            back.server == "B2", "apusd is started again: the ClusterIP is Apus's again, B2", saw: "\(back)")
    }
}

/// One HTTP connection that stays open between requests.
struct KeepAlive {
    private let socket: LabSocket

    init(to target: SocketAddress, from node: Node, timeout: Duration = .seconds(3)) throws {
        socket = try node.connect(to: target, timeout: timeout)
    }

    func get() throws -> WebServer.Answer {
        try socket.send("GET / HTTP/1.1\r\nhost: web\r\n\r\n")
        var length = 0
        while case let line = try socket.receiveLine(), line != "\r" {
            if line.lowercased().hasPrefix("content-length:") {
                length = Int(line.dropFirst(15).filter(\.isNumber)) ?? 0
            }
        }
        let body = try String(decoding: socket.receive(exactly: length), as: UTF8.self)
        guard let answer = WebServer.Answer(body) else { throw LabError("nginx: \(body)") }
        return answer
    }

    var localAddress: SocketAddress {
        get throws { try socket.localAddress }
    }

    func close() { socket.close() }

    /// Waits for its end, in order or by a reset. Only while no answer is due.
    func isEnded(within limit: Duration) -> Bool {
        do {
            try socket.limit(to: limit)
            return try socket.receive().isEmpty
        } catch {
            return error.isReset
        }
    }
}
