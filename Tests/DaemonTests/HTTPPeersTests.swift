import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Servers and clients of other people.
    @Suite(.timeLimit(.minutes(1))) struct HTTPPeersTests {
        @Test func nginxInAllItsWays() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [nginx])
            let client = try HTTPConnection(to: web)
            for _ in 0..<3 {
                try client.send("GET", "/")
                #expect(try client.required().text == "nginx")
                try client.send("GET", "/large")
                #expect(try client.required().body == Array(nginx.large))
                try client.send("GET", "/large", fields: "range: bytes=5-9\r\n")
                let part = try client.required()
                #expect(part.status == 206 && part.body == Array(nginx.large[5...9]))
                try client.send("HEAD", "/large")
                #expect(try client.required(answersHead: true).field("content-length") == "\(2 << 20)")
                try client.send("GET", "/empty")
                #expect(try client.required().status == 204)
                try client.send("GET", "/close")
                #expect(try client.required().text == "bye")
            }
            try client.send("GET", "/large")
            let tag = try #require(try client.required().field("etag"))
            try client.send("GET", "/large", fields: "if-none-match: \(tag)\r\n")
            #expect(try client.required().status == 304)
            // It answers before it has read the body, and ends.
            let sender = try HTTPConnection(to: web)
            try? sender.send("POST", "/refused", body: [UInt8](repeating: 1, count: 3 << 20))
            #expect(try sender.required().status == 413)
            #expect(try await daemon.isAtRest())
        }

        @Test func wrkWithoutAnError() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [nginx], workers: 2)
            let result = try daemon.run(["wrk", "-t2", "-c32", "-d2s", "http://\(web)/"])
            #expect(result.status == .status(0) && !result.output.contains("Socket errors"), "\(result)")
            #expect(!result.output.contains("Non-2xx"), "\(result)")
            let requests = result.output.split(separator: "\n").first { $0.contains("requests in") }
            let count = requests?.split(separator: " ").first.flatMap { Int($0) } ?? 0
            #expect(count > 500, "\(result)")
            // wrk drops what is under way at its end.
            #expect(try await daemon.isAtRest())
            #expect(try daemon.sum("apus_listener_requests_total") >= Double(count))
        }

        @Test func pythonsServerAndClient() async throws {
            let server = try await PythonServer(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [server])
            let program = """
                import http.client, os
                connection = http.client.HTTPConnection('127.0.0.1', \(web.port), timeout=10)
                for size in (0, 1, 1000, 65536, 1 << 20):
                    data = os.urandom(size)
                    for body in (data, iter([data[:size // 2], data[size // 2:]])):
                        connection.request('POST', '/', body=body, encode_chunked=not isinstance(body, bytes), headers={}
                            if isinstance(body, bytes) else {'Transfer-Encoding': 'chunked'})
                        response = connection.getresponse()
                        assert response.status == 200 and response.read() == data, size
                print('done')
                """
            let result = try daemon.run(["/usr/bin/python3", "-c", program])
            #expect(result.output == "done\n", "\(result)")
            #expect(server.counted == 10)
            #expect(try await daemon.isAtRest())
        }

        @Test func webSockets() async throws {
            let (daemon, web) = try await Daemon.http(to: [try await PythonProgram.webSocketEcho()])
            let client = """
                import asyncio, os, websockets
                async def main():
                    for _ in range(3):
                        async with websockets.connect('ws://\(web)/chat', max_size=4 << 20) as socket:
                            for size in (0, 1, 125, 126, 65535, 65536, 1 << 20):
                                data = os.urandom(size)
                                await socket.send(data)
                                assert await socket.recv() == data, size
                asyncio.run(main())
                print('done')
                """
            let result = try daemon.run(["/usr/bin/python3", "-c", client])
            #expect(result.output == "done\n", "\(result)")
            let lines = await daemon.requestLines(3)
            #expect(
                lines.map(\.status) == [101, 101, 101] && lines.allSatisfy { $0.responseFlags == "-" },
                "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
            #expect(try await eventually { try daemon.metric("apus_connections_active") == 0 })
        }

        @Test func anUpgradedConnectionMayHalfClose() async throws {
            let server = try Server { peer in
                let connection = HTTPConnection(peer)
                guard let request = try connection.message(), request.field("upgrade") == "chat" else { return }
                try connection.send("HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nhello ")
                let said = try peer.receiveAll()
                try peer.send(said)
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            try client.send("GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: chat\r\n\r\nearly ")
            #expect(try client.message(answersHead: true)?.field("upgrade") == "chat")
            try client.send("words")
            client.peer.shutdownWrite()
            #expect(
                String(decoding: client.rest + (try client.peer.receiveAll()), as: UTF8.self) == "hello early words")
            #expect(try await daemon.isAtRest())
        }

        /// Three servers restart one after the other under load, as in a rolling update: with retries no client notices.
        @Test func aRollingRestartOfThreeServers() async throws {
            let folder = FileManager.default.temporaryDirectory
            var servers = try (0..<3).map { _ in try Nginx(in: folder) }
            let (daemon, web) = try await Daemon.http(
                to: servers,
                route: ", retry: {attempts: 3, when: [connectFailure, reset, 5xx], budget: 100%, backoff: {base: 5ms}}",
                workers: 2)
            let load = HTTPLoad(8, web)
            for index in 0..<3 {
                let before = load.answered
                #expect(await eventually { load.answered > before + 200 })
                let address = servers[index].address
                servers[index].end(SIGQUIT)
                let without = load.answered
                #expect(await eventually { load.answered > without + 200 })
                servers[index] = try Nginx(in: folder, at: address)
            }
            let last = load.answered
            #expect(await eventually { load.answered > last + 200 })
            let report = try await load.finish()
            #expect(report.failures.isEmpty, "\(report.failures)")
            #expect(report.statuses.keys.allSatisfy { $0 == 200 }, "\(report.statuses)")
            #expect(try daemon.sum("apus_cluster_request_retries_total") > 0)
            #expect(try await daemon.isAtRest())
        }
    }
}
