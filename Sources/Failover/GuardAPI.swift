import Admin
import Logging
import Model

/// The guard's own admin API: it answers also while the proxy's does not.
struct GuardAPI: AdminResponder {
    let host: Guard

    private enum Endpoint: String, CaseIterable {
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
        guard let target = RequestTarget(request.target) else {
            return .error(400, "target: expected /path?name=value with valid percent escapes")
        }
        guard let endpoint = Endpoint(rawValue: String(target.path.dropFirst())) else {
            let paths = Endpoint.allCases.map { "\($0.method) /\($0.rawValue)" }.joined(separator: ", ")
            return .error(404, "\(target.path): no such path, there are: \(paths)")
        }
        guard request.method == endpoint.method || (request.method == "HEAD" && endpoint.method == "GET") else {
            var response = AdminResponse.error(405, "\(target.path): expected \(endpoint.method)")
            response.allow = endpoint.method
            return response
        }
        if endpoint.method == "POST", request.hasOrigin {
            return .error(403, "\(target.path): refused for a web page: the request has an Origin header")
        }
        return await respond(endpoint, target)
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
    /// The server of this guard's API.
    public nonisolated func server(address: SocketAddress) -> AdminServer {
        AdminServer(GuardAPI(host: self), name: "failover.guard", address: address, logger: logger)
    }
}
