import ArgumentParser
import Foundation
import Interception
import Model

/// `apusctl redirect`: the rules that bring pods' connections to the proxy.
struct Redirect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "The rules that bring the pods' connections to the proxy.",
        subcommands: [Install.self, Uninstall.self, Status.self, Print.self])

    /// How rules are written.
    struct Rules: ParsableArguments {
        @Option(help: "auto takes nft where the kernel and the tools have it.")
        var backend: BackendChoice = .auto
        @Option(help: "iptables programs: nft or legacy (default: those whose rules the host uses).")
        var iptablesVariant: IptablesVariant?
        @Flag(help: "With --backend iptables: use no nf_tables at all, as on a kernel without it.")
        var xtablesOnly = false

        func installer(_ path: String) throws -> Installer {
            let configuration = try loadConfiguration(path)
            guard let redirection = Redirection(configuration) else { throw NoInterception(path: path) }
            let options = Installer.Options(backend: backend, variant: iptablesVariant, onlyXtables: xtablesOnly)
            return Installer(redirection, options: options)
        }
    }

    struct Install: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Install or update the rules, routes and sysctls. Running it again changes nothing.")
        @Option(help: "The configuration file.") var config: String
        @OptionGroup var rules: Rules
        @Flag(help: "Print what would be done, as commands, and change nothing.") var dryRun = false

        func run() async throws {
            let report = try await failing { try await rules.installer(config).install(dryRun: dryRun) }
            for note in report.notes { print("note: \(note)") }
            if report.steps.isEmpty {
                print("nothing to change: backend \(report.backend)")
            } else if dryRun {
                for command in report.commands { print(command) }
            } else {
                for step in report.steps { print(step) }
                print("installed: backend \(report.backend)")
            }
        }
    }

    struct Uninstall: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Take the rules out and leave the host as it was found.",
            discussion: """
                First nothing new is taken; proxied connections go on until none is left or --wait has passed; \
                then everything is removed.
                """)
        @Option(help: "Not needed: what was installed is known. Accepted for symmetry with install.")
        var config: String?
        @Option(help: "How long proxied connections may take to end, like 30s or 500ms.")
        var wait: Wait = Wait(duration: .seconds(30))

        func run() async throws {
            let report = try await failing { try await Uninstaller(patience: wait.duration).uninstall() }
            for step in report.steps { print(step) }
            if report.connectionsCut > 0 {
                print("note: \(report.connectionsCut) sockets of proxied connections were still open")
            }
            print(report.steps.isEmpty ? "nothing to remove" : "uninstalled")
        }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Are the rules exactly as desired? Exit status 0: yes, 1: no, with the differences.",
            discussion: """
                It ends with a real connection per family, from a synthetic pod through the rules to a worker of apusd. \
                A connection that fails while a proxy listens is exit status 1; without a proxy it is not tried.
                """)
        @Option(help: "Compare with what this configuration file asks for as well.") var config: String?
        @OptionGroup var rules: Rules
        @Flag(help: "Print JSON.") var json = false

        func run() async throws {
            let status = try await failing {
                try await RedirectStatus.read(desired: config.map { try rules.installer($0) })
            }
            if json { try printJSON(status) } else { printText(status) }
            if !status.matches { throw ExitCode(1) }
        }

        private func printJSON(_ status: RedirectStatus) throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
            print(String(decoding: try encoder.encode(status), as: UTF8.self))
        }

        private func printText(_ status: RedirectStatus) {
            if let backend = status.backend { print("backend: \(backend)") }
            if let failover = status.failover { for line in failover.lines { print("failover: \(line)") } }
            for limitation in status.limitations { print("not honoured: \(limitation)") }
            for difference in status.differences { print("difference: \(difference)") }
            for connection in status.connections { print("connection \(connection)") }
            print(status.matches ? "as desired" : "not as desired")
        }
    }

    struct Print: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Print the rules as text.")
        @Option(help: "The configuration file.") var config: String
        @OptionGroup var rules: Rules

        func run() async throws {
            print(try await failing { try await rules.installer(config).plan() }.text, terminator: "")
        }
    }
}

extension BackendChoice: ExpressibleByArgument {}
extension IptablesVariant: ExpressibleByArgument {}

/// `30s`, `500ms`, `2m`.
struct Wait: ExpressibleByArgument {
    let duration: Duration
    private static let maximumSeconds = 86400

    init(duration: Duration) { self.duration = duration }

    init?(argument: String) {
        let digits = argument.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits), number <= Self.maximumSeconds else { return nil }
        switch argument.dropFirst(digits.count) {
        case "ms": duration = .milliseconds(number)
        case "s": duration = .seconds(number)
        case "m": duration = .seconds(number * 60)
        default: return nil
        }
    }

    var defaultValueDescription: String { "30s" }
}

/// A configuration without the section that the rules are made from.
private struct NoInterception: Error, CustomStringConvertible {
    let path: String
    var description: String { "\(path): interception: missing: there is nothing to install" }
}

/// Turns an error of the library into its text, one line per problem, and the exit status that is promised for it.
private func failing<Result>(_ body: () async throws -> Result) async throws -> Result {
    do {
        return try await body()
    } catch let error as InterceptionError {
        throw ending(error, 1)
    } catch let error as NoInterception {
        throw ending(error, badConfiguration)
    }
}

/// EX_CONFIG of sysexits.h.
private let badConfiguration: Int32 = 78

private func ending(_ error: some CustomStringConvertible, _ status: Int32) -> ExitCode {
    standardError("\(error)")
    return ExitCode(status)
}
