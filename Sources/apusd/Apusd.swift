import Admin
import ArgumentParser
import Control
import Foundation
import Logging
import Model
import Proxy

/// The proxy: parses its arguments, checks or loads the configuration, and runs.
@main
struct Apusd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apusd",
        abstract: "The Apus node proxy: carries the traffic of every pod on this host.",
        discussion: """
            SIGHUP and a changed file reload the configuration; SIGTERM drains (connections finish until drainTimeout) \
            and exits 0; a second SIGTERM exits at once. Exit status: 0 ok, 1 failed, 64 usage, 78 bad configuration.
            """,
        version: "apusd \(BuildVersion.text)")

    @Option(help: ArgumentHelp("The configuration file (YAML).", valueName: "file"))
    var config: String

    @Flag(help: "Only check the configuration: exit 0, or 78 with every problem.")
    var check = false

    @Option(help: "Worker threads, 1 to 256; overrides the configuration. Default: one per core.")
    var workers: Int?

    @Flag(
        help: """
            Take over from the apusd that runs with this configuration's admin address or ports: its listeners, every \
            live connection and its counters. Without one it is an ordinary start.
            """)
    var takeOver = false

    @Option(help: "How log lines on standard error look: \(StderrLogHandler.Format.allCases.map(\.rawValue)).")
    var logFormat = StderrLogHandler.Format.text

    func validate() throws {
        if let workers, !(1...256).contains(workers) {
            throw ValidationError("--workers: \(workers): expected 1 to 256")
        }
    }

    func run() async throws {
        let source = try load()
        guard !check else { return }
        // A log reader that goes away must not take the proxy with it.
        signal(SIGPIPE, SIG_IGN)
        let level = ProcessLogLevel()
        let format = logFormat
        LoggingSystem.bootstrap { StderrLogHandler(label: $0, format: format, level: level) }
        let logger = Logger(label: "apusd")
        do {
            try await Node(source, logger: logger, logLevel: level, takesOver: takeOver).run()
        } catch {
            logger.critical("\(error)")
            throw ExitCode.failure
        }
    }

    private func load() throws -> FileSource {
        let workers = workers
        do throws(ConfigurationProblems) {
            return try FileSource(path: config) { configuration in
                if let workers { configuration.workers = workers }
            }
        } catch {
            FileHandle.standardError.write(Data("\(error)\n".utf8))
            throw ExitCode(78)
        }
    }
}

extension StderrLogHandler.Format: ExpressibleByArgument {}
