import FoundationEssentials
import Subprocess

/// One program to run, with what it reads on standard input.
struct Command: Sendable, Equatable, CustomStringConvertible {
    var tool: String
    var arguments: [String]
    var input = ""

    init(_ tool: String, _ arguments: [String], input: String = "") {
        self.tool = tool
        self.arguments = arguments
        self.input = input
    }

    /// As a shell would run it.
    var description: String {
        let line = ([tool] + arguments).joined(separator: " ")
        return input.isEmpty ? line : line + " <<'END'\n" + input + "END"
    }
}

/// What a program left.
struct CommandResult: Sendable {
    /// How it ended.
    enum Ending: Sendable {
        case succeeded
        /// By itself, with another exit status: what it says tells why.
        case failed
        /// It was not started, was killed, or took too long: nothing follows from what it did not say.
        case broken
    }

    var ending: Ending
    var output = ""
    var errors = ""

    var succeeded: Bool { ending == .succeeded }

    /// The complaint of a failed program on one line.
    var complaint: String {
        let lines = errors.split(separator: "\n").map { $0.trimmingPrefix(while: \.isWhitespace) }
        return lines.isEmpty ? "failed without a message" : lines.prefix(3).joined(separator: "; ")
    }
}

/// Runs the host's programs. They are looked for in PATH and in the system directories, which PATH often lacks.
enum Tool {
    /// A listing of a large host (100,000 rules) has about 10 MB.
    private static let outputBytesMax = 64 << 20
    /// The same listing takes seconds; iptables waits five for its lock.
    private static let patience = Duration.seconds(30)
    /// How programs say that there is nothing of what they were asked for, or that the kernel has no such thing.
    private static let absence = [
        "No such file or directory", "does not exist", "Cannot find device", "No such device", "not supported",
        "Invalid argument", "insmod", "Unknown device type", "JSON support not compiled-in",
    ]

    /// Where `name` is, or nil.
    static func path(of name: String) -> String? {
        let variable = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let directories = variable.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return directories.map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs `command` to its end, or to that of `patience`. A program that is missing or cannot be started is a result, too.
    static func run(_ command: Command, within patience: Duration = Tool.patience) async -> CommandResult {
        guard let path = path(of: command.tool) else {
            return CommandResult(ending: .failed, errors: "\(command.tool): not installed")
        }
        do {
            return try await withThrowingTaskGroup(of: CommandResult.self) { group in
                group.addTask { try await spawn(path, command) }
                group.addTask {
                    try await Task.sleep(for: patience)
                    return CommandResult(ending: .broken, errors: "no end within \(patience): killed")
                }
                // The end of the wait kills the program.
                defer { group.cancelAll() }
                return try await group.next() ?? CommandResult(ending: .broken)
            }
        } catch {
            return CommandResult(ending: .broken, errors: "\(command.tool): \(error)")
        }
    }

    private static func spawn(_ path: String, _ command: Command) async throws -> CommandResult {
        let result = try await Subprocess.run(
            .path(.init(path)), arguments: .init(command.arguments),
            environment: .inherit.updating(["LC_ALL": "C", "XTABLES_LIBDIR": nil]),
            input: .string(command.input), output: .string(limit: outputBytesMax), error: .string(limit: 1 << 20))
        let said = (output: result.standardOutput, errors: result.standardError)
        switch result.terminationStatus {
        case .exited(0): return CommandResult(ending: .succeeded, output: said.output, errors: said.errors)
        case .exited: return CommandResult(ending: .failed, output: said.output, errors: said.errors)
        case .signaled(let signal):
            return CommandResult(ending: .broken, output: said.output, errors: "killed by signal \(signal)")
        }
    }

    /// What a program lists; nil: what was asked for is not there, or the program is not installed. Whatever else keeps it
    /// from an answer is an error: nothing is missing because nobody could look.
    static func look(
        _ command: Command, within patience: Duration = Tool.patience
    ) async throws(InterceptionError) -> String? {
        guard path(of: command.tool) != nil else { return nil }
        let result = await run(command, within: patience)
        if result.succeeded { return result.output }
        if result.ending == .failed, absence.contains(where: result.errors.contains) { return nil }
        throw .failed(step: "look: \(command)", cause: result.complaint, leftBehind: [])
    }

    /// A file of /proc. Foundation reads one page of a file that says it has size zero; these may have megabytes.
    static func read(_ path: String) async throws(InterceptionError) -> String {
        guard let text = try await look(Command("cat", [path])) else {
            throw .failed(step: "look: \(path)", cause: "not there: is /proc mounted?", leftBehind: [])
        }
        return text
    }
}
