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
            """)

    @Option(help: "The configuration file (YAML).")
    var config: String

    @Flag(help: "Only check the configuration: exit 0, or 78 with every problem.")
    var check = false

    @Option(help: "Worker threads; overrides the configuration. Default: one per core.")
    var workers: Int?

    func validate() throws {
        if let workers, !(1...256).contains(workers) {
            throw ValidationError("--workers: \(workers): expected 1 to 256")
        }
    }

    func run() async throws {
        let loaded: Configuration
        do throws(ConfigurationProblems) {
            loaded = try ConfigurationFile.load(path: config)
        } catch {
            complain("\(error)")
            throw ExitCode(78)
        }
        guard !check else { return }
        do {
            try await Node(loaded, workersOverride: workers).run()
        } catch let error as ListenFailure {
            complain("apusd: \(error)")
            throw ExitCode.failure
        }
    }

    private func complain(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }
}
