import Dispatch
import Loopback
import Model
import Synchronization
import Testing

extension RunningDaemon {
    /// What is sent again, and what never is.
    @Suite(.timeLimit(.minutes(1))) struct HTTPRetryTests {
        @Test func aRefusedConnectionIsNobodysRequest() async throws {
            let (server, nobody) = (try HTTPServer.echo(), try Acceptor(isListening: false))
            let (daemon, web) = try await Daemon.http(
                to: [nobody, server], route: ", retry: {attempts: 2}")
            let client = try HTTPConnection(to: web)
            for index in 0..<20 {
                try client.send("POST", "/\(index)", body: Array("abc".utf8))
                #expect(try client.required().text.hasSuffix("abc"))
            }
            #expect(server.counts.values.allSatisfy { $0 == 1 } && server.requests.count == 20)
            #expect(try daemon.sum("apus_cluster_request_retries_total") >= 9)
        }

        @Test func aBodyIsPlayedAgain() async throws {
            let asked = Atomic<Int>(0)
            let server = try HTTPServer { _, _, connection in
                let number = asked.add(1, ordering: .relaxed).newValue
                if number % 3 == 0 {
                    try connection.answer()
                } else {
                    try connection.answer(Array("busy".utf8), status: 503)
                }
                return true
            }
            let (daemon, web) = try await Daemon.http(
                to: [server],
                route: ", retry: {attempts: 2, when: [5xx], budget: 100%, backoff: {base: 1ms}}")
            let client = try HTTPConnection(to: web)
            try client.send("PUT /chunked HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            try client.send("3\r\ndef\r\n0\r\n\r\n")
            #expect(try client.required().status == 200)
            let body = (0..<40_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
            try client.send("PUT", "/length", body: body)
            #expect(try client.required().status == 200)
            #expect(
                server.requests.map(\.body) == Array(repeating: Array("abcdef".utf8), count: 3)
                    + Array(repeating: body, count: 3))
            // More than is kept: what the server said is passed on.
            try client.send("PUT", "/long", body: [UInt8](repeating: 1, count: 70_000))
            #expect(try client.required().text == "busy")
            // Not idempotent.
            try client.send("POST", "/post", body: body)
            #expect(try client.required().text == "busy")
            #expect(server.counts == ["/chunked": 3, "/length": 3, "/long": 1, "/post": 1])
            #expect(await daemon.requestLines(4).map(\.attempts) == [3, 3, 1, 1], "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aResetBeforeTheResponse() async throws {
            let asked = Atomic<Int>(0)
            let server = try HTTPServer { _, _, connection in
                guard asked.add(1, ordering: .relaxed).newValue.isMultiple(of: 2) else {
                    connection.peer.reset()
                    return false
                }
                try connection.answer()
                return true
            }
            let (daemon, web) = try await Daemon.http(
                to: [server], route: ", retry: {attempts: 1, when: [reset], budget: 100%, backoff: {base: 1ms}}"
            )
            let client = try HTTPConnection(to: web)
            try client.send("DELETE", "/twice")
            #expect(try client.required().status == 200)
            #expect(server.counts == ["/twice": 2])
            // A connection of its own for each, so that none is taken for one that died idle.
            try client.send("POST", "/once", body: [1])
            let answer = try client.required()
            #expect(answer.status == 502 && server.counts["/once"] == 1)
            #expect(await daemon.requestLines(2).last?.responseFlags == "UC")
        }

        /// A server that ends idle connections whenever it likes: no request fails that may be repeated, and no other is
        /// executed twice.
        @Test func connectionsThatDiedIdle() async throws {
            let server = try HTTPServer { request, number, connection in
                try connection.answer()
                // By what it was asked, so that it is the same in every run; half of them right behind the response.
                let seed = request.path.utf8.reduce(7) { $0 &* 31 &+ Int($1) } >> 3
                if seed % 4 == 0 { return false }
                return number < 2 + seed % 5
            }
            let (daemon, web) = try await Daemon.http(to: [server], workers: 2)
            let failed = Journal<String>()
            try await concurrently(6) { index in
                let client = try HTTPConnection(to: web)
                for round in 0..<300 {
                    let method = ["GET", "POST", "PUT", "DELETE"][(round &* 7 &+ index) % 4]
                    try client.send(
                        method, "/\(method)/\(index)/\(round)", body: method.hasPrefix("P") ? [1, 2, 3] : nil)
                    let answer = try client.required()
                    if answer.status != 200 { failed.add("\(method) \(answer.status ?? 0) \(answer.text)") }
                }
            }
            #expect(failed.all.allSatisfy { $0.hasPrefix("POST 502") }, "\(failed.all)")
            let twice = server.counts.filter { $0.key.hasPrefix("/POST") && $0.value > 1 }
            #expect(twice.isEmpty)
            #expect(server.connections > 100)
            #expect(try await daemon.isAtRest())
        }

        /// Subsets are numbered by the rules that name them, and a reload brings rules before the one of the request.
        @Test(arguments: [true, false])
        func aRetryStaysWithItsLabelsAcrossAReload(isStillNamed: Bool) async throws {
            let asked = Atomic<Int>(0)
            let reloaded = DispatchSemaphore(value: 0)
            let wrong = try HTTPServer.echo()
            let right = try HTTPServer { _, _, connection in
                guard asked.add(1, ordering: .relaxed).newValue == 1 else {
                    try connection.answer(Array("right".utf8))
                    return true
                }
                _ = reloaded.wait(timeout: .now() + 30)
                try connection.answer(Array("first".utf8), status: 503)
                return true
            }
            let members = [(wrong.address, "v1"), (right.address, "v2")]
                .map { "{address: \"\($0)\", labels: {version: \($1)}}" }
            let cluster = "{name: both, endpoints: [\(members.joined(separator: ", "))]}"
            func rule(_ version: String, _ prefix: String) -> String {
                """
                {match: {path: {prefix: \(prefix)}}, route: {cluster: both, labels: {version: \(version)}, \
                retry: {attempts: 2, when: [5xx], budget: 100%, backoff: {base: 1ms}}}}
                """
            }
            let (daemon, web) = try await Daemon.http(to: [right], rules: [rule("v2", "/")], clusters: [cluster])
            let client = try HTTPConnection(to: web)
            try client.send("GET", "/")
            #expect(await eventually { asked.load(ordering: .relaxed) == 1 })
            let after = [rule("v1", "/other")] + (isStillNamed ? [rule("v2", "/")] : [])
            try await daemon.reload(daemon.http(web, to: [right.address], rules: after, clusters: [cluster]))
            reloaded.signal()
            let answer = try client.required()
            if isStillNamed {
                #expect(answer.text == "right" && answer.status == 200, "\(answer.text)")
            } else {
                #expect(answer.status == 503 && asked.load(ordering: .relaxed) == 1, "\(answer.text)")
            }
            #expect(wrong.requests.isEmpty)
        }
    }
}
