import Admin
import ArgumentParser
import Control
import Foundation
import Model

/// Which rule, pod, cluster and endpoints a connection would meet.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a connection from one place to another would meet, and why.",
        discussion: "Asks the running proxy; with --config, reads a file instead and knows nothing of health.")

    @Option(help: "The client: a pod's name or an IP address.")
    var from: String

    @Option(help: "What it dials: IP:PORT or [IPv6]:PORT.")
    var to: String

    @Option(help: "Explain with this configuration file instead of the running proxy.")
    var config: String?

    @OptionGroup var options: AdminOptions

    func run() async throws {
        if let config { return try explain(withFile: config) }
        let query = "from=\(Self.escaped(from))&to=\(Self.escaped(to))"
        try await options.show("/explain?\(query)", as: Explanation.self, Self.words)
    }

    private func explain(withFile path: String) throws {
        let loaded = try loadConfiguration(path)
        let shared = SharedState()
        var compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        do {
            let snapshot = try compiler.compile(loaded, oldestGenerationInUse: 0)
            let explanation = try Explanation(from: from, to: to, snapshot: snapshot, shared: nil)
            guard options.json else { return print(Self.words(explanation)) }
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            print(String(decoding: try encoder.encode(explanation), as: UTF8.self))
        } catch {
            standardError("apusctl: \(error)")
            throw ExitCode.failure
        }
    }

    private static func escaped(_ text: String) -> String {
        text.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
    }

    static func words(_ explanation: Explanation) -> String {
        var lines = [line("from", explanation.from), line("to", explanation.to), "leg      \(explanation.leg)"]
        if let table = explanation.table { lines.append("table    \(words(table))") }
        if let cluster = explanation.cluster {
            lines.append("cluster  \(cluster)" + (explanation.loadBalancer.map { " (\($0))" } ?? ""))
        }
        for endpoint in explanation.endpoints { lines += words(endpoint) }
        for limit in explanation.limits {
            lines.append("limit    \(limit.name): \(limit.used.map { "\($0) of " } ?? "")\(limit.max)")
        }
        lines += explanation.notes.map { "note     \($0)" }
        lines.append("verdict  \(explanation.verdict)")
        return lines.map(Table.printable).joined(separator: "\n")
    }

    private static func line(_ name: String, _ party: Explanation.Party) -> String {
        let pod = party.pod.map { " pod \($0)" } ?? ""
        return name + String(repeating: " ", count: 9 - name.count) + party.address + pod + " (\(party.why))"
    }

    private static func words(_ table: Explanation.Table) -> String {
        guard let entry = table.entry else { return "\(table.table): no entry matches: \(table.action)" }
        return "\(table.table): entry \(entry) matches (\(table.match ?? "any")): \(table.action)"
    }

    private static func words(_ endpoint: Explanation.Endpoint) -> [String] {
        let pod = endpoint.pod.map { " pod \($0)" } ?? ""
        let use = endpoint.eligible ? "" : ", not used"
        var lines = ["  endpoint  \(endpoint.address)\(pod) weight \(endpoint.weight), \(endpoint.health)\(use)"]
        lines.append("    source  \(endpoint.source)")
        if let inbound = endpoint.inbound { lines.append("    table   \(words(inbound))") }
        return lines
    }
}
