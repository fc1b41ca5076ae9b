import ArgumentParser
import Lab

/// Labs for humans: up, look around, down. And the demonstration.
@main struct ApusLab: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "apus-lab",
        abstract: "Several hosts, each with pods, on one machine, by network namespaces.",
        discussion: """
            Needs root. Touches only namespaces called after the lab and /run/apus-lab.

              apus-lab up                      hosts A and B with pods A1 A2 B1 B2, called lab-A, lab-A1, ...
              apus-lab exec B1 nc -l -p 8080   a program in a pod ...
              apus-lab exec A1 nc 10.2.0.11 8080
              apus-lab exec A apusctl redirect status     ... or in a host
              apus-lab down
              apus-lab demo                    everything, from the rules to a failover, in about twenty seconds
            """,
        subcommands: [
            UpCommand.self, DownCommand.self, ExecCommand.self, ListCommand.self, SweepCommand.self, DemoCommand.self,
        ])
}

extension Topology.Form: ExpressibleByArgument {}

/// The lab a command is about.
struct NameOption: ParsableArguments {
    @Option(help: "The lab's name: its namespaces start with it.")
    var name = "lab"

    func validate() throws {
        guard !name.isEmpty, name.count <= 12, name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber) }) else {
            throw ValidationError("name: '\(name)': expected 1 to 12 letters and digits")
        }
    }
}
