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
        }
    }

    func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async {
        readiness.refused(problems.problems.map(\.description), at: unixSeconds)
        logger.error("configuration refused, the running one stays:\n\(problems)")
    }
}
