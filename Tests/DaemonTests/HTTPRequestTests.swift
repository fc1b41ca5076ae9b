import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Requests in all their forms, by curl and by hand.
    @Suite(.timeLimit(.minutes(1))) struct HTTPRequestTests {
        @Test func curlGetsAndPosts() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server])
            let file = daemon.folder.appendingPathComponent("body")
            let body = (0..<1_300_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
            try Data(body).write(to: file)
            let curl = ["curl", "-sS", "-m", "10"]
            let get = try daemon.run(curl + ["-i", "--path-as-is", "http://\(web)/a/./b/../%63?q=%41"])
            #expect(get.output.hasPrefix("HTTP/1.1 200"), "\(get)")
            #expect(server.requests.last?.path == "/a/c?q=%41")
            let head = try daemon.run(curl + ["-I", "http://\(web)/"])
            #expect(head.status == .status(0) && head.output.contains("content-length:"), "\(head)")
            // With a length, chunked, after `100 Continue` (curl waits a second for that, and then sends it anyway).
            for arguments in [["--data-binary", "@\(file.path)"], ["-T", "-"]] {
                let answer = daemon.folder.appendingPathComponent("answer").path
                let command = curl + arguments + ["-H", "Expect:", "-o", answer, "http://\(web)/big"]
                let shell = ["sh", "-c", "exec \"$@\" <\(file.path)", "sh"] + command
                #expect(try daemon.run(shell).status == .status(0))
                let received = try Data(contentsOf: URL(fileURLWithPath: answer))
                #expect(Array(received.suffix(body.count)) == body)
                #expect(server.requests.last?.body == body)
            }
            #expect(server.requests.last?.field("transfer-encoding") == "chunked")
            // One connection for both.
            let two = try daemon.run(
                curl + ["-w", "%{num_connects}\n", "-o", "/dev/null", "-o", "/dev/null"]
                    + ["http://\(web)/1", "http://\(web)/2"])
            #expect(two.output == "1\n0\n", "\(two)")
            let old = try daemon.run(curl + ["-i", "--http1.0", "http://\(web)/old"])
            #expect(old.output.lowercased().contains("connection: close"), "\(old)")
            let proxy = try daemon.run(curl + ["-x", "http://\(web)", "http://shop.example/x"])
            #expect(proxy.output.contains("GET /x HTTP/1.1\r\nhost: shop.example\r\n"), "\(proxy)")
            #expect(server.connections == 1)
            #expect(try await daemon.isAtRest())
        }

        @Test func pipelinedRequestsAreAnsweredInOrder() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            var text = ""
            for index in 0..<200 {
                switch index % 3 {
                case 0: text += "GET /\(index) HTTP/1.1\r\nhost: a\r\n\r\n"
                case 1: text += "POST /\(index) HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbody"
                default:
                    text +=
                        "PUT /\(index) HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n2\r\nbo\r\n2\r\ndy\r\n0\r\n\r\n"
                }
            }
            try client.send(text)
            for index in 0..<200 {
                let answer = try client.required()
                #expect(answer.text.contains(" /\(index) HTTP/1.1") && answer.text.hasSuffix("body") == (index % 3 > 0))
            }
            #expect(server.requests.count == 200)
            #expect(try await daemon.isAtRest())
        }

        @Test func whatBelongsToTheConnectionStaysThere() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
            try client.send(
                "GET", "/",
                fields:
                    "connection: x-mine, keep-alive\r\nx-mine: 1\r\nkeep-alive: 5\r\nx-other: 2\r\n"
                    + "traceparent: \(trace)\r\nx-forwarded-for: 1.2.3.4\r\nx-request-id: mine\r\n")
            let seen = HTTPMessage(head: try client.required().text)
            for name in ["connection", "x-mine", "keep-alive"] {
                #expect(seen.field(name) == nil)
            }
            #expect(seen.field("x-other") == "2")
            #expect(seen.field("traceparent") == trace)
            #expect(seen.field("x-forwarded-for") == "127.0.0.1")
            #expect(seen.field("x-request-id") == "mine")
            try client.send("GET", "/")
            let made = HTTPMessage(head: try client.required().text).field("x-request-id") ?? ""
            #expect(UUID(uuidString: made) != nil, "\(made)")
            #expect(try await daemon.isAtRest())
        }

        @Test func continueIsWaitedFor() async throws {
            let server = try Server { peer in
                let connection = HTTPConnection(peer)
                while let head = try connection.message(answersHead: true) {
                    guard head.path == "/yes" else { return try connection.answer(Array("no".utf8), status: 417) }
                    try connection.send("HTTP/1.1 100 Continue\r\n\r\n")
                    let body = try peer.receive(exactly: 1 << 20)
                    try connection.answer(Array("\(body.count)".utf8))
                }
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            try client.send("POST /yes HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1048576\r\n\r\n")
            #expect(try client.required().status == 100)
            try client.peer.send([UInt8](repeating: 7, count: 1 << 20))
            #expect(try client.required().text == "1048576")
            try client.send("POST /no HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 1048576\r\n\r\n")
            let refusal = try client.required()
            // Nobody can tell whether the body follows, so the connection ends, and says so.
            #expect(refusal.status == 417 && refusal.field("connection") == "close")
            #expect(client.peer.end() == nil)
            #expect(try await daemon.isAtRest())
        }

        @Test func responsesWithoutABody() async throws {
            let server = try HTTPServer { request, _, connection in
                switch request.path {
                case "/204": try connection.send("HTTP/1.1 204 No Content\r\n\r\n")
                case "/304": try connection.send("HTTP/1.1 304 Not Modified\r\ncontent-length: 55\r\netag: x\r\n\r\n")
                case "/head": try connection.send("HTTP/1.1 200 OK\r\ncontent-length: 1234567\r\n\r\n")
                case "/chunked": try connection.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
                default:
                    try connection.send(
                        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                }
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            for _ in 0..<2 {
                for path in ["/204", "/304", "/early"] { try client.send("GET", path) }
                try client.send("HEAD", "/head")
                try client.send("HEAD", "/chunked")
                #expect(try client.required().status == 204)
                #expect(try client.required().status == 304)
                #expect(try client.required().status == 103)
                #expect(try client.required().status == 200)
                #expect(try client.required(answersHead: true).field("content-length") == "1234567")
                #expect(try client.required(answersHead: true).status == 200)
            }
            #expect(client.rest.isEmpty)
            #expect(server.connections == 1)
            #expect(try await daemon.isAtRest())
        }

        @Test func trailersGoBothWays() async throws {
            let server = try HTTPServer { request, _, connection in
                let sum = request.trailers.joined(separator: ";")
                try connection.send(
                    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;x=y\r\nok\r\n0\r\nx-saw: \(sum)\r\n\r\n")
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            for _ in 0..<2 {
                try client.send(
                    "POST / HTTP/1.1\r\nhost: a\r\nte: trailers\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx-sum: 7\r\n\r\n"
                )
                let answer = try client.required()
                #expect(answer.text == "ok" && answer.trailers == ["x-saw: x-sum: 7"], "\(answer)")
            }
            #expect(try await daemon.isAtRest())
        }

        @Test func connectBecomesATunnelByItsAuthority() async throws {
            let server = try Server { peer in
                let connection = HTTPConnection(peer)
                guard let request = try connection.message() else { return }
                try connection.send("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n\(request.path) ")
                while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            // What follows is not waited for, and is not HTTP.
            try client.send("CONNECT shop:443 HTTP/1.1\r\nhost: shop:443\r\n\r\n\u{16}\u{3}\u{1}")
            let answer = try #require(try client.message(answersHead: true))
            #expect(answer.status == 200 && answer.field("content-length") == nil)
            let expected = "shop:443 \u{16}\u{3}\u{1}"
            let more = try client.peer.receive(exactly: expected.utf8.count - client.rest.count)
            #expect(String(decoding: client.rest + more, as: UTF8.self) == expected)
            client.peer.shutdownWrite()
            #expect(client.peer.end() == nil)
            #expect(try await daemon.isAtRest())
        }
    }
}
