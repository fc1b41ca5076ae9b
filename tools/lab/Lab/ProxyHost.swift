import Foundation
import Glibc
import Synchronization

/// `apusd` and the redirection of one lab host.
public final class ProxyHost: Sendable {
    /// The host.
    public let host: Node
    /// Its admin API.
    public let admin: AdminClient
    /// The configuration file.
    public let configurationPath: String
    private let logPath: String
    private let state: Mutex<State>

    private struct State {
        var configuration: ProxyConfiguration
        var process: LabProcess?
        var launches = 0
    }

    /// Writes the configuration; nothing runs yet.
    public init(_ configuration: ProxyConfiguration, in lab: Lab) throws {
        host = lab[configuration.host]
        admin = AdminClient(host: host)
        logPath = "\(lab.workspace.path)/access-\(host.name).json"
        let text = configuration.text(accessLog: logPath)
        configurationPath = try lab.workspace.write(text, to: "apus-\(host.name).yaml")
        state = Mutex(State(configuration: configuration))
    }

    /// Starts `apusd` and waits until it is ready.
    public func start() throws {
        let process = try launch()
        let isReady = eventually(within: .seconds(10)) {
            guard process.isRunning else { return true }
            return (try? admin.request("/ready"))?.status == 200
        }
        guard isReady, process.isRunning else {
            let answer = (try? admin.request("/ready"))?.body ?? "no answer"
            throw LabError(
                "apusd on \(host.name): not ready (\(process.exit.map(\.description) ?? "running")): \(answer)\n\(process.errors)"
            )
        }
    }

    private func launch(_ arguments: [String] = []) throws -> LabProcess {
        let program = try Programs.path("apusd")
        return try state.withLock { state in
            state.launches += 1
            let label = "apusd-\(host.name)-\(state.launches)"
            let process = try host.start([program, "--config", configurationPath] + arguments, label: label)
            state.process = process
            return process
        }
    }

    /// Starts the next generation of `apusd` beside the running one; returns when that has everything and the old process
    /// has exited.
    public func takeOver() throws {
        let old = try process
        let new = try launch(["--take-over"])
        let exit = try old.wait(atMost: .seconds(30))
        guard exit == .status(0) else {
            throw LabError("apusd on \(host.name): taken over, it ended with \(exit):\n\(old.errors)\n\(new.errors)")
        }
        let isComplete = eventually(within: .seconds(10)) { !new.isRunning || new.errors.contains("taken over") }
        guard isComplete, new.isRunning else {
            throw LabError("apusd on \(host.name): did not take over:\n\(new.errors)")
        }
    }

    /// The running process.
    public var process: LabProcess {
        get throws {
            guard let process = state.withLock({ $0.process }) else {
                throw LabError("apusd on \(host.name): not started")
            }
            return process
        }
    }

    /// What apusd wrote to standard error.
    public var errors: String { (try? process.errors) ?? "" }

    /// Replaces the configuration file in one step; with `signal`, sends SIGHUP as well.
    public func reload(signal: Bool = true, _ change: (inout ProxyConfiguration) -> Void) throws {
        let text = state.withLock { state in
            change(&state.configuration)
            return state.configuration.text(accessLog: logPath)
        }
        try text.write(toFile: configurationPath, atomically: true, encoding: .utf8)
        if signal { try process.signal(SIGHUP) }
    }

    /// Kills apusd as a crash would; returns when it is gone.
    public func kill() throws {
        try process.signal(SIGKILL)
        try process.wait(atMost: .seconds(10))
    }

    /// Asks apusd to drain and exit; how it ended.
    @discardableResult
    public func terminate(within limit: Duration = .seconds(15)) throws -> LabProcess.Exit {
        try process.signal(SIGTERM)
        return try process.wait(atMost: limit)
    }

    /// `apusctl redirect VERB --config FILE` in the host.
    @discardableResult
    public func redirect(_ verb: String, _ arguments: [String] = []) throws -> CommandResult {
        try control(["redirect", verb, "--config", configurationPath] + arguments)
    }

    /// `apusctl ARGUMENTS` in the host.
    @discardableResult
    public func control(_ arguments: [String]) throws -> CommandResult {
        try host.run([Programs.path("apusctl")] + arguments)
    }

    /// The connections and requests that have ended, oldest first.
    public func accessLog() throws -> [AccessRecord] {
        let data = FileManager.default.contents(atPath: logPath) ?? Data()
        return try AccessRecord.parse(String(decoding: data, as: UTF8.self))
    }

    /// The same from now on, piece by piece.
    public func accessTail() throws -> AccessTail { try AccessTail(path: logPath) }

    /// Waits for a log line; throws the log when none comes.
    public func record(
        within limit: Duration = .seconds(5), where matches: (AccessRecord) -> Bool
    ) throws -> AccessRecord {
        if let record = try eventually(within: limit, { try accessLog().last(where: matches) }) { return record }
        throw LabError(
            "access log of \(host.name): no such line in:\n\(try accessLog().suffix(20).map { "\($0)" }.joined(separator: "\n"))"
        )
    }
}
