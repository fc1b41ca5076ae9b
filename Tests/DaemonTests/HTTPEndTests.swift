import Glibc
import Loopback
import Model
import Testing

private let connectionReset: Int32 = 104

extension RunningDaemon {
    /// Messages that end before their end, and peers that leave.
    @Suite(.timeLimit(.minutes(1))) struct HTTPEndTests {
        private static let lengthTooLong = "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nabc"
        private static let chunksWithoutEnd = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n"

        @Test(arguments: [lengthTooLong, chunksWithoutEnd])
        func theServerEndsWithinTheBody(response: String) async throws {
            let server = try Server { peer in
                _ = try HTTPConnection(peer).message()
                try peer.send(response)
            }
            let (daemon, web) = try await Daemon.http(
                to: [server], route: ", retry: {attempts: 2, when: [reset]}")
            let client = try HTTPConnection(to: web)
            try client.send("GET", "/")
            let head = try #require(try client.message(answersHead: true))
            #expect(head.status == 200)
            // Not an end in order, and no last chunk.
            #expect(client.peer.end() == connectionReset)
            #expect(!String(decoding: client.rest, as: UTF8.self).contains("0\r\n\r\n"))
            let line = await daemon.requestLines(1).first
            #expect(line?.status == 200 && line?.responseFlags == "UC" && line?.attempts == 1, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aBodyThatEndsWithTheConnection() async throws {
            let body = [UInt8](repeating: 120, count: 300_000)
            let server = try Server { peer in
                _ = try HTTPConnection(peer).message()
                try peer.send(Array("HTTP/1.0 200 OK\r\n\r\n".utf8) + body)
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            for _ in 0..<3 {
                try client.send("GET", "/")
                let answer = try client.required()
                #expect(answer.body == body && answer.field("transfer-encoding") == "chunked")
            }
            #expect(try await daemon.isAtRest())
        }

        @Test func aClientThatLeavesResetsWhatWasUnderWay() async throws {
            let ends = Journal<Int32?>()
            let server = try Server { peer in
                let connection = HTTPConnection(peer)
                guard let request = try connection.message(answersHead: true) else { return }
                if request.path == "/response" { try connection.send(Self.lengthTooLong) }
                ends.add(peer.end())
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            // In the middle of its request.
            let first = try HTTPConnection(to: web)
            try first.send("POST /request HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\nabc")
            #expect(await eventually { server.accepted == 1 })
            first.peer.close()
            #expect(await eventually { ends.all.count == 1 })
            // Waiting for its response.
            let second = try HTTPConnection(to: web)
            try second.send("GET", "/started")
            #expect(await eventually { server.accepted == 2 })
            second.peer.reset()
            #expect(await eventually { ends.all.count == 2 })
            // In the middle of its response.
            let third = try HTTPConnection(to: web)
            try third.send("GET", "/response")
            #expect(try third.message(answersHead: true)?.status == 200)
            third.peer.reset()
            #expect(await eventually { ends.all.count == 3 })
            #expect(ends.all == [connectionReset, connectionReset, connectionReset])
            let lines = await daemon.requestLines(3)
            #expect(lines.allSatisfy { $0.responseFlags == "DC" }, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aClientThatHalfClosesGetsItsResponse() async throws {
            let server = try HTTPServer.saying("late")
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            try client.send("GET", "/")
            client.peer.shutdownWrite()
            #expect(try client.required().text == "late")
            #expect(client.peer.end() == nil)
            #expect(try await daemon.isAtRest())
        }

        /// A client's FIN may be the end of its request or its own: nobody can tell before something is sent to it. Then it is
        /// known; until then the route's timeout holds.
        @Test(arguments: [true, false])
        func aClientThatHasGoneIsFoundOutByTheFirstBytesOrItsTimeEnds(isAnswered: Bool) async throws {
            let (asked, ends) = (Journal<Void>(), Journal<Int32?>())
            let server = try Server { peer in
                _ = try HTTPConnection(peer).message(answersHead: true)
                asked.add(())
                // Until what it sends meets a reset, which the proxy passes on.
                while isAnswered, ends.all.isEmpty {
                    guard (try? peer.send(asked.all.count == 1 ? Self.chunksWithoutEnd : "1\r\nx\r\n")) != nil else {
                        break
                    }
                    asked.add(())
                    usleep(1000)
                }
                ends.add(peer.end())
            }
            let (daemon, web) = try await Daemon.http(to: [server], route: ", timeout: \(isAnswered ? "60s" : "500ms")")
            let client = try HTTPConnection(to: web)
            try client.send("GET", "/")
            #expect(await eventually { !asked.all.isEmpty })
            client.peer.close()
            #expect(await eventually { ends.all.count == 1 })
            let line = await daemon.requestLines(1).first
            #expect(line?.responseFlags == (isAnswered ? "DC" : "UT"), "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func anEarlyResponseToALargeBody() async throws {
            let server = try Server { peer in
                let connection = HTTPConnection(peer)
                guard try connection.message(answersHead: true) != nil else { return }
                try connection.answer(Array("too much".utf8), status: 413, fields: "connection: close\r\n")
                // Its client gets a reset for what it still sends.
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let body = [UInt8](repeating: 1, count: 3 << 20)
            for _ in 0..<5 {
                let client = try HTTPConnection(to: web)
                // The proxy stops to read some time; what counts is that the answer is there.
                try? client.send("POST", "/", body: body)
                let answer = try client.required()
                #expect(answer.status == 413 && answer.text == "too much")
            }
            let lines = await daemon.requestLines(5)
            #expect(lines.allSatisfy { $0.status == 413 && $0.attempts == 1 })
            #expect(try await daemon.isAtRest())
        }

        @Test func aBrokenBodyIsRefusedAsLongAsThereIsNoResponse() async throws {
            let server = try Server { peer in
                _ = try HTTPConnection(peer).message()
                _ = try peer.receive()
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let client = try HTTPConnection(to: web)
            try client.send("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")
            #expect(await eventually { server.accepted == 1 })
            try client.send("zz\r\n")
            #expect(try client.required().status == 400)
            #expect(client.peer.end() == nil)
            let line = await daemon.requestLines(1).first
            #expect(line?.responseFlags == "DPE" && line?.status == 400, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aSlowReaderHoldsUpItsServerAndNotTheMemory() async throws {
            let size = 64 << 20
            let server = try HTTPServer { _, _, connection in
                try connection.send("HTTP/1.1 200 OK\r\ncontent-length: \(size)\r\n\r\n")
                let piece = [UInt8](repeating: 5, count: 1 << 20)
                for _ in 0..<(size >> 20) { try connection.peer.send(piece) }
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server])
            let before = try daemon.residentKiB()
            let clients = try (0..<4).map { _ in try HTTPConnection(to: web, receiveBuffer: 4096) }
            for client in clients { try client.send("GET", "/") }
            #expect(try await eventually { try (daemon.sum("apus_worker_buffered_bytes")) > 0 })
            #expect(try daemon.sum("apus_worker_buffered_bytes") <= Double(4 * 600 << 10))
            for client in clients { #expect(try client.message(answersHead: true)?.status == 200) }
            for client in clients.dropFirst() { client.peer.close() }
            var received = clients[0].rest.count
            while received < size {
                let bytes = try clients[0].peer.receive(atMost: 1 << 20)
                guard !bytes.isEmpty else { break }
                received += bytes.count
            }
            #expect(received == size)
            #expect(try daemon.residentKiB() - before < 16 << 10)
            #expect(try await daemon.isAtRest())
        }
    }
}
