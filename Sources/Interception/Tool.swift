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
    var succeeded: Bool
    var output: String
    var errors: String

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

    /// Where `name` is, or nil.
    static func path(of name: String) -> String? {
        let variable = ProcessInfo.processInfo.environment["PATH"] ?? ""
        let directories = variable.split(separator: ":").map(String.init) + ["/usr/sbin", "/sbin", "/usr/bin", "/bin"]
        return directories.map { $0 + "/" + name }.first { FileManager.default.isExecutableFile(atPath: $0) }
    }

    /// Runs `command` to its end. A program that is missing or cannot be started is a failed result.
    static func run(_ command: Command) async -> CommandResult {
        guard let path = path(of: command.tool) else {
            return CommandResult(succeeded: false, output: "", errors: "\(command.tool): not installed")
        }
        do {
            let result = try await Subprocess.run(
                .path(.init(path)), arguments: .init(command.arguments),
                environment: .inherit.updating(["LC_ALL": "C", "XTABLES_LIBDIR": nil]),
                input: .string(command.input), output: .string(limit: outputBytesMax), error: .string(limit: 1 << 20))
            return CommandResult(
                succeeded: result.terminationStatus.isSuccess, output: result.standardOutput,
                errors: result.standardError)
        } catch {
            return CommandResult(succeeded: false, output: "", errors: "\(command.tool): \(error)")
        }
    }

    /// The output of `command`, or nil when it failed.
    static func output(_ tool: String, _ arguments: String...) async -> String? {
        let result = await run(Command(tool, arguments))
        return result.succeeded ? result.output : nil
    }
}
