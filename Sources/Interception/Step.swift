import FoundationEssentials

/// One change of the host, with what takes it back.
struct Step: Sendable, Equatable {
    /// What is done to the host.
    enum Action: Sendable, Equatable {
        case run(Command)
        case write(path: String, value: String)
    }

    /// For the operator: `rule IPv4 pref 100 fwmark 0x10/0x70 lookup 1500: add`.
    var summary: String
    var action: Action
    var undo: Action?
    /// Without this device, which somebody else may remove at any time, there is nothing to do.
    var device: String?

    init(_ summary: String, _ action: Action, undo: Action? = nil, device: String? = nil) {
        self.summary = summary
        self.action = action
        self.undo = undo
        self.device = device
    }

    /// False: its program is not installed. Whoever does it all the same has told of that.
    var isPossible: Bool {
        guard case .run(let command) = action else { return true }
        return Tool.path(of: command.tool) != nil
    }

    /// The complaint when it failed.
    func perform() async -> String? {
        guard let complaint = await action.perform() else { return nil }
        guard let device else { return complaint }
        do throws(InterceptionError) {
            return try await Tool.look(Command("ip", ["link", "show", "dev", device])) == nil ? nil : complaint
        } catch {
            return complaint
        }
    }
}

extension Step.Action: CustomStringConvertible {
    var description: String {
        switch self {
        case .run(let command): "\(command)"
        case .write(let path, let value): "echo \(value) > \(path)"
        }
    }

    /// The complaint when it failed.
    func perform() async -> String? {
        switch self {
        case .run(let command):
            let result = await Tool.run(command)
            return result.succeeded ? nil : result.complaint
        case .write(let path, let value):
            do {
                try Data((value + "\n").utf8).write(to: URL(filePath: Self.writable(path)))
                return nil
            } catch {
                return "\(path): \(error)"
            }
        }
    }

    /// Containers see /proc/sys read-only, unless they are privileged. Ours get the host's at another place as well.
    private static func writable(_ path: String) -> String {
        let mounted = "/host" + path
        return path.hasPrefix("/proc/sys/") && FileManager.default.fileExists(atPath: mounted) ? mounted : path
    }
}

extension [Step] {
    /// Performs the steps in order. When one fails, those before it are undone, the last first. A step is one command
    /// that does all or nothing.
    func perform() async throws(InterceptionError) {
        for (index, step) in enumerated() {
            guard let complaint = await step.perform() else { continue }
            var leftBehind: [String] = []
            for undo in self[..<index].reversed().compactMap(\.undo) {
                if let complaint = await undo.perform() { leftBehind.append("\(undo): \(complaint)") }
            }
            throw .failed(step: step.summary, cause: complaint, leftBehind: leftBehind)
        }
    }
}
