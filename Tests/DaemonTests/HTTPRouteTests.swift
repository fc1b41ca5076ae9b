import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// What routes, filters and reloads do to requests; and what the log and the metrics say of them.
    @Suite(.timeLimit(.minutes(1))) struct HTTPRouteTests {
        private static let rules = [
            "{match: {path: {exact: /direct}}, respond: {status: 218, body: tea}}",
            "{match: {path: {prefix: /old}}, redirect: {prefix: /new, status: 308}}",
            "{match: {path: {prefix: /shared}}, route: {weightedClusters: [{cluster: servers, weight: 3}, {cluster: other, weight: 1}]}}",
            "{match: {path: {prefix: /copied}}, route: {cluster: servers, mirror: [{cluster: other, percent: 100}]}}",
            """
            {name: edits, match: {path: {prefix: /v2}}, route: {cluster: servers, rewrite: {prefix: /, host: cart.internal},
             requestHeaders: {set: {x-who: "%source_address% %request_id% %route%"}, remove: [x-secret]},
             responseHeaders: {set: {x-from: "%cluster%"}, remove: [server]}}}
            """,
            "{match: {path: {prefix: /broken}}, route: {cluster: servers}, filters: [{fault: {delay: {percent: 100, duration: 150ms}, abort: {percent: 100, status: 418}}}]}",
            "{match: {path: {prefix: /limited}}, route: {cluster: servers}, filters: [{localRateLimit: {requests: 7, per: 1h}}]}",
            "{match: {path: {prefix: /only}}, route: {cluster: servers}}",
        ].map { $0.replacingOccurrences(of: "\n", with: " ") }

        private func start() async throws -> (Daemon, SocketAddress, HTTPServer, HTTPServer) {
            let (servers, other) = (try HTTPServer.echo(), try HTTPServer.saying("other"))
            let (daemon, web) = try await Daemon.http(
                to: [servers], rules: Self.rules,
                clusters: ["{name: other, endpoints: [{address: \"\(other.address)\"}]}"], workers: 2)
            daemon.keep([other])
            return (daemon, web, servers, other)
        }

        @Test func everyActionAndEdit() async throws {
            let (daemon, web, servers, other) = try await start()
            let client = try HTTPConnection(to: web)
            func get(_ path: String, fields: String = "", body: [UInt8]? = nil) throws -> HTTPMessage {
                try client.send(body == nil ? "GET" : "POST", path, fields: fields, body: body)
                return try client.required()
            }
            let direct = try get("/direct")
            #expect(direct.status == 218 && direct.text == "tea")
            let moved = try get("/old/shoes?size=7")
            #expect(moved.status == 308 && moved.field("location") == "/new/shoes?size=7")
            #expect(try get("/nowhere").status == 404)
            for _ in 0..<80 { _ = try get("/shared") }
            #expect((5..<40).contains(other.requests.count), "\(other.requests.count)")
            let before = other.requests.count
            #expect(try get("/copied", body: Array("abc".utf8)).text.hasSuffix("abc"))
            #expect(await eventually { other.requests.count == before + 1 })
            #expect(other.requests.last?.body == Array("abc".utf8) && other.requests.last?.path == "/copied")
            let edited = try get("/v2/cart?x=1", fields: "x-secret: 1\r\nx-request-id: mine\r\n")
            #expect(edited.field("x-from") == "servers")
            let seen = HTTPMessage(head: edited.text)
            #expect(seen.path == "/cart?x=1" && seen.field("host") == "cart.internal" && seen.field("x-secret") == nil)
            #expect(seen.field("x-who") == "127.0.0.1 mine edits")
            let start = ContinuousClock.now
            #expect(try get("/broken").status == 418)
            #expect(ContinuousClock.now - start >= .milliseconds(150))
            #expect(!servers.requests.contains { $0.path == "/broken" })
            #expect(try await daemon.isAtRest())
        }

        @Test func aRateLimitHoldsForAllWorkersTogether() async throws {
            let (daemon, web, servers, _) = try await start()
            let statuses = Journal<Int>()
            try await concurrently(8) { _ in
                // New connections, so that both workers have some.
                for _ in 0..<4 {
                    let client = try HTTPConnection(to: web)
                    try client.send("GET", "/limited")
                    statuses.add(try client.required().status ?? 0)
                }
            }
            #expect(statuses.all.count { $0 == 200 } == 7 && statuses.all.count { $0 == 429 } == 25)
            #expect(servers.requests.count == 7)
            #expect(try await daemon.isAtRest())
        }

        @Test func theLogAndTheMetricsAgree() async throws {
            let (daemon, web, _, _) = try await start()
            let client = try HTTPConnection(to: web)
            for path in ["/only/1", "/only/2", "/direct", "/nowhere"] {
                try client.send("POST", path, fields: "x-request-id: id\(path)\r\n", body: Array("12345".utf8))
                _ = try client.required()
            }
            let lines = await daemon.requestLines(4)
            #expect(lines.map(\.path) == ["/only/1", "/only/2", "/direct", "/nowhere"])
            #expect(lines.map(\.status) == [200, 200, 218, 404])
            #expect(lines.map(\.cluster) == ["servers", "servers", nil, nil])
            #expect(lines.map(\.route) == ["all/0/7", "all/0/7", "all/0/0", nil])
            #expect(lines.map(\.responseFlags) == ["-", "-", "-", "NR"])
            #expect(
                lines.allSatisfy { $0.bytesSent == 5 && $0.requestId == "id\($0.path ?? "")" && $0.method == "POST" })
            let metrics = try daemon.get("/metrics").body.split(separator: "\n").map(String.init)
            for expected in [
                "apus_route_requests_total{route=\"all/0/7\",status_class=\"2xx\"} 2",
                "apus_route_requests_total{route=\"all/0/0\",status_class=\"2xx\"} 1",
                "apus_cluster_requests_total{cluster=\"servers\",status_class=\"2xx\"} 2",
                "apus_listener_requests_total{listener=\"web\",status_class=\"2xx\"} 3",
                "apus_listener_requests_total{listener=\"web\",status_class=\"4xx\"} 1",
            ] { #expect(metrics.contains(expected), "\(metrics.filter { $0.contains("requests_total") })") }
        }

        /// A new configuration every so often: no request fails, and the next one on a connection goes by the new routes.
        @Test func reloadsUnderLoad() async throws {
            let server = try HTTPServer.saying("x")
            let (daemon, web) = try await Daemon.http(to: [server], workers: 2)
            let kept = try HTTPConnection(to: web)
            try kept.send("GET", "/")
            #expect(try kept.required().text == "x")
            let load = HTTPLoad(4, web)
            for round in 1...12 {
                let text = daemon.http(
                    web, to: [server.address],
                    route: round % 2 == 0 ? ", timeout: \(round)s" : ", retry: {attempts: 1}",
                    clusters: round % 3 == 0 ? ["{name: new\(round), endpoints: []}"] : [], workers: 2)
                try await daemon.reload(text)
            }
            let report = try await load.finish()
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(report.statuses.keys.allSatisfy { $0 == 200 } && report.connections == 4, "\(report)")
            try await daemon.reload(
                daemon.http(web, to: [server.address], rules: ["{respond: {status: 299}}"], workers: 2))
            try kept.send("GET", "/")
            #expect(try kept.required().status == 299)
            #expect(try await daemon.isAtRest())
        }

        @Test func aDrainFailsNoRequest() async throws {
            let server = try HTTPServer { _, _, connection in
                usleep(2000)
                try connection.answer()
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server], workers: 2, more: "drainTimeout: 15s")
            let idle = try HTTPConnection(to: web)
            let load = HTTPLoad(6, web)
            #expect(await eventually { server.requests.count > 100 })
            daemon.process?.signal(SIGTERM)
            // Each client is told, and finds nobody to connect to in the end.
            let report = try await load.untilRefused()
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(report.statuses.keys.allSatisfy { $0 == 200 } && report.closes >= 6, "\(report)")
            #expect(idle.peer.end() == nil)
            #expect(try daemon.exit().status == .status(0))
        }
    }
}
