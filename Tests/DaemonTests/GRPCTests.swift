import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// A grpcio client and a grpcio server, with the proxy between them.
    @Suite(.timeLimit(.minutes(2))) struct GRPCTests {
        @Test(arguments: ["kinds", "statuses", "fields", "cancels", "deadlines"])
        func asWithoutAProxy(test: String) async throws {
            let (daemon, web) = try await Daemon.grpc(to: [try await GRPCServer()])
            try daemon.grpc(test, web)
            #expect(try await daemon.isAtRest())
        }

        /// What is in a message is nobody's business: its flag says that it is compressed, and compressed it stays.
        @Test func compressedMessages() async throws {
            let (daemon, web) = try await Daemon.grpc(to: [try await GRPCServer()])
            try daemon.grpc("compressed", web)
            let line = try #require(await daemon.requestLines(1).first)
            #expect(line.bytesSent ?? .max < 20000, "\(line)")
            #expect(line.grpcStatus == 0 && line.status == 200)
        }

        @Test func messagesOf100MegabytesBothWays() async throws {
            let (daemon, web) = try await Daemon.grpc(to: [try await GRPCServer()])
            let before = try daemon.residentKiB()
            try daemon.grpc("large", web)
            #expect(try daemon.residentKiB() - before < 32 << 10)
            let line = try #require(await daemon.requestLines(2).first)
            #expect(line.bytesSent == 100 << 20 + 5 && line.bytesReceived == 100 << 20 + 5, "\(line)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aThousandStreamsAtTheSameTime() async throws {
            let (daemon, web) = try await Daemon.grpc(to: [try await GRPCServer()], workers: 2)
            // As many as a client may open on each connection.
            try daemon.grpc("together", web, ["1000", "10"])
            try daemon.grpc("queued", web)
            #expect(try await daemon.isAtRest())
            #expect(try daemon.sum("apus_cluster_grpc_requests_total") == 2000)
        }

        @Test func statusesAreCountedAndLogged() async throws {
            let server = try await GRPCServer()
            let (daemon, web) = try await Daemon.grpc(to: [server])
            try daemon.grpc("statuses", web)
            let lines = await daemon.requestLines(33)
            #expect(Set(lines.compactMap(\.grpcStatus)) == Set(1...16))
            #expect(lines.allSatisfy { $0.status == 200 })
            let metrics = try daemon.get("/metrics").body
            for series in [
                "apus_cluster_grpc_requests_total{cluster=\"servers\",grpc_status=\"deadline_exceeded\"} 2",
                "apus_route_grpc_requests_total{route=\"all/0/0\",grpc_status=\"unimplemented\"} 3",
            ] { #expect(metrics.contains(series), "\(series)") }
        }

        /// `limits.streamIdleTimeout` is for streams that are silent; a message now and then keeps one, whoever sends it.
        @Test func silentStreamsEndAndOthersLive() async throws {
            let (daemon, web) = try await Daemon.grpc(
                to: [try await GRPCServer()], more: "limits: {streamIdleTimeout: 600ms}")
            try daemon.grpc("idle", web, ["0.6"])
            let ended = await daemon.requestLines(4).filter { $0.grpcStatus == 4 }
            #expect(ended.count == 2 && ended.allSatisfy { $0.responseFlags == "SI" }, "\(ended)")
        }

        /// The caller's time is the proxy's, too: here the client leaves the clock to it, and the server never answers.
        @Test func theProxyKeepsTheCallersTime() async throws {
            // One that says nothing, one that does not even answer the handshake, and one that never ends a call.
            let deaf = try Acceptor(backlog: 0)
            // With a backlog of 0 one connection waits, and further SYNs are dropped.
            let first = try Peer(to: deaf.address)
            defer { withExtendedLifetime(first) {} }
            for server in [try Acceptor(), deaf, try await GRPCServer()] as [any Listening] {
                let (daemon, web) = try await Daemon.http(
                    to: [server], route: ", timeout: 20s", cluster: ", protocol: http2, connectTimeout: 2s",
                    speaks: "http2")
                let began = ContinuousClock.now
                let answer = try daemon.call(web, "Never", ["grpc-timeout: 300m"])
                #expect(answer.contains("grpc-status: 4\r\n"), "\(answer)")
                #expect(.milliseconds(250)...(.seconds(5)) ~= ContinuousClock.now - began)
                let line = try #require(await daemon.requestLines(1).first)
                #expect(line.grpcStatus == 4 && line.responseFlags == "UT", "\(line)")
                #expect(try await daemon.isAtRest())
            }
        }
    }
}

extension Daemon {
    /// A unary call by a client that knows nothing of gRPC: head and trailers of the response.
    func call(_ web: SocketAddress, _ method: String, _ fields: [String] = []) throws -> String {
        let message = folder.appendingPathComponent("message")
        try Data([0, 0, 0, 0, 1, 120]).write(to: message)
        let own = ["content-type: application/grpc", "te: trailers"]
        let command =
            ["curl", "-s", "--http2-prior-knowledge", "-D", "-", "-o", "/dev/null", "-m", "20"]
            + (own + fields).flatMap { ["-H", $0] } + ["--data-binary", "@\(message.path)"]
        return try run(command + ["http://\(web)/test.Echo/\(method)"]).output
    }
}
