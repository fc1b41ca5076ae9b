import Admin
import Interception
import Logging
import Model

/// The guard's own admin API: it answers also while the proxy's does not.
struct GuardAPI: AdminResponder {
    let host: Guard
    /// Whether it takes orders. Whoever may run a program on the host reaches its loopback addresses; the socket in
    /// `/run/apus` is root's.
    let takesOrders: Bool

    private enum Endpoint: String, AdminEndpoint {
        case live, ready, metrics, status, force, drill

        var method: String { self == .force || self == .drill ? "POST" : "GET" }
    }

    /// The answer of `GET /ready`.
    struct Ready: Encodable {
        var ready: Bool
        var reasons: [String]
        var warnings: [String]
    }

    func respond(to request: AdminRequest) async -> AdminResponse {
        switch request.question(Endpoint.self) {
        case .refused(let response): return response
        case .asked(let endpoint, let target):
            guard takesOrders || endpoint.method == "GET" else {
                return .error(403, "\(target.path): orders are root's: run apusctl failover on the host")
            }
            return await respond(endpoint, target)
        }
    }

    private func respond(_ endpoint: Endpoint, _ target: RequestTarget) async -> AdminResponse {
        switch endpoint {
        case .live: return .json(200, ["live": true])
        case .ready:
            let ready = await host.readiness()
            return .json(ready.ready ? 200 : 503, ready)
        case .metrics:
            let body = GuardMetrics.render(await host.status(), host.view)
            return AdminResponse(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: body)
        case .status: return .json(200, await host.status())
        case .force:
            let word = target.query["mode"] ?? ""
            guard let mode = ForcedMode(rawValue: word) else {
                return .error(400, "mode: \"\(word)\": expected auto, local or remote")
            }
            do {
                return .json(200, try await host.force(mode))
            } catch {
                return .error(500, "\(error)")
            }
        case .drill:
            do {
                return .json(200, try await host.drill(pod: target.query["pod"], to: target.query["to"]))
            } catch {
                return .error(409, "\(error)")
            }
        }
    }
}

extension Guard {
    /// The servers of this guard's API: one that tells anybody who reaches `address`, and one that obeys root.
    public nonisolated func servers(address: SocketAddress) throws -> [AdminServer] {
        try HostDirectory.make()
        let path = try Self.socketPath()
        return [
            AdminServer(
                GuardAPI(host: self, takesOrders: false), name: "failover.guard", address: address, logger: logger),
            AdminServer(
                GuardAPI(host: self, takesOrders: true), name: "failover.guard", path: path, logger: logger),
        ]
    }

    /// Where the guard of this network namespace takes orders.
    public static func socketPath() throws -> String { try HostDirectory.path("guard.sock") }
}
