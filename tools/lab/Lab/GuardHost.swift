import Foundation
import Glibc
import Synchronization

/// `apus-guard` of one lab host, beside the host's `ProxyHost`.
public final class GuardHost: Sendable {
    /// The proxy it guards.
    public let proxy: ProxyHost
    /// Its admin API.
    public let admin: AdminClient
    private let state = Mutex<(process: LabProcess?, launches: Int)>((nil, 0))

    /// `failover.guard.port`'s default.
    private static let port: UInt16 = 15002

    /// Nothing runs yet.
    public init(_ proxy: ProxyHost) {
        self.proxy = proxy
        admin = AdminClient(host: proxy.host, port: Self.port)
    }

    /// Starts it and waits until it is ready.
    /// - Parameter words: what becomes the guard's process, by a command behind it: `env NAME=VALUE`.
    public func start(_ words: [String] = []) throws {
        let program = try Programs.path("apus-guard")
        let process = try state.withLock { state in
            state.launches += 1
            let label = "guard-\(proxy.host.name)-\(state.launches)"
            let process = try proxy.host.start(
                words + [program, "--config", proxy.configurationPath], label: label)
            state.process = process
            return process
        }
        let isReady = eventually(within: .seconds(10)) {
            guard process.isRunning else { return true }
            return (try? admin.request("/ready"))?.status == 200
        }
        guard isReady, process.isRunning else {
            let answer = (try? admin.request("/ready"))?.body ?? "no answer"
            throw LabError("apus-guard on \(proxy.host.name): not ready: \(answer)\n\(process.errors)")
        }
    }

    /// The running process.
    public var process: LabProcess {
        get throws {
            guard let process = state.withLock({ $0.process }) else {
                throw LabError("apus-guard on \(proxy.host.name): not started")
            }
            return process
        }
    }

    /// What it wrote to standard error.
    public var errors: String { (try? process.errors) ?? "" }

    /// Ends it as a crash would.
    public func kill() throws {
        try process.signal(SIGKILL)
        try process.wait(atMost: .seconds(10))
    }

    /// `apusctl failover ARGUMENTS` in the host.
    @discardableResult
    public func control(_ arguments: [String]) throws -> CommandResult {
        try proxy.control(["failover"] + arguments)
    }
}
