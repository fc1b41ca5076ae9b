import Admin
import ArgumentParser

/// The sockets that listen.
struct Listeners: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sockets that listen now.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/listeners", as: [ListenerStatusView].self) { listeners in
            var table = Table(
                "LISTENER", "ADDRESS", ">WORKERS", ">CONNECTIONS", ">SENT", ">RECEIVED", ">REQUESTS", ">4XX", ">5XX",
                "RESETS", "FLAGS")
            for listener in listeners {
                table.add(
                    listener.name, listener.address, "\(listener.workers)", "\(listener.connections)",
                    bytesText(listener.bytesSent), bytesText(listener.bytesReceived), requestsText(listener.requests),
                    classText(listener.requests, "4xx"), classText(listener.requests, "5xx"),
                    countsText(listener.resets), countsText(listener.requests?.flags ?? [:]))
            }
            return table.text
        }
    }
}
