import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// What a client can do to itself is not held against the endpoints.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2EjectionTests {
        /// A status of gRPC as the whole answer: that in the path, or none at all for `/never`.
        private static func server() async throws -> PythonProgram {
            try await PythonProgram.rawHTTP2(
                """
                def handle(connection, kind, flags, stream, payload):
                    if kind != HEADERS: return
                    path = dict(connection.store.setdefault('decoder', hpack.Decoder()).decode(payload))[':path'][1:]
                    if path == 'never': return
                    if path == 'slow': return connection.answer(stream, b'x' * 1000)
                    more = [] if path == '0' else [('grpc-status', path)]
                    connection.send(headers(stream, fields((':status', '200'), ('content-type', 'application/grpc'), *more)))
                """)
        }

        private static func daemon(
            _ servers: [PythonProgram], route: String
        ) async throws -> (daemon: Daemon, web: SocketAddress) {
            try await Daemon.http(
                to: servers, route: route,
                cluster: ", protocol: http2, outlierDetection: {consecutiveFailures: 3, successRate: none}")
        }

        @Test func clientsCannotHaveEndpointsEjected() async throws {
            let servers = [try await Self.server(), try await Self.server()]
            let (daemon, web) = try await Self.daemon(servers, route: ", timeout: 1s")
            let output = try daemon.raw(
                web,
                """
                # Their own time is over; what they ask for is not there; the server minds their time itself.
                p = peer()
                for index, (path, more) in enumerate([('/never', [('grpc-timeout', '1n')]), ('/12', []),
                        ('/4', [('grpc-timeout', '900m')])] * 15):
                    p.send(headers(2 * index + 1, request('POST', path, more=CALL + more)))
                pump(p, lambda: len(p.ended) == 45)
                assert all(head[':status'] == '200' for head in p.heads.values()), p.heads
                # They do not take the answer, or do not send all of the request.
                for kind in 'reader', 'writer':
                    p = peer((4, 0 if kind == 'reader' else 65535))
                    for stream in range(1, 21, 2):
                        p.send(headers(stream, request('GET', '/slow') if kind == 'reader' else request('POST', '/never'),
                            ENDHEADERS | (END if kind == 'reader' else 0)))
                    pump(p, lambda: len(p.resets) == 10 if kind == 'reader' else len(p.heads) == 10)
                """)
            #expect(output == "done\n")
            #expect(try daemon.sum("apus_cluster_ejections_total") == 0)
            #expect(try await daemon.isAtRest())
        }

        @Test(arguments: ["/14", "/never"])
        func endpointsThatFailAreEjected(path: String) async throws {
            let servers = [try await Self.server(), try await Self.server()]
            let (daemon, web) = try await Self.daemon(servers, route: ", timeout: 500ms")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                for stream in range(1, 31, 2): p.send(headers(stream, request('POST', '\(path)', more=CALL)))
                pump(p, lambda: len(p.ended) == 15)
                """)
            #expect(output == "done\n")
            #expect(try daemon.sum("apus_cluster_ejections_total") == 1)
        }
    }
}
