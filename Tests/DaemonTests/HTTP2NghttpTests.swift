import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// The client of nghttp2.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2NghttpTests {
        /// Says how long a request's body was in its trailers, and what the request's trailers were.
        private static func server() async throws -> PythonProgram {
            try await PythonProgram.http2(
                """
                def handle(connection, event):
                    store = connection.store
                    if isinstance(event, RequestReceived): store[event.stream_id] = [0, []]
                    elif isinstance(event, DataReceived):
                        store[event.stream_id][0] += len(event.data)
                        connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, TrailersReceived): store[event.stream_id][1] = event.headers
                    elif isinstance(event, StreamEnded):
                        count, trailers = store.pop(event.stream_id)
                        connection.h2.send_headers(event.stream_id, [(':status', '200'), ('trailer', 'x-count')])
                        connection.h2.send_data(event.stream_id, b'ok')
                        connection.h2.send_headers(event.stream_id, [('x-count', str(count)), *trailers], end_stream=True)
                """)
        }

        private static func count(_ text: String, in output: String) -> Int {
            output.components(separatedBy: text).count - 1
        }

        @Test(arguments: ["http1", "http2"])
        func oneAndMany(server: String) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server == "http2" ? "http2" : "")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: \(server)")
            let one = try daemon.run(["nghttp", "-nv", "--no-dep", "http://\(web)/"])
            #expect(one.status == .status(0) && Self.count(":status: 200", in: one.output) == 1, "\(one)")
            // With PRIORITY frames, which mean nothing any more.
            let many = try daemon.run(["nghttp", "-nv", "-m", "50", "http://\(web)/", "http://\(web)/large"])
            #expect(many.status == .status(0) && Self.count(":status: 200", in: many.output) == 100, "\(many.status)")
            #expect(!many.output.contains("RST_STREAM"))
            let shown = try daemon.run(["nghttp", "http://\(web)/"])
            #expect(shown.output == "nginx")
            // A small window makes of the large one many frames.
            let small = try daemon.run(["nghttp", "-n", "-v", "-w", "10", "-W", "12", "http://\(web)/large"])
            #expect(small.status == .status(0) && Self.count(":status: 200", in: small.output) == 1, "\(small.status)")
            #expect(await daemon.requestLines(103).allSatisfy { $0.status == 200 })
            #expect(try await daemon.isAtRest())
        }

        @Test func trailersBothWays() async throws {
            let server = try await Self.server()
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let file = daemon.folder.appending(path: "body")
            try Data(repeating: 1, count: 100_000).write(to: file)
            let result = try daemon.run(
                ["nghttp", "-nv", "-d", file.path, "--trailer=x-sum: 7", "-H", "te: trailers", "http://\(web)/"])
            #expect(result.status == .status(0), "\(result)")
            #expect(result.output.contains("x-count: 100000"), "\(result)")
            // Sent by it, and received again.
            #expect(Self.count("x-sum: 7", in: result.output) == 2, "\(result)")
            #expect(try await daemon.isAtRest())
        }

        /// It asks to go over to h2c, gets its answer by HTTP/1.1, and says that it may not.
        @Test func theUpgradeIsNotTaken() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory)
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http1")
            let result = try daemon.run(["nghttp", "-nvu", "http://\(web)/"])
            #expect(result.output.contains("HTTP/1.1 200 OK"), "\(result)")
            #expect(result.output.contains("HTTP Upgrade failed"), "\(result)")
            #expect(!result.output.contains("101 Switching"), "\(result)")
            let lines = await daemon.requestLines(1)
            #expect(lines.count == 1 && lines[0].status == 200, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }
    }
}
