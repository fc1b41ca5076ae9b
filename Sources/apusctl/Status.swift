import Admin
import ArgumentParser

/// The whole process at a glance.
struct Status: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Whether the proxy is ready, and what it carries.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/status", as: StatusView.self, Self.words)
    }

    static func words(_ status: StatusView) -> String {
        var lines = [
            ("version", status.version), ("node", "\(status.node ?? "-") (\(status.mode ?? "-"))"),
            ("phase", status.phase), ("ready", status.readiness.ready ? "yes" : "no"),
        ]
        lines += status.readiness.reasons.map { ("  reason", $0) }
        lines += status.readiness.warnings.map { ("  warning", $0) }
        lines += [
            ("configuration", "generation \(status.generation), since \(status.configured ?? "-")"),
            ("workers", "\(status.workers)"), ("pods", "\(status.pods)"), ("clusters", "\(status.clusters)"),
            ("listeners", "\(status.listeners)"), ("connections", "\(status.connectionsActive)"),
            ("requests", "\(status.requestsActive) under way, \(status.requests) since the start"),
            ("memory", status.residentBytes.map(bytesText) ?? "-"),
        ]
        let width = lines.map(\.0.count).max() ?? 0
        return lines.map { key, value in
            key + String(repeating: " ", count: width - key.count + 2) + Table.printable(value)
        }.joined(separator: "\n")
    }
}
