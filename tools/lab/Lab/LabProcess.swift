import CLab
import Foundation
import Glibc
import Synchronization

/// A child process with its output in files; safe to share between threads.
///
/// Inside a namespace it is started as `ip netns exec NAMESPACE PROGRAM`, which becomes the program without forking, so
/// `pid` is the program's own.
public final class LabProcess: Sendable {
    /// The process id, to signal it.
    public let pid: Int32
    /// The command, for messages.
    public let command: String
    /// The file standard output goes to.
    public let outputPath: String
    /// The file standard error goes to.
    public let errorPath: String
    private let ended = Mutex<Int32?>(nil)

    /// How a process ended.
    public enum Exit: Equatable, Sendable, CustomStringConvertible {
        /// It returned this status.
        case status(Int32)
        /// This signal ended it.
        case signal(Int32)

        /// `status 0`, `signal 9`.
        public var description: String {
            switch self {
            case .status(let status): "status \(status)"
            case .signal(let signal): "signal \(signal)"
            }
        }
    }

    /// Starts `arguments` (the first is found by PATH), output to `directory`/`label`.out and .err.
    public init(_ arguments: [String], directory: String, label: String) throws(LabError) {
        command = arguments.joined(separator: " ")
        outputPath = "\(directory)/\(label).out"
        errorPath = "\(directory)/\(label).err"
        let input = try checked(Self.openFile("/dev/null", O_RDONLY), "open: /dev/null")
        defer { close(input) }
        let output = try checked(Self.openFile(outputPath, O_WRONLY | O_CREAT | O_TRUNC), "open: \(outputPath)")
        defer { close(output) }
        let error = try checked(Self.openFile(errorPath, O_WRONLY | O_CREAT | O_TRUNC), "open: \(errorPath)")
        defer { close(error) }
        // Sound: the copies are null-terminated, live until freed below, and the child has its own by then.
        let vector = unsafe arguments.map { unsafe strdup($0) } + [nil]
        defer { unsafe vector.forEach { unsafe free($0) } }
        pid = try checked(unsafe clab_spawn(vector, input, output, error), "start: \(command)")
    }

    private static func openFile(_ path: String, _ flags: Int32) -> Int32 {
        // Sound: open only reads the path, for the length of the call.
        let descriptor = unsafe Glibc.open(path, flags | O_CLOEXEC, 0o644)
        return descriptor >= 0 ? descriptor : -errno
    }

    /// How it ended, or nil while it runs.
    public var exit: Exit? {
        let code = ended.withLock { ended in
            if ended == nil {
                let reaped = clab_reap(pid)
                if reaped != -EAGAIN { ended = reaped }
            }
            return ended
        }
        guard let code else { return nil }
        return code >= 256 ? .signal(code - 256) : .status(code)
    }

    /// Whether it still runs.
    public var isRunning: Bool { exit == nil }

    /// Sends a signal unless it has ended and was reaped.
    public func signal(_ number: Int32) {
        if isRunning { kill(pid, number) }
    }

    /// Waits for its end.
    @discardableResult
    public func wait(atMost limit: Duration = .seconds(30)) throws(LabError) -> Exit {
        let deadline = ContinuousClock.now + limit
        while true {
            if let exit { return exit }
            guard ContinuousClock.now < deadline else { throw LabError("\(command): still running after \(limit)") }
            usleep(1_000)
        }
    }

    /// What it wrote to standard output so far.
    public var output: String { Self.text(of: outputPath) }
    /// What it wrote to standard error so far.
    public var errors: String { Self.text(of: errorPath) }

    /// Raises this process's limit of descriptors (children inherit it) as far as allowed; what it is now.
    public static func raiseDescriptorLimit(to wanted: UInt) throws(LabError) -> UInt {
        var limit = rlimit()
        // Sound: both calls use the structure for their own length only.
        guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            throw LabError("getrlimit", code: errno)
        }
        guard limit.rlim_cur < wanted else { return limit.rlim_cur }
        var raised = rlimit(rlim_cur: wanted, rlim_max: max(limit.rlim_max, wanted))
        // Only root may raise the hard limit; the soft one may always go up to it.
        // Sound: as above.
        if unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { return wanted }
        limit.rlim_cur = limit.rlim_max
        // Sound: as above.
        _ = unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        return limit.rlim_cur
    }

    private static func text(of path: String) -> String {
        guard let data = FileManager.default.contents(atPath: path) else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}

/// What a finished command left.
public struct CommandResult: Sendable, CustomStringConvertible {
    /// The command line.
    public let command: String
    /// How it ended.
    public let exit: LabProcess.Exit
    /// Its standard output.
    public let output: String
    /// Its standard error.
    public let errors: String

    /// Whether it exited with status 0.
    public var succeeded: Bool { exit == .status(0) }

    /// Command, exit and both outputs, for messages.
    public var description: String { "\(command): \(exit)\n\(output)\(errors)" }

    /// Itself if it succeeded; otherwise throws everything it said.
    @discardableResult
    public func required() throws(LabError) -> CommandResult {
        guard succeeded else { throw LabError(description) }
        return self
    }
}

extension LabProcess {
    /// Makes the thread of this name run in a circle: it uses CPU time and gets nowhere.
    public func spin(thread name: String) throws {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").compactMap { Int32($0) }
        let found = threads.first { thread in
            let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(thread)/comm", encoding: .utf8)
            return text.map { $0.trimmingCharacters(in: .newlines) } == name
        }
        guard let found else { throw LabError("\(command): no thread \(name)") }
        let result = clab_spin(pid, found)
        guard result == 0 else { throw LabError("\(command): \(name) cannot be made to spin: \(-result)") }
    }
}
