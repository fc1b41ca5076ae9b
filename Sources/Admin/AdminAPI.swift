import FoundationEssentials
import Logging
import Model

/// The admin API without its transport: a request in, a response out. Holds no state of its own.
struct AdminAPI: AdminResponder {
    let proxy: any ProxyInspecting
    let readiness: Readiness
    let logLevel: ProcessLogLevel?
    let accessLog: AccessLogWriter?
    let logger: Logger
    /// What ages are measured against.
    let clock: @Sendable () -> Readiness.Now

    typealias Request = AdminRequest

    private enum Endpoint: String, AdminEndpoint {
        case live, ready, metrics, config, status, pods, listeners, clusters, routes, connections, version, explain,
            drain
        case logLevel = "log-level"

        var method: String {
            switch self {
            case .drain, .logLevel: "POST"
            default: "GET"
            }
        }
    }

    /// Connections that `GET /connections` lists when no limit is given, and at most.
    private static let connectionsDefault = 1000, connectionsMax = 100_000

    /// Answers one request. Never throws: what is wrong with a request is said in its response.
    func respond(to request: Request) async -> AdminResponse {
        switch request.question(Endpoint.self) {
        case .asked(let endpoint, let target): await respond(endpoint, target)
        case .refused(let response): response
        }
    }

    private func respond(_ endpoint: Endpoint, _ target: RequestTarget) async -> AdminResponse {
        switch endpoint {
        case .live: return .json(200, ["live": true])
        case .ready:
            let view = readiness.view(of: proxy, now: clock())
            return .json(view.ready ? 200 : 503, view)
        case .metrics: return metrics()
        case .config: return configuration()
        case .status: return .json(200, statusView())
        case .pods: return .json(200, podViews())
        case .listeners: return .json(200, listenerViews())
        case .clusters: return .json(200, clusterViews())
        case .routes: return .json(200, routeViews())
        case .connections: return await connections(target)
        case .version: return .json(200, VersionView(name: "apusd", version: BuildVersion.text))
        case .explain: return await explain(target)
        case .drain:
            logger.notice("drain asked for by the admin API")
            proxy.drain()
            return .json(202, ["phase": proxy.phase.rawValue])
        case .logLevel: return setLogLevel(target)
        }
    }

    private func metrics() -> AdminResponse {
        let body = Metrics.render(
            proxy, readiness: readiness, accessLog: accessLog?.counts, process: .current(), now: clock())
        return AdminResponse(status: 200, contentType: "text/plain; version=0.0.4; charset=utf-8", body: body)
    }

    private func configuration() -> AdminResponse {
        guard let snapshot = proxy.snapshot else { return .error(503, "no configuration yet") }
        return .json(200, ConfigurationView.json(snapshot))
    }

    private func connections(_ target: RequestTarget) async -> AdminResponse {
        guard let text = target.query["limit"] else {
            return .json(200, await connectionViews(limit: Self.connectionsDefault))
        }
        guard let limit = Int(text), (1...Self.connectionsMax).contains(limit) else {
            return .error(400, "limit: \(text): expected 1...\(Self.connectionsMax)")
        }
        return .json(200, await connectionViews(limit: limit))
    }

    private func explain(_ target: RequestTarget) async -> AdminResponse {
        guard let snapshot = proxy.snapshot else { return .error(503, "no configuration yet") }
        guard let from = target.query["from"], let to = target.query["to"] else {
            return .error(400, "explain: expected ?from=POD-OR-IP&to=IP:PORT")
        }
        var learned: [LearnedProtocol] = []
        if snapshot.detects, let destination = SocketAddress(to) { learned = await proxy.learned(of: destination) }
        do throws(Explanation.BadQuestion) {
            let request = try Self.request(target)
            return .json(
                200,
                try Explanation(
                    from: from, to: to, request: request, snapshot: snapshot, shared: proxy.shared, learned: learned))
        } catch {
            return .error(400, error.description)
        }
    }

    /// What the question says of a request; nil: nothing.
    private static func request(_ target: RequestTarget) throws(Explanation.BadQuestion) -> RequestQuestion? {
        let (method, host, path) = (target.query["method"], target.query["host"], target.query["path"])
        let headers = target.all("header")
        guard method != nil || host != nil || path != nil || !headers.isEmpty else { return nil }
        return try RequestQuestion(method: method, host: host, path: path, headers: headers)
    }

    private func setLogLevel(_ target: RequestTarget) -> AdminResponse {
        guard let logLevel else { return .error(503, "log-level: this process has a fixed log level") }
        let text = target.query["level"] ?? ""
        guard let level = Logger.Level(rawValue: text) else {
            let levels = Logger.Level.allCases.map(\.rawValue).joined(separator: ", ")
            return .error(400, "level: \"\(text)\": expected one of \(levels)")
        }
        logger.notice("log level changed", metadata: ["level": "\(level)"])
        logLevel.value = level
        return .json(200, ["level": level.rawValue])
    }
}

/// Answers requests of `AdminServer`.
package protocol AdminResponder: Sendable {
    /// Never throws: what is wrong with a request is said in its response.
    func respond(to request: AdminRequest) async -> AdminResponse
}

/// A request as far as an API looks at it.
package struct AdminRequest: Sendable {
    package var method: String
    /// Path and query, as sent.
    package var target: String
    /// A browser sends this with what a page made it send.
    package var hasOrigin = false
}

/// What an API answers.
package struct AdminResponse: Sendable {
    package var status: Int
    package var contentType: String
    package var body: [UInt8]
    /// For 405.
    package var allow: String?

    package init(status: Int, contentType: String, body: [UInt8], allow: String? = nil) {
        self.status = status
        self.contentType = contentType
        self.body = body
        self.allow = allow
    }

    package static func json(_ status: Int, _ value: some Encodable) -> AdminResponse {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // Views hold strings, integers and booleans, which always have a JSON form.
        guard let data = try? encoder.encode(value) else {
            return AdminResponse(status: 500, contentType: "text/plain", body: Array("cannot be put into JSON\n".utf8))
        }
        return AdminResponse(status: status, contentType: "application/json", body: Array(data) + "\n".utf8)
    }

    package static func error(_ status: Int, _ message: String) -> AdminResponse {
        .json(status, ErrorView(error: message))
    }
}
