import ArgumentParser
import Control
import Foundation
import Model

/// What can be done with a configuration file.
struct Config: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check configuration files.", subcommands: [Check.self])

    /// As `apusd --check`.
    struct Check: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Exit 0 when the file can be used, or 78 with every problem.")

        @Argument(help: "The configuration file (YAML).")
        var file: String

        func run() async throws { _ = try loadConfiguration(file) }
    }
}
