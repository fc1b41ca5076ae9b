import Admin
import ArgumentParser

/// The sockets that listen.
struct Listeners: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Sockets that listen now.")

    @OptionGroup var options: AdminOptions

    func run() async throws {
        try await options.show("/listeners", as: [ListenerStatusView].self) { listeners in
            var table = Table("LISTENER", "ADDRESS", ">WORKERS", ">CONNECTIONS", ">SENT", ">RECEIVED", "RESETS")
            for listener in listeners {
                table.add(
                    listener.name, listener.address, "\(listener.workers)", "\(listener.connections)",
                    bytesText(listener.bytesSent), bytesText(listener.bytesReceived), resetsText(listener.resets))
            }
            return table.text
        }
    }
}
