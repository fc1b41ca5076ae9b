import Admin
import ArgumentParser

/// The live connections.
struct Connections: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Live connections, oldest first.")

    @OptionGroup var options: AdminOptions

    @Option(help: "At most this many (1 to 100000).")
    var limit = 1000

    func validate() throws {
        guard (1...100_000).contains(limit) else { throw ValidationError("--limit: \(limit): expected 1 to 100000") }
    }

    func run() async throws {
        try await options.show("/connections?limit=\(limit)", as: ConnectionListView.self, Self.words)
    }

    static func words(_ list: ConnectionListView) -> String {
        var table = Table(
            "HOST", "POD", "CLIENT", "DIALLED", "CLUSTER", "ENDPOINT", "TO POD", "STATE", ">AGE", ">IDLE", ">SENT",
            ">RECEIVED")
        for connection in list.connections {
            table.add(
                connection.host ?? "", connection.pod ?? "", connection.client, connection.originalDestination,
                connection.cluster ?? "",
                connection.endpoint ?? "", connection.destinationPod ?? "", connection.state,
                spanText(milliseconds: connection.ageMilliseconds),
                spanText(milliseconds: connection.idleMilliseconds), bytesText(connection.bytesSent),
                bytesText(connection.bytesReceived))
        }
        var lines = [table.text]
        if list.truncated { lines.append("there are more: --limit") }
        if !list.missingWorkers.isEmpty {
            let workers = list.missingWorkers.map { "\($0)" }.joined(separator: ", ")
            lines.append("not shown: connections of workers that did not answer: \(workers)")
        }
        return lines.joined(separator: "\n")
    }
}
