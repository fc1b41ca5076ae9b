import Admin
import ArgumentParser
import Control
import Failover
import Foundation
import Logging
import Model
import UnixSignals

/// The guard of a host: one small process beside `apusd`, with its own configuration reader, admin API and signals.
@main
struct ApusGuard: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-guard",
        abstract: "Watches this host's apusd and its remotes, and leads new connections past one that hangs.",
        discussion: """
            It is the only one that changes the host's rules while it runs. Its end changes nothing: the rules stay. \
            SIGHUP and a changed file reload the configuration. Exit status: 0 ok, 1 failed, 64 usage, 78 bad configuration.
            """,
        version: "apus-guard \(BuildVersion.text)")

    @Option(help: ArgumentHelp("The configuration file (YAML), the same as apusd's.", valueName: "file"))
    var config: String

    @Option(help: "How log lines on standard error look: \(StderrLogHandler.Format.allCases.map(\.rawValue)).")
    var logFormat = StderrLogHandler.Format.text

    func run() async throws {
        let source = try load()
        // A log reader that goes away must not take the guard with it.
        signal(SIGPIPE, SIG_IGN)
        let level = ProcessLogLevel()
        let format = logFormat
        LoggingSystem.bootstrap { StderrLogHandler(label: $0, format: format, level: level) }
        let logger = Logger(label: "apus-guard")
        do {
            try await serve(source, logger)
        } catch {
            logger.critical("\(error)")
            throw ExitCode.failure
        }
    }

    private func load() throws -> FileSource {
        do throws(ConfigurationProblems) {
            return try FileSource(path: config)
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            throw ExitCode(78)
        }
    }

    private func serve(_ source: FileSource, _ logger: Logger) async throws {
        guard source.initial.interception != nil else {
            logger.critical("\(config): interception: missing: there is nothing to guard")
            throw ExitCode(78)
        }
        let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint, .sighup)
        let host = try await Guard(source.initial, keeper: HostRules(), claim: GuardClaim(), logger: logger)
        let servers = try host.servers(address: source.initial.failover.guardAdmin)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { try await server.run() } }
            group.addTask { try await host.run() }
            group.addTask { await source.run(sink: host) }
            group.addTask {
                for await signal in signals {
                    guard signal == .sighup else { return }
                    logger.info("SIGHUP: reading the configuration again")
                    await source.reload()
                }
            }
            // The first to end is the signal task, or a part that failed.
            defer { group.cancelAll() }
            try await group.next()
            logger.info("stopped: the rules stay as they are")
        }
    }
}

extension StderrLogHandler.Format: ExpressibleByArgument {}
