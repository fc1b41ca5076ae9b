import Glibc
import Lab
import Model

/// Host C stands in for A and B: a crash, a return, a hang and its end, under a steady line of requests from A1 to B1.
///
/// Measures what the requests met and fails when it is not what is promised.
struct FailoverDemo {
    let demo: Demo
    let guardian: GuardHost
    let line: TrafficLine
    /// What was measured: what, how much, the promise.
    private(set) var results: [[String]] = []

    /// Whatever happens, new connections work again after this time.
    static let limit = Duration.seconds(1)
    static let target = SocketAddress(PodName.b1.v4, WebServer.port)

    var report: DemoReport { demo.report }

    init(_ demo: Demo, line: TrafficLine) {
        self.demo = demo
        self.line = line
        guardian = demo.guardA
    }

    mutating func run() throws {
        let tunnelled = try crash()
        try comeBack(tunnelled)
        try hang()
        report.heading("Measured, with a request every \(SteadyTraffic.pace.milliseconds)")
        report.table(["what", "measured", "promised"], results)
    }

    private mutating func note(_ what: String, _ measured: String, _ promise: String) {
        results.append([what, measured, promise])
    }

    // MARK: crash

    /// Returns a connection that was made through the tunnel.
    private mutating func crash() throws -> KeepAlive {
        report.heading("kill -9 of host A's apusd: the kernel leads new connections to host C (policy remote, direct)")
        report.text("A letter is 50 ms of requests from A1 to B1: A through A's apusd, C through C's, by their access")
        report.text("logs; x: one has failed; ?: answered, but its log line died with the proxy")
        let held = try KeepAlive(to: Self.target, from: demo.lab[.a1])
        _ = try held.get()
        try line.watch(for: .milliseconds(1000))
        let killed = line.mark("kill -9")
        try demo.proxyA.process.signal(SIGKILL)
        let isEnded = held.isEnded(within: .seconds(3))
        let ended = ContinuousClock.now - killed
        try demo.proxyA.process.wait(atMost: .seconds(5))
        let gone = ContinuousClock.now
        try line.watch(for: .milliseconds(1800))
        try line.finishRow()
        try report.check(isEnded, "an established connection through A has ended, it does not hang", saw: "it hangs")
        try checkService(since: killed, "kill -9")
        note("... established connection through A has ended", ended.milliseconds, "it ends")
        try checkRemote(since: gone, killed: killed)
        let tunnelled = try KeepAlive(to: Self.target, from: demo.lab[.a1])
        _ = try tunnelled.get()
        try demo.showRemotePath()
        return tunnelled
    }

    /// Where the requests went that began when the proxy was gone. Each exception is shown.
    private mutating func checkRemote(since gone: ContinuousClock.Instant, killed: ContinuousClock.Instant) throws {
        let seen = line.requests(since: gone).filter { $0.request.start >= gone && $0.request.failure == nil }
        let others = seen.filter { $0.path != .remote }
        let lines = try demo.proxyB.accessLog()
        for (request, path) in others {
            let isDirect = lines.contains { $0.client == request.client.map { "\($0)" } }
            let way = path.map { "through \($0.rawValue)" } ?? (isDirect ? "straight to B's proxy" : "in no log")
            report.text("not through C: the one that began \((request.start - killed).milliseconds) later: \(way)")
        }
        let count = seen.count - others.count
        try report.check(
            count > 0 && others.count * 100 <= seen.count,
            "\(count) of \(seen.count) requests after that are in C's log", saw: "\(count) of \(seen.count)")
        note("... requests through C", "\(count) of \(seen.count)", "all")
    }

    /// What clients met since `moment`: at most a second of failures, and then answers.
    private mutating func checkService(since moment: ContinuousClock.Instant, _ event: String) throws {
        let seen = line.requests(since: moment).map(\.request)
        let first = seen.filter { $0.start >= moment && $0.failure == nil }.compactMap(\.end).min()
        guard let first else { throw DemoReport.Failure(description: "after \(event): no request has succeeded") }
        let failed = seen.filter { $0.failure != nil }
        let late = failed.filter { $0.start - moment > Self.limit }
        try report.check(
            first - moment <= Self.limit, "first success \((first - moment).milliseconds) after \(event)",
            saw: (first - moment).milliseconds)
        try report.check(
            late.isEmpty, "\(failed.count) of \(seen.count) requests failed, none that began more than 1 s later",
            saw: late.map { "\(($0.start - moment).milliseconds): \($0.failure ?? "")" }.joined(separator: "\n"))
        note("\(event): first success", (first - moment).milliseconds, "within 1 s")
        note("... failed requests", "\(failed.count) of \(seen.count)", "none that began after 1 s")
    }

    // MARK: return

    private mutating func comeBack(_ tunnelled: KeepAlive) throws {
        report.heading("apusd is started again: new connections are A's, what lives in the tunnel stays there")
        try line.watch(for: .milliseconds(300))
        let started = line.mark("start")
        try demo.proxyA.start()
        let ready = line.mark("ready")
        let local = try firstLocal(since: started, within: .seconds(5))
        try line.watch(for: .milliseconds(800))
        try line.finishRow()
        let failed = line.requests(since: started).compactMap(\.request.failure)
        try report.check(failed.isEmpty, "the return has cost no request", saw: failed.joined(separator: "\n"))
        let time = max(.zero, local - ready)
        try report.check(
            time <= Self.limit, "local again \(time.milliseconds) after it was ready", saw: time.milliseconds)
        note("apusd is back: first local request", "\(time.milliseconds) after it was ready", "within 1 s")
        note("... failed requests", "\(failed.count)", "none")
        try checkTunnelled(tunnelled)
    }

    /// The end of the first request since `moment` that the local proxy has carried.
    private func firstLocal(
        since moment: ContinuousClock.Instant, within limit: Duration
    ) throws -> ContinuousClock.Instant {
        var found: ContinuousClock.Instant?
        _ = try line.watch(within: limit) {
            found = line.requests(since: moment).first { $0.path == .local && $0.request.start >= moment }?.request.end
            return found != nil
        }
        guard let found else { throw DemoReport.Failure(description: "nothing was local again after \(limit)") }
        return found
    }

    private mutating func checkTunnelled(_ tunnelled: KeepAlive) throws {
        let server = try tunnelled.get().server
        let client = try tunnelled.localAddress
        tunnelled.close()
        let record = try demo.proxyC.record { $0.client == "\(client)" && $0.direction == "outbound" }
        try report.check(
            server == "B1" && record.host == ProxyConfiguration.node(.a),
            "the connection through the tunnel went on: two answers from B1, one line in C's log", saw: "\(record)")
        note("... connection made through C meanwhile", "goes on through C", "goes on")
    }

    // MARK: hang

    private mutating func hang() throws {
        report.heading("SIGSTOP: A's apusd still listens and serves nobody; apus-guard sees it, the rules lead past it")
        try line.watch(for: .milliseconds(500))
        let stopped = line.mark("SIGSTOP")
        try demo.proxyA.process.signal(SIGSTOP)
        let isNoticed = try line.watch(within: .seconds(5)) { try isPath("remote") }
        let noticed = line.mark("guard") - stopped
        try line.watch(for: .milliseconds(800))
        let words = try guardian.control(["status"]).output
        let resumed = line.mark("SIGCONT")
        try demo.proxyA.process.signal(SIGCONT)
        let local = try firstLocal(since: resumed, within: .seconds(10)) - resumed
        try line.watch(for: .milliseconds(500))
        try line.finishRow()
        report.text("apusctl failover status, before SIGCONT:")
        // Without its history.
        for text in words.split(separator: "\n").prefix(while: { $0.first?.isNumber != true }) {
            report.text("  \(text)")
        }
        try report.check(
            isNoticed && noticed <= Self.limit, "the guard acted \(noticed.milliseconds) after SIGSTOP",
            saw: "\(noticed.milliseconds)\n\(guardian.errors.suffix(2000))")
        note("SIGSTOP: the guard has acted", noticed.milliseconds, "within 1 s")
        try checkService(since: stopped, "SIGSTOP")
        try report.check(
            try isPath("local"), "local again \(local.milliseconds) after SIGCONT: 20 probes in a row were answered",
            saw: guardian.errors)
        note("SIGCONT: first local request", local.milliseconds, "after 20 good probes, 2 s")
    }

    private func isPath(_ path: String) throws -> Bool {
        try guardian.admin.metric("apus_guard_path", ["path": path]) == 1
    }
}

extension Duration {
    /// `12 ms`; below 10 ms with a digit more.
    var milliseconds: String {
        let tenths = Int(self / .microseconds(100))
        return tenths < 100 ? "\(tenths / 10).\(tenths % 10) ms" : "\(tenths / 10) ms"
    }
}
