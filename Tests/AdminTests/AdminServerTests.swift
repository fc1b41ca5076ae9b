import Foundation
import FoundationNetworking
import Logging
import Model
import Testing

@testable import Admin

@Suite struct AdminServerTests {
    @Test func readyIs200OrReasons() async throws {
        let proxy = try FakeProxy(.sample())
        try await withServer(proxy) { address in
            #expect(try await curl(address, "/live").status == 200)
            let ready = try await curl(address, "/ready")
            #expect(ready.status == 200, "\(ready.body)")
            proxy.set { $0.phase = .starting }
            let unready = try await curl(address, "/ready")
            #expect(unready.status == 503)
            let view = try JSONDecoder().decode(ReadinessView.self, from: Data(unready.body.utf8))
            #expect(view.reasons == ["starting: not every listener is bound yet"])
        }
    }

    @Test func everyGetAnswersJSONToAnotherClientToo() async throws {
        let proxy = try FakeProxy(.sample())
        try await withServer(proxy) { address in
            for path in [
                "/live", "/config", "/status", "/pods", "/listeners", "/clusters", "/routes", "/connections",
                "/version",
            ] {
                let url = try #require(URL(string: "http://\(address)\(path)"))
                let (data, response) = try await URLSession.shared.data(from: url)
                #expect((response as? HTTPURLResponse)?.statusCode == 200, "\(path)")
                _ = try JSONSerialization.jsonObject(with: data)
            }
            let post = try await curl(address, "/metrics", "-I")
            #expect(post.body.lowercased().contains("content-type: text/plain; version=0.0.4"))
        }
    }

    @Test func podsShowTablesAndCounters() async throws {
        let proxy = try FakeProxy(.sample())
        let slot = proxy.podSlot("shop/cart")
        for worker in proxy.workerStatistics {
            worker.pods.add(3, slot: slot, counter: PodCounter.outboundConnections.rawValue)
            worker.pods.add(1, slot: slot, counter: PodCounter.column(.deniedOutbound))
        }
        proxy.shared.podConnections.add(2, at: slot)
        try await withServer(proxy) { address in
            let body = try await curl(address, "/pods").body
            let pods = try JSONDecoder().decode([PodView].self, from: Data(body.utf8))
            #expect(pods.map(\.name) == ["unknown", "shop/cart", "shop/web"])
            #expect(pods[1].outboundConnections == 6 && pods[1].connectionsActive == 2)
            #expect(pods[1].resets == ["denied_outbound": 2])
            #expect(pods[1].outbound[0] == TableEntryView(match: "cidrs 10.96.0.0/12 ports 80", action: "cluster web"))
            #expect(pods[1].outbound[2] == TableEntryView(match: "ports 25", action: "deny"))
        }
    }

    @Test func connectionsAreLimitedAndNamed() async throws {
        let proxy = try FakeProxy(.sample())
        var record = ConnectionRecord()
        record.pod = Int32(proxy.podSlot("shop/cart"))
        record.cluster = Int32(proxy.clusterSlot("postgres"))
        record.client = .known("10.1.0.2:40000")
        record.endpoint = .known("10.2.0.3:5432")
        let view = ConnectionView(record: record, state: .halfClosed, idleNanoseconds: 5_000_000, bufferedBytes: 7)
        proxy.set { $0.connections = [view, view, view] }
        proxy.set { $0.missingWorkers = [1] }
        try await withServer(proxy) { address in
            let body = try await curl(address, "/connections?limit=2").body
            let list = try JSONDecoder().decode(ConnectionListView.self, from: Data(body.utf8))
            #expect(list.connections.count == 2 && list.truncated && list.missingWorkers == [1])
            #expect(list.connections[0].pod == "shop/cart" && list.connections[0].cluster == "postgres")
            #expect(list.connections[0].state == "halfClosed" && list.connections[0].source == nil)
            for bad in ["0", "-1", "x", "100001", "99999999999999999999"] {
                #expect(try await curl(address, "/connections?limit=\(bad)").status == 400, "\(bad)")
            }
        }
    }

    @Test func postsDoWhatTheySayAndRefuseWebPages() async throws {
        let proxy = try FakeProxy(.sample())
        let level = ProcessLogLevel(.info)
        try await withServer(proxy, logLevel: level) { address in
            let changed = try await curl(address, "/log-level?level=debug", "-X", "POST")
            #expect(changed.status == 200 && level.value == .debug)
            #expect(try await curl(address, "/log-level?level=loud", "-X", "POST").status == 400)
            #expect(try await curl(address, "/drain", "-X", "POST", "-H", "Origin: http://evil.example").status == 403)
            #expect(proxy.phase == .serving)
            #expect(try await curl(address, "/drain").status == 405)
            #expect(try await curl(address, "/drain", "-X", "POST").status == 202)
            #expect(proxy.phase == .draining)
        }
    }

    @Test func unknownPathsListTheKnownOnes() async throws {
        try await withServer(try FakeProxy(.sample())) { address in
            let answer = try await curl(address, "/nope")
            #expect(answer.status == 404)
            let view = try JSONDecoder().decode(ErrorView.self, from: Data(answer.body.utf8))
            #expect(view.paths?.contains("GET /ready") == true && view.paths?.contains("POST /log-level") == true)
            #expect(try await curl(address, "/pods", "-X", "DELETE").status == 405)
            #expect(try await curl(address, "/explain?from=%zz&to=1", "--globoff").status == 400)
        }
    }

    @Test func hostileRequestsEndTheirConnectionOnly() async throws {
        try await withServer(try FakeProxy(.sample())) { address in
            let big = String(repeating: "a", count: 200_000)
            let bodyFile = FileManager.default.temporaryDirectory.appendingPathComponent("apus-\(UUID().uuidString)")
            try Data(big.utf8).write(to: bodyFile)
            defer { try? FileManager.default.removeItem(at: bodyFile) }
            let head = try? await curl(address, "/live", "-H", "X: \(big.prefix(100_000))")
            #expect(head == nil || head.map { (400...499).contains($0.status) } == true, "\(String(describing: head))")
            let body = try? await curl(address, "/drain", "-X", "POST", "--data-binary", "@\(bodyFile.path)")
            #expect(body == nil || body?.status == 413, "\(String(describing: body))")
            for text in [
                "GET\r\n\r\n", "\u{0}\u{1}\u{2}", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "GET http://x/ HTTP/1.1\r\n\r\n",
            ] {
                _ = try await run(
                    "curl", ["-s", "--max-time", "1", "telnet://\(address)"], input: Array(text.utf8))
            }
            #expect(try await curl(address, "/live").status == 200)
        }
    }

    @Test func twoGenerationsShareThePort() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let proxy = try FakeProxy(.sample())
        try await withServer(proxy) { address in
            let next = AdminServer(inspecting: proxy, address: address, readiness: Readiness(), logger: logger)
            let (bound, continuation) = AsyncStream.makeStream(of: SocketAddress.self)
            let task = Task { try await next.run { continuation.yield($0) } }
            var iterator = bound.makeAsyncIterator()
            let shared = await iterator.next()
            #expect(shared == address)
            task.cancel()
            try await task.value
            // A handshake that meets the very moment of closing may be reset (net.ipv4.tcp_migrate_req is 0 here).
            var status = 0
            for _ in 0..<5 where status != 200 { status = (try? await curl(address, "/live").status) ?? 0 }
            #expect(status == 200)
        }
    }

    @Test func aTakenPortIsAClearError() async throws {
        // A listener without SO_REUSEPORT, as any other program's.
        let other = try OtherListener()
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let server = AdminServer(
            inspecting: try FakeProxy(.sample()), address: other.address, readiness: Readiness(), logger: logger)
        let error = await #expect(throws: AdminServer.BindError.self) { try await server.run() }
        #expect(error?.description == "admin: \(other.address): address in use: another one runs? set admin.port")
    }
}
