import ArgumentParser

@main struct ApusLab: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-lab", abstract: "Hosts and pods on one machine, by network namespaces (root).",
        subcommands: [])
}
