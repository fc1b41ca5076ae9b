import Foundation
import Model

/// What a guard says of its host, and whether that is so.
extension GuardHost {
    /// Workers of the local proxy that its probes have found; nil: it does not answer.
    public var workers: Double? { try? admin.metric("apus_guard_local_workers") }

    /// Whether it thinks so of the local proxy: `serving`, `hung`, ...
    public func isState(_ state: String) -> Bool {
        (try? admin.metric("apus_guard_local_state", ["state": state])) == 1
    }

    /// Whether the rules lead past the local proxy.
    public var isTaken: Bool { (try? admin.metric("apus_guard_local_taken")) == 1 }

    /// Where new connections go: `local`, `remote`, `direct` or `drop`.
    public var path: String? {
        ["local", "remote", "direct", "drop"].first {
            (try? admin.metric("apus_guard_path", ["path": $0])) == 1
        }
    }

    /// What it thinks of its only remote; nil: nothing yet.
    public var isRemoteHealthy: Bool? { remotes?.first?.isHealthy }

    /// How many remotes are known to be healthy; nil: it does not answer.
    public var healthyRemotes: Int? { remotes?.count { $0.isHealthy == true } }

    private struct Status: Decodable {
        var remotes: [Remote]
        struct Remote: Decodable { var isHealthy: Bool? }
    }

    private var remotes: [Status.Remote]? {
        guard let body = try? admin.request("/status").body,
            let status = try? JSONDecoder().decode(Status.self, from: Data(body.utf8))
        else { return nil }
        return status.remotes
    }

    /// The answer of `GET /ready`; nil: none.
    public var ready: AdminClient.Answer? { try? admin.request("/ready") }
}

extension Node {
    /// Whether a connection with an exchange works from here; false when it is refused, or takes longer.
    public func reaches(_ target: SocketAddress, within limit: Duration = .seconds(1)) -> Bool {
        do {
            let socket = try connect(to: target, timeout: limit)
            defer { socket.close() }
            try socket.exchange()
            return true
        } catch {
            return false
        }
    }

    /// How long until a new connection works, up to five seconds.
    public func timeUntilServed(_ target: SocketAddress) -> Duration {
        ContinuousClock().measure {
            _ = eventually(within: .seconds(5)) { reaches(target, within: .milliseconds(100)) }
        }
    }
}

extension ProxyHost {
    /// Whether a connection works and this proxy carries it: it logs it.
    public func carries(from client: Node, to target: SocketAddress) throws -> Bool {
        let lines = try accessLog().count
        return try client.reaches(target)
            && eventually(within: .milliseconds(300)) { try accessLog().count > lines }
    }
}
