import Admin
import Control
import Glibc
import Logging
import Model
import Proxy
import Syscalls
import UnixSignals

/// The running process: wires configuration, data plane and admin side together, and obeys signals.
struct Node {
    private let source: FileSource
    private let logger: Logger
    private let logLevel: ProcessLogLevel

    init(_ source: FileSource, logger: Logger, logLevel: ProcessLogLevel) {
        self.source = source
        self.logger = logger
        self.logLevel = logLevel
    }

    /// Runs until SIGTERM or SIGINT has been obeyed. Throws what keeps the process from starting or serving.
    func run() async throws {
        // Trapped first: a signal that comes while starting is obeyed, not fatal.
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let admin = try claim("admin: \(source.initial.admin)", unless: source.initial.admin.port == 0)
        let ports = source.initial.interception.map { "interception: ports \($0.outboundPort), \($0.inboundPort)" }
        let interception = try claim(ports ?? "", unless: ports == nil)
        try await serve(until: signals)
        withExtendedLifetime(admin) {}
        withExtendedLifetime(interception) {}
    }

    private func serve(until signals: UnixSignalsSequence) async throws {
        let shared = SharedState()
        let names = SlotNames()
        var compiler = SnapshotCompiler(shared: shared, names: names)
        let snapshot = try compiler.compile(source.initial, oldestGenerationInUse: 0)
        let server = try ProxyServer(
            snapshot, workers: source.initial.workers ?? ProcessLimits.usableCores,
            descriptorLimit: try ProcessLimits.raiseDescriptorLimit(), shared: shared, names: names)
        let accessLog = AccessLogWriter(rings: server.recordRings, names: names, logger: logger)
        accessLog.apply(source.initial.accessLog)
        let readiness = Readiness()
        readiness.applied(restartNeeded: [], at: Clock.wall() / 1_000_000_000)
        let reloader = Reloader(
            server: server, compiler: compiler, readiness: readiness, accessLog: accessLog, logger: logger)
        let admin = AdminServer(
            inspecting: server, address: source.initial.admin, readiness: readiness, logger: logger,
            logLevel: logLevel, accessLog: accessLog)

        try await withThrowingTaskGroup(of: Void.self) { group in
            try await start(admin, in: &group)
            group.addTask { await accessLog.run() }
            group.addTask { await source.run(sink: reloader) }
            // Last: the host's rules send traffic here from this moment on.
            try server.openListeners()
            logger.info("serving", metadata: Self.facts(server))
            ProcessMemory.giveBack()
            group.addTask { await obey(signals, server, accessLog) }
            // The first to end is the signal task, when the process is done, or a part that failed.
            try await group.next()
            group.cancelAll()
        }
    }

    /// Listeners and the admin port are opened with SO_REUSEPORT, so the kernel would let a second process with the same
    /// configuration take half of the traffic without a word.
    private func claim(_ place: String, unless isFree: Bool) throws -> ClaimedName? {
        if isFree { return nil }
        do throws(Errno) {
            return try ClaimedName("apusd \(place)")
        } catch {
            guard error == .addressInUse else { throw error }
            throw AlreadyRunning(place: place)
        }
    }

    /// Another `apusd` has the same admin address or interception ports here.
    struct AlreadyRunning: Error, CustomStringConvertible {
        let place: String

        var description: String { "\(place): another apusd runs with this: stop it first, or change it here" }
    }

    /// Starts the admin API and returns when its port is open: one that is taken ends the start.
    private func start(_ admin: AdminServer, in group: inout ThrowingTaskGroup<Void, any Error>) async throws {
        let (bound, told) = AsyncStream.makeStream(of: Void.self)
        group.addTask {
            defer { told.finish() }
            try await admin.run { _ in told.yield() }
        }
        for await _ in bound { return }
        try await group.next()
    }

    private static func facts(_ server: ProxyServer) -> Logger.Metadata {
        [
            "workers": "\(server.workerStatistics.count)",
            "listeners": "\(server.listeners.map { "\($0.name)=\($0.address)" }.joined(separator: ","))",
        ]
    }

    /// Obeys signals until a drain is over.
    private func obey(_ signals: UnixSignalsSequence, _ server: ProxyServer, _ accessLog: AccessLogWriter) async {
        let (drained, end) = AsyncStream.makeStream(of: Void.self)
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for await _ in drained {}
            }
            group.addTask {
                var drain: Task<Void, Never>?
                for await signal in signals {
                    switch signal {
                    case .sighup: await reload(accessLog)
                    default:
                        if drain != nil { exitAtOnce(server) }
                        drain = Task {
                            await finish(server)
                            end.finish()
                        }
                    }
                }
            }
            await group.next()
            group.cancelAll()
        }
    }

    private func reload(_ accessLog: AccessLogWriter) async {
        logger.info("SIGHUP: reading the configuration again, reopening the access log")
        accessLog.reopen()
        await source.reload()
    }

    private func finish(_ server: ProxyServer) async {
        let timeout = server.snapshot?.configuration.drainTimeout ?? .seconds(30)
        logger.info(
            "draining: no new connections; a second signal exits at once",
            metadata: ["connections": "\(server.connectionCount)", "drainTimeout": "\(timeout)"])
        let left = await server.stop(within: timeout)
        logger.info("stopped", metadata: ["connectionsReset": "\(left)"])
    }

    private func exitAtOnce(_ server: ProxyServer) -> Never {
        logger.warning("second signal: exiting at once", metadata: ["connections": "\(server.connectionCount)"])
        exit(0)
    }
}
