import ArgumentParser
import Failover
import Foundation
import Model
import NIOHTTP1

/// `apusctl failover`: what the guard sees and does, and an operator's word over it.
struct Failover: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What the guard of this host sees and does; force its hand; prove that fallback works.",
        subcommands: [Status.self, Force.self, Drill.self])

    /// How an answer is shown.
    struct Options: ParsableArguments {
        @Flag(help: "Print the guard's JSON.") var json = false

        /// What this host's guard answers to an order.
        @discardableResult
        func order<View: Codable>(
            _ path: String, as view: View.Type, _ words: (View) -> String
        ) async throws -> View {
            let socket: String
            do {
                socket = try Guard.socketPath()
            } catch {
                standardError("apusctl: \(error)")
                throw ExitCode.failure
            }
            return try await ask(.POST, path, .path(socket), as: view, words)
        }

        /// What the guard answers; printed as it is with `--json`, else in words. Exits with 1 when there is no answer.
        @discardableResult
        func ask<View: Codable>(
            _ method: HTTPMethod, _ path: String, _ place: AdminClient.Place, as view: View.Type,
            _ words: (View) -> String
        ) async throws -> View {
            do {
                let client = AdminClient(place: place, program: "apus-guard")
                let response = try await client.request(method, path)
                guard response.status == 200 else {
                    let said = try? JSONDecoder().decode(Refusal.self, from: Data(response.body))
                    throw AdminClient.Failure(description: said?.error ?? "\(place): status \(response.status)")
                }
                let view = try JSONDecoder().decode(View.self, from: Data(response.body))
                let text = String(decoding: response.body, as: UTF8.self)
                print(json ? text.trimmingCharacters(in: .newlines) : words(view))
                return view
            } catch {
                standardError("apusctl: \(error)")
                throw ExitCode.failure
            }
        }

        private struct Refusal: Decodable { let error: String }
    }

    struct Status: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "How the local proxy and the remotes fare, and where new connections go.")
        @Option(name: .customLong("guard"), help: "The guard's admin address.")
        var address = "127.0.0.1:15002"
        @OptionGroup var options: Options

        func run() async throws {
            guard let place = Model.SocketAddress(address) else {
                throw ValidationError("--guard: \(address): expected ADDR:PORT or [IPv6]:PORT")
            }
            try await options.ask(.GET, "/status", .address(place), as: GuardStatusView.self, Failover.words)
        }
    }

    struct Force: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Lead new connections past the local proxy, or to it, whatever the guard thinks.",
            discussion: """
                remote: they follow failover.policy as if the local proxy hung. local: they are the local proxy's, and it is \
                not killed. auto: the guard decides again. It holds over restarts of the guard. Live connections stay. Only root \
                on the host may do so.
                """)
        @Argument(help: "remote, local or auto.") var mode: ForcedMode
        @OptionGroup var options: Options

        func run() async throws {
            let view = try await options.order(
                "/force?mode=\(mode.rawValue)", as: GuardStatusView.self, Failover.words)
            guard view.rules.problem == nil else { throw ExitCode.failure }
        }
    }

    struct Drill: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Prove that fallback works: exit status 0 if real connections met what failover.policy promises.",
            discussion: """
                New connections of one pod are led past the local proxy for the length of the drill; nobody else's are \
                touched. Without --pod it is a synthetic pod, and without --to it dials what only a worker of a proxy answers.
                """)
        @Option(help: "A pod of this host, by name; needs --to.") var pod: String?
        @Option(help: ArgumentHelp("What the connections dial.", valueName: "addr:port")) var to: String?
        @OptionGroup var options: Options

        func validate() throws {
            if let to, Model.SocketAddress(to) == nil { throw ValidationError("--to: \(to): expected ADDR:PORT") }
            if pod != nil, to == nil { throw ValidationError("--pod: needs --to ADDR:PORT, something it can reach") }
        }

        func run() async throws {
            let query = [("pod", pod), ("to", to)].compactMap { name, value in
                value.map { "\(name)=\($0.percentEscaped)" }
            }
            let path = "/drill" + (query.isEmpty ? "" : "?" + query.joined(separator: "&"))
            let view = try await options.order(path, as: DrillView.self, Failover.words)
            guard view.succeeded else { throw ExitCode.failure }
        }
    }

    // MARK: words

    static func words(_ status: GuardStatusView) -> String {
        let local = status.local
        var lines = [
            ("node", status.node), ("new connections", status.path), ("policy", status.policy.joined(separator: ", ")),
            ("forced", status.forced == .auto ? "no" : status.forced.rawValue),
            ("local proxy", "\(local.state.rawValue), for \(spanText(milliseconds: local.milliseconds))"),
            ("  taken away", local.isTaken ? "yes" : "no"),
            ("  processes", local.processes.isEmpty ? "-" : local.processes.map(String.init).joined(separator: ", ")),
            ("  workers", "\(local.workers.count)"),
            ("  latest answer", local.latestAnswerMilliseconds.map { "\($0) ms" } ?? "-"),
        ]
        if local.backOffMilliseconds > 0 {
            lines.append(
                ("  back-off", "\(spanText(milliseconds: local.backOffMilliseconds)) after \(local.failures) failures"))
        }
        lines += status.remotes.map { remote in
            let state = remote.isHealthy.map { $0 ? "healthy" : "unhealthy" } ?? "not asked yet"
            return (
                "remote \(remote.name)",
                "\(remote.address), \(state), for \(spanText(milliseconds: remote.milliseconds))"
            )
        }
        lines.append(
            ("rules", status.rules.problem ?? (status.rules.areAsDesired ? "as desired" : "being looked at")))
        lines += status.rules.conflicts.map { ("  in their way", $0) }
        lines.append(("  repairs", "\(status.rules.repairs)"))
        lines += status.events.prefix(10).map { ($0.time, $0.text) }
        return columns(lines)
    }

    static func words(_ drill: DrillView) -> String {
        var lines = [("pod", drill.pod), ("policy answers", drill.answer)]
        lines += drill.connections.map { connection in
            let verdict = connection.isExpected ? "as promised" : "not as promised"
            return (
                "to \(connection.destination)", "\(connection.outcome) after \(connection.milliseconds) ms: \(verdict)"
            )
        }
        lines += drill.notes.map { ("note", $0) }
        lines.append(("result", drill.succeeded ? "fallback works" : "not proved"))
        return columns(lines)
    }

    private static func columns(_ lines: [(String, String)]) -> String {
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { key, value in
            key + String(repeating: " ", count: width - key.count + 2) + Table.printable(value)
        }.joined(separator: "\n")
    }
}

extension ForcedMode: ExpressibleByArgument {}

extension String {
    /// For a query's value.
    fileprivate var percentEscaped: String {
        addingPercentEncoding(withAllowedCharacters: .alphanumerics.union(CharacterSet(charactersIn: "-._~"))) ?? ""
    }
}
