import ArgumentParser
import Foundation
import Lab

struct ExecCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "exec", abstract: "Run a program in a host (A, B, C) or a pod (A1, A2, B1, ...).")

    @OptionGroup var lab: NameOption
    @Argument(help: "Where: A, A1, ...")
    var node: String
    @Argument(parsing: .captureForPassthrough, help: "The program and its arguments.")
    var command: [String]

    func validate() throws {
        guard !command.isEmpty else { throw ValidationError("exec: \(node): no program given") }
    }

    /// Becomes the program, so that terminal, signals and exit status are the program's own.
    func run() throws {
        try Lab.requirePrivileges()
        guard Lab.names.contains(lab.name) else { throw LabError("lab \(lab.name): there is none; try 'apus-lab up'") }
        let arguments = ["ip", "netns", "exec", "\(lab.name)-\(node)"] + command
        // Sound: null-terminated copies; the process image is replaced, or the call fails and they leak until exit.
        let vector = unsafe arguments.map { unsafe strdup($0) } + [nil]
        unsafe execvp("ip", vector)
        throw LabError("start ip", code: errno)
    }
}
