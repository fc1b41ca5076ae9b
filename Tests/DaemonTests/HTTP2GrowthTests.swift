import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// More requests than one upstream connection takes streams.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2GrowthTests {
        /// Announces `limit` streams, and answers `together` requests when all of them are there. `/lower` makes the limit of its
        /// connection 2, and is answered at once. A connection with more streams than it may have is an error.
        private static func server(limit: Int, together: Int) async throws -> PythonProgram {
            try await PythonProgram.http2(
                """
                limit, waiting = \(limit), []
                MAX = h2.settings.SettingCodes.MAX_CONCURRENT_STREAMS
                def started(connection):
                    connection.h2.local_settings = h2.settings.Settings(client=False, initial_values={MAX: limit})
                    connection.h2.initiate_connection()
                def handle(connection, event):
                    global limit
                    if isinstance(event, SettingsAcknowledged): print('acknowledged', flush=True)
                    if not isinstance(event, RequestReceived): return
                    with lock:
                        if dict(event.headers)[':path'] == '/lower':
                            limit = 2
                            connection.h2.update_settings({MAX: 2})
                            return connection.answer(event.stream_id)
                        waiting.append((connection, event.stream_id))
                        if len(waiting) < \(together): return
                        counts = [sum(one is other for one, _ in waiting) for other, _ in waiting]
                        print('streams', max(counts), flush=True)
                        for one, stream in waiting:
                            one.answer(stream)
                            one.flush()
                        waiting.clear()
                """)
        }

        private static let together = """
            def together(count):
                ids = [client.request(f'/{index}') for index in range(count)]
                for id in ids:
                    stream = client.wait(id)
                    assert stream.headers.get(':status') == '200', (stream.headers, stream.reset)

            """

        private static func run(_ daemon: Daemon, _ web: SocketAddress, _ program: String) throws {
            let text = HTTP2Client.prelude + "client = Client('\(web)')\n" + together + program + "\nprint('done')"
            let result = try daemon.run(["/usr/bin/python3", "-c", text], within: .seconds(60))
            #expect(result.output == "done\n", "\(result)")
        }

        @Test func twentyRequestsOnConnectionsOfTwoStreams() async throws {
            let server = try await Self.server(limit: 2, together: 20)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(daemon, web, "together(20)")
            #expect(server.lines.contains("streams 2"), "\(server.lines)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 10)
            // Those that are there are used again.
            try Self.run(daemon, web, "together(20)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 10)
            let lines = await daemon.requestLines(40)
            #expect(
                lines.count == 40 && lines.allSatisfy { $0.status == 200 && $0.attempts == 1 }, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        /// A cluster that may have fewer connections than that: requests wait for their turn.
        @Test func noMoreConnectionsThanTheBreakerAllows() async throws {
            let server = try await Self.server(limit: 2, together: 4)
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http2, connectTimeout: 30s, circuitBreaker: {connections: 2}")
            try Self.run(daemon, web, "together(20)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 2)
            #expect(await daemon.requestLines(20).allSatisfy { $0.status == 200 && $0.attempts == 1 })
            #expect(try await daemon.isAtRest())
        }

        /// The server lowers its limit while there are more streams than that: they go on, and others go elsewhere.
        @Test func aLimitThatIsLowered() async throws {
            let server = try await Self.server(limit: 8, together: 8)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                together(8)
                ids = [client.request(f'/{index}') for index in range(7)]
                assert client.get('/lower').headers[':status'] == '200'
                # One stream more makes eight, on another connection.
                ids.append(client.request('/8'))
                for id in ids: assert client.wait(id).headers.get(':status') == '200'
                together(8)
                """)
            #expect(
                server.lines.filter { $0.hasPrefix("streams") } == ["streams 8", "streams 7", "streams 2"],
                "\(server.lines)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 4)
            #expect(await daemon.requestLines(25).allSatisfy { $0.status == 200 && $0.attempts == 1 })
            #expect(try await daemon.isAtRest())
        }
    }
}
