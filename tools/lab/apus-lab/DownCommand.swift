import ArgumentParser
import Lab

struct DownCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "down", abstract: "Remove a lab and end what runs in it.")

    @OptionGroup var lab: NameOption

    func run() throws {
        try Lab.requirePrivileges()
        try Lab.down(name: lab.name)
    }
}

struct SweepCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sweep", abstract: "Remove labs whose owner (a test run, a demo) is gone.")

    func run() throws {
        try Lab.requirePrivileges()
        for name in Lab.sweep() { print(name) }
    }
}

struct ListCommand: ParsableCommand {
    static let configuration = CommandConfiguration(commandName: "list", abstract: "The labs that are up.")

    func run() {
        for name in Lab.names { print(name) }
    }
}
