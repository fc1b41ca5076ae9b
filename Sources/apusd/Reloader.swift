import Admin
import Logging
import Model
import Proxy
import Syscalls

/// Takes configurations from a source to the data plane, one after the other, and tells readiness how each fared.
actor Reloader: ConfigurationSink {
    private let server: ProxyServer
    private var compiler: SnapshotCompiler
    private let readiness: Readiness
    private let accessLog: AccessLogWriter
    private let logger: Logger
    /// Counts what has come from the source: something newer ends the attempts at something older.
    private var arrivals = 0

    private static let retryInterval = Duration.seconds(5)

    init(
        server: ProxyServer, compiler: SnapshotCompiler, readiness: Readiness, accessLog: AccessLogWriter,
        logger: Logger
    ) {
        self.server = server
        self.compiler = compiler
        self.readiness = readiness
        self.accessLog = accessLog
        self.logger = logger
    }

    func apply(_ configuration: Configuration, restartNeeded: [String]) async {
        arrivals += 1
        await attempt(configuration, restartNeeded, arrivals)
    }

    private func attempt(_ configuration: Configuration, _ restartNeeded: [String], _ arrival: Int) async {
        let now = Clock.wall() / 1_000_000_000
        // A copy: what is refused below leaves no trace in the slots.
        var next = compiler
        do {
            let snapshot = try next.compile(configuration, oldestGenerationInUse: server.oldestGenerationInUse)
            try await server.apply(snapshot)
            compiler = next
            // The text, its tree and the snapshot before are garbage now.
            ProcessMemory.giveBack()
            accessLog.apply(configuration.accessLog)
            readiness.applied(restartNeeded: restartNeeded, at: now)
            logger.info("configuration applied", metadata: ["generation": "\(snapshot.generation)"])
            if !restartNeeded.isEmpty {
                logger.warning("restart needed for: \(restartNeeded.joined(separator: ", "))")
            }
        } catch {
            readiness.refused(["\(error)"], at: now)
            logger.error("configuration refused, the running one stays: \(error)")
            if error is ListenFailure { retryLater(configuration, restartNeeded, arrival) }
        }
    }

    /// A port that another process holds comes free without the file changing.
    private func retryLater(_ configuration: Configuration, _ restartNeeded: [String], _ arrival: Int) {
        Task {
            try? await Task.sleep(for: Self.retryInterval)
            guard arrival == arrivals else { return }
            await attempt(configuration, restartNeeded, arrival)
        }
    }

    func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async {
        arrivals += 1
        readiness.refused(problems.problems.map(\.description), at: unixSeconds)
        logger.error("configuration refused, the running one stays:\n\(problems)")
    }
}
