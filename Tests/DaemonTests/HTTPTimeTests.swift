import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Every time that a configuration names: what ends, when, and what the client is told. Upper bounds are wide,
    /// because this machine does other things; without the time in question each would wait for much longer.
    @Suite(.timeLimit(.minutes(1))) struct HTTPTimeTests {
        private func seconds(_ body: () throws -> Void) rethrows -> Double {
            let start = ContinuousClock.now
            try body()
            return (ContinuousClock.now - start) / .seconds(1)
        }

        /// Reads a request, and says nothing.
        private func silent() throws -> Server {
            try Server { peer in
                _ = try HTTPConnection(peer).message(answersHead: true)
                _ = peer.end()
            }
        }

        @Test func aHeadThatTakesTooLong() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server], more: "limits: {headerTimeout: 300ms}")
            let client = try HTTPConnection(to: web)
            // The second request of a connection, a field at a time: activity does not help.
            try client.send("GET", "/")
            #expect(try client.required().status == 200)
            try client.send("GET / HTTP/1.1\r\nhost: a\r\n")
            let dripper = try HTTPConnection(to: web)
            try dripper.send("GET / HTTP/1.1\r\nhost: a\r\n")
            let spent = try seconds {
                for _ in 0..<5 { try? dripper.send("x: y\r\n") }
                let answers = [try client.required(), try dripper.required()]
                #expect(answers.map(\.status) == [408, 408])
            }
            #expect(spent > 0.2 && spent < 5)
            #expect(client.peer.end() == nil)
            #expect(await daemon.requestLines(3).count { $0.reasons == "header_timeout" && $0.status == 408 } == 2)
            #expect(server.requests.count == 1)
            #expect(try await daemon.isAtRest())
        }

        @Test func connectionsThatAreNotUsed() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server], more: "limits: {keepAliveTimeout: 300ms}")
            let (fresh, used) = (try HTTPConnection(to: web), try HTTPConnection(to: web))
            try used.send("GET", "/")
            #expect(try used.required().status == 200)
            let spent = seconds {
                #expect(fresh.peer.end() == nil)
                #expect(used.peer.end() == nil)
            }
            #expect(spent > 0.2 && spent < 5)
            #expect(try await daemon.isAtRest())
        }

        @Test func requestsAndResponsesThatStandStill() async throws {
            let (silent, halting) = (
                try silent(),
                try Server { peer in
                    _ = try HTTPConnection(peer).message()
                    try peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc")
                    _ = peer.end()
                }
            )
            let (daemon, web) = try await Daemon.http(
                to: [silent],
                rules: [
                    "{match: {path: {prefix: /halting}}, route: {cluster: halting}}", "{route: {cluster: servers}}",
                ],
                clusters: ["{name: halting, endpoints: [{address: \"\(halting.address)\"}]}"],
                more: "limits: {streamIdleTimeout: 300ms}")
            daemon.keep([halting])
            let clients = try (0..<3).map { _ in try HTTPConnection(to: web) }
            let spent = try seconds {
                try clients[0].send("GET", "/response")
                try clients[1].send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc")
                try clients[2].send("GET", "/halting")
                for client in clients.prefix(2) {
                    #expect(try client.required().status == 504)
                    #expect(client.peer.end() == nil)
                }
                #expect(try clients[2].message(answersHead: true)?.status == 200)
                #expect(clients[2].peer.end() != nil)
            }
            #expect(spent > 0.2 && spent < 5)
            #expect(
                await daemon.requestLines(3).allSatisfy { $0.responseFlags?.contains("SI") == true },
                "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aRoutesTimeout() async throws {
            let server = try HTTPServer { request, _, connection in
                if request.path == "/within" { try connection.send("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nabc") }
                if request.path == "/quick" { try connection.answer() }
                return request.path == "/quick" || connection.peer.end() == nil
            }
            let (daemon, web) = try await Daemon.http(to: [server], route: ", timeout: 300ms")
            let client = try HTTPConnection(to: web)
            let spent = try seconds {
                try client.send("GET", "/slow")
                try client.send("GET", "/quick")
                #expect(try client.required().status == 504)
                // The connection goes on.
                #expect(try client.required().status == 200)
                // So it does after half a body.
                try client.send("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 6\r\n\r\nabc")
                #expect(try client.required().status == 504)
                try client.send("def")
                try client.send("GET", "/quick")
                #expect(try client.required().status == 200)
                try client.send("GET", "/within")
                #expect(try client.message(answersHead: true)?.status == 200)
                #expect(client.peer.end() != nil)
            }
            #expect(spent > 0.8 && spent < 6)
            let lines = await daemon.requestLines(5)
            #expect(lines.count { $0.responseFlags == "UT" } == 3, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func oneAttemptsTimeout() async throws {
            // One endpoint is as good as many: it gets its second chance.
            let asked = Journal<String>()
            let server = try HTTPServer { request, _, connection in
                asked.add(request.path)
                guard asked.all.count > 1 else { return connection.peer.end() == nil }
                try connection.answer()
                return true
            }
            let (daemon, web) = try await Daemon.http(
                to: [server], route: ", retry: {attempts: 2, perTryTimeout: 250ms, when: [reset]}")
            let client = try HTTPConnection(to: web)
            try client.send("GET", "/twice")
            #expect(try client.required().status == 200)
            let line = await daemon.requestLines(1).first
            #expect(line?.attempts == 2 && line?.status == 200, "\(daemon.accessLog)")
            #expect(asked.all == ["/twice", "/twice"])
            #expect(try await daemon.isAtRest())
        }
    }
}
