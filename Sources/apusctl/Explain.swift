import Admin
import ArgumentParser
import Control
import Foundation
import Model

/// Which rule, pod, route, cluster and endpoints a connection or request would meet.
struct Explain: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a connection, or a request on it, would meet, and why.",
        discussion: "Asks the running proxy; with --config, reads a file instead and knows nothing of health.")

    @Option(help: "The client: a pod's name or an IP address.")
    var from: String

    @Option(help: "What it dials: IP:PORT or [IPv6]:PORT.")
    var to: String

    @Option(help: "The request's method, where HTTP is spoken. (default: GET)")
    var method: String?

    @Option(help: "The request's host, with or without a port. (default: what is dialled)")
    var host: String?

    @Option(help: "The request's path, with or without a query. (default: /)")
    var path: String?

    @Option(help: "A header field of the request: NAME=VALUE. May be repeated.")
    var header: [String] = []

    @Option(help: "Explain with this configuration file instead of the running proxy.")
    var config: String?

    @OptionGroup var options: AdminOptions

    func run() async throws {
        if let config { return try explain(withFile: config) }
        try await options.show("/explain?\(query)", as: Explanation.self, Self.words)
    }

    private var query: String {
        let request = [("method", method), ("host", host), ("path", path)] + header.map { ("header", $0) }
        let parameters = [("from", from), ("to", to)] + request.compactMap { name, value in value.map { (name, $0) } }
        return parameters.map { "\($0)=\(Self.escaped($1))" }.joined(separator: "&")
    }

    private func question() throws -> RequestQuestion? {
        guard method != nil || host != nil || path != nil || !header.isEmpty else { return nil }
        return try RequestQuestion(method: method, host: host, path: path, headers: header)
    }

    private func explain(withFile path: String) throws {
        let loaded = try loadConfiguration(path)
        let shared = SharedState()
        var compiler = SnapshotCompiler(shared: shared, names: SlotNames())
        do {
            let snapshot = try compiler.compile(loaded, oldestGenerationInUse: 0)
            let explanation = try Explanation(
                from: from, to: to, request: try question(), snapshot: snapshot, shared: nil)
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
        if let detection = explanation.detection { lines.append("detect   \(words(detection))") }
        if let request = explanation.request { lines += words(request) }
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

    private static func words(_ detection: Explanation.Detection) -> String {
        let age = detection.ageSeconds.map { ", \($0) s ago" } ?? ""
        return "by first bytes; last here: \(detection.learned ?? "not known")\(age); "
            + "a silent client is \(detection.silence)"
    }

    private static func words(_ endpoint: Explanation.Endpoint) -> [String] {
        let pod = endpoint.pod.map { " pod \($0)" } ?? ""
        let use = (endpoint.eligible ? "" : ", not used") + (endpoint.cluster.map { " (cluster \($0))" } ?? "")
        var lines = ["  endpoint  \(endpoint.address)\(pod) weight \(endpoint.weight), \(endpoint.health)\(use)"]
        lines.append("    source  \(endpoint.source)")
        if let inbound = endpoint.inbound { lines.append("    table   \(words(inbound))") }
        if let request = endpoint.request { lines += words(request).map { "    " + $0 } }
        return lines
    }

    private static func words(_ request: Explanation.Request) -> [String] {
        var lines = ["request  \(request.method) \(request.path) host \(request.host)"]
        lines += request.filters.map { "  filter    \($0)" }
        if let domain = request.domain { lines.append("  routes    \(request.table): \(domain)") }
        lines += request.passed.map { "  passed    \($0.rule): \($0.why)" }
        if let rule = request.rule {
            lines.append("  route     \(rule) (\(request.match ?? "any")): \(request.action)")
        } else {
            lines.append("  route     none of \(request.table): \(request.action)")
        }
        lines += request.details.map { "  with      \($0)" }
        if request.sentPath != nil || request.sentHost != nil {
            lines.append("  sent as   \(request.sentPath ?? request.path) host \(request.sentHost ?? request.host)")
        }
        return lines
    }
}
