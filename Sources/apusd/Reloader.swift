import Admin
import Control
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
    private let dns: DNSSource
    private let logger: Logger
    /// What is done last: one thing after the other, because each goes on from what the one before has made.
    private var last: Task<Void, Never>?
    /// Counts what has come from the source: something newer ends the attempts at something older.
    private var arrivals = 0

    private static let retryInterval = Duration.seconds(5)

    init(
        server: ProxyServer, compiler: SnapshotCompiler, readiness: Readiness, accessLog: AccessLogWriter,
        dns: DNSSource, logger: Logger
    ) {
        self.server = server
        self.compiler = compiler
        self.readiness = readiness
        self.accessLog = accessLog
        self.dns = dns
        self.logger = logger
    }

    func apply(_ configuration: Configuration, restartNeeded: [String]) async {
        arrivals += 1
        let arrival = arrivals
        await inTurn { await $0.attempt(configuration, restartNeeded, arrival) }
    }

    private func inTurn(_ body: @escaping @Sendable (isolated Reloader) async -> Void) async {
        let previous = last
        let task = Task {
            await previous?.value
            await body(self)
        }
        last = task
        await task.value
    }

    /// Takes over what discovery has found, one update after the other, until the task is cancelled.
    func followDiscovery() async {
        for await update in dns.updates { await inTurn { await $0.take(update) } }
    }

    private func take(_ update: DNSSource.Update) async {
        guard let snapshot = server.snapshot else { return }
        do {
            let updates = try compiler.update(
                update.name, to: update.endpoints, of: snapshot,
                oldestGenerationInUse: server.oldestGenerationInUse, now: Clock.monotonic())
            for update in updates { await server.replaceEndpoints(update) }
            guard !updates.isEmpty else { return }
            logger.info(
                "endpoints discovered",
                metadata: ["name": "\(update.name.host)", "endpoints": "\(update.endpoints.count)"])
        } catch {
            logger.error("\(update.name.host): \(error): the endpoints before stay in use")
        }
    }

    private func attempt(_ configuration: Configuration, _ restartNeeded: [String], _ arrival: Int) async {
        let now = Clock.wall() / 1_000_000_000
        let names = server.snapshot?.configuration.dnsNames ?? []
        let known = await dns.follow(configuration.dnsNames.union(names))
        defer { dns.follow(only: server.snapshot?.configuration.dnsNames ?? []) }
        // A copy: what is refused below leaves no trace in the slots.
        var next = compiler
        next.discover(known)
        do {
            let snapshot = try next.compile(
                configuration, oldestGenerationInUse: server.oldestGenerationInUse, now: Clock.monotonic())
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
            await inTurn { await $0.attempt(configuration, restartNeeded, arrival) }
        }
    }

    func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async {
        arrivals += 1
        readiness.refused(problems.problems.map(\.description), at: unixSeconds)
        logger.error("configuration refused, the running one stays:\n\(problems)")
    }
}
