import ArgumentParser

/// The operator's tool. Each subcommand has a file of its own.
@main
struct Apusctl: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apusctl", abstract: "Operate Apus, the node-level service-mesh proxy.",
        subcommands: [
            Redirect.self, Status.self, Pods.self, Clusters.self, Routes.self, Listeners.self, Connections.self,
            Explain.self, Config.self, Failover.self,
        ])
}
