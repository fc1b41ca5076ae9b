import Admin
import Control
import HandOver
import Logging
import Model
import Proxy
import Syscalls
import UnixSignals

/// The running process: wires configuration, data plane and admin side together, and obeys signals.
struct Node {
    let source: FileSource
    let logger: Logger
    private let logLevel: ProcessLogLevel
    private let takesOver: Bool

    init(_ source: FileSource, logger: Logger, logLevel: ProcessLogLevel, takesOver: Bool) {
        self.source = source
        self.logger = logger
        self.logLevel = logLevel
        self.takesOver = takesOver
    }

    /// The live parts that the end of the process concerns.
    struct Parts: Sendable {
        let server: ProxyServer
        let admin: AdminPort
        let accessLog: AccessLogWriter
    }

    /// Runs until SIGTERM or SIGINT has been obeyed, or the next generation has taken over. Throws what keeps the process
    /// from starting or serving.
    func run() async throws {
        // Trapped first: a signal that comes while starting is obeyed, not fatal.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let succession = try Succession(source.initial, takesOver: takesOver, logger: logger)
        try await serve(succession, until: signals)
    }

    private func serve(_ succession: Succession, until signals: UnixSignalsSequence) async throws {
        let shared = SharedState()
        let names = SlotNames()
        let readiness = Readiness()
        let dns = DNSSource(board: shared.discovery)
        let discovered = await dns.follow(source.initial.dnsNames)
        let (server, accessLog, reloader) = try makeServer(shared, names, readiness, dns, discovered)
        readiness.applied(restartNeeded: [], at: Clock.wall() / 1_000_000_000)
        let admin = AdminPort(
            AdminServer(
                inspecting: server, address: source.initial.admin, readiness: readiness, logger: logger,
                logLevel: logLevel, accessLog: accessLog))
        let parts = Parts(server: server, admin: admin, accessLog: accessLog)

        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await accessLog.run() }
            let claims = try await succession.begin(server, admin)
            logger.info("serving", metadata: Self.facts(server))
            group.addTask { for await error in admin.failures { throw error } }
            group.addTask { await source.run(sink: reloader) }
            group.addTask { await reloader.followDiscovery() }
            ProcessMemory.giveBack()
            group.addTask { try await liveOn(signals, parts, succession, claims) }
            // The first to end is the signal task, when the process is done, or a part that failed.
            defer { group.cancelAll() }
            try await group.next()
            await admin.close()
        }
    }

    /// In a function of its own: the first snapshot and its compiler, with all their tables, must not live in a variable
    /// for as long as the process serves.
    private func makeServer(
        _ shared: SharedState, _ names: SlotNames, _ readiness: Readiness, _ dns: DNSSource,
        _ discovered: [Configuration.DNSName: [Configuration.Endpoint]]
    ) throws -> (ProxyServer, AccessLogWriter, Reloader) {
        var compiler = SnapshotCompiler(shared: shared, names: names)
        compiler.discover(discovered)
        let server = try ProxyServer(
            try compiler.compile(source.initial, oldestGenerationInUse: 0),
            workers: source.initial.workers ?? ProcessLimits.usableCores,
            descriptorLimit: try ProcessLimits.raiseDescriptorLimit(), shared: shared, names: names)
        let accessLog = AccessLogWriter(
            rings: server.recordRings, requestRings: server.requestRings, names: names, logger: logger)
        accessLog.apply(source.initial.accessLog)
        let reloader = Reloader(
            server: server, compiler: compiler, readiness: readiness, accessLog: accessLog, dns: dns,
            logger: logger)
        return (server, accessLog, reloader)
    }

    private static func facts(_ server: ProxyServer) -> Logger.Metadata {
        [
            "workers": "\(server.workerStatistics.count)",
            "listeners": "\(server.listeners.map { "\($0.name)=\($0.address)" }.joined(separator: ","))",
        ]
    }
}
