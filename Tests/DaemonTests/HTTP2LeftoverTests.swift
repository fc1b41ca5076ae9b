import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Nothing stays of streams whose ends come in an unusual order.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2LeftoverTests {
        private static let answers = """
            def handle(connection, kind, flags, stream, payload):
                if kind == HEADERS: connection.answer(stream)
            """

        /// A response without a body whose server does not say that it is over.
        @Test(arguments: ["204", "HEAD"])
        func answersWithoutAnEnd(kind: String) async throws {
            let server = try await PythonProgram.rawHTTP2(
                """
                def handle(connection, kind, flags, stream, payload):
                    if kind == HEADERS: connection.send(headers(stream, b'\\x89' if '\(kind)' == '204' else b'\\x88', ENDHEADERS))
                    if kind == RST: print('reset', int.from_bytes(payload, 'big'), flush=True)
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                for stream in range(1, 81, 2):
                    p.send(headers(stream, request('\(kind)' if '\(kind)' == 'HEAD' else 'GET')))
                    p.answer(stream, '204' if '\(kind)' == '204' else '200')
                """)
            #expect(output == "done\n")
            #expect(await eventually { server.lines.filter { $0 == "reset 8" }.count == 40 }, "\(server.lines)")
            #expect(try await daemon.isAtRest())
        }

        /// Both sides of a tunnel's stream are over, and its server takes nothing of what it was sent.
        @Test func aTunnelWhoseServerTakesNothing() async throws {
            let server = try await PythonProgram.rawHTTP2(
                """
                def handle(connection, kind, flags, stream, payload):
                    if kind == HEADERS: connection.send(headers(stream, b'\\x88', END | ENDHEADERS))
                    if kind == RST: print('reset', flush=True)
                """, settings: "(4, 0)")
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(get(1))
                p.answer(1)
                for stream in range(3, 43, 2): p.send(headers(stream, connect(), ENDHEADERS) + data(stream, b'abc', END))
                pump(p, lambda: len(p.ended) == 21)
                """)
            #expect(output == "done\n")
            #expect(await eventually { server.lines.count == 20 }, "\(server.lines)")
            #expect(try await daemon.isAtRest())
        }

        /// The server of a tunnel has said all, and wants to hear no more: the client learns it at once.
        @Test func aTunnelWhoseServerWantsNoMore() async throws {
            let server = try await PythonProgram.rawHTTP2(
                """
                def handle(connection, kind, flags, stream, payload):
                    if kind == HEADERS: connection.send(headers(stream, b'\\x88', ENDHEADERS) + data(stream, b'bye', END))
                    if kind == DATA: connection.send(frame(RST, 0, stream, word(NO_ERROR)))
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(headers(1, connect(), ENDHEADERS))
                pump(p, lambda: 1 in p.ended)
                assert p.bodies == {1: b'bye'}, p.seen
                p.send(data(1, b'more'))
                pump(p, lambda: 1 in p.resets)
                assert p.seen[-1].endswith(' 0'), p.seen
                """)
            #expect(output == "done\n")
            #expect(try await daemon.isAtRest())
        }

        /// Connections on which no stream could be begun are used again, or closed.
        @Test func serversThatTakeNoStreams() async throws {
            let server = try await PythonProgram.rawHTTP2(Self.answers, settings: "(3, 0)")
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2, idleTimeout: 1s")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                for stream in range(1, 21, 2):
                    p.send(get(stream))
                    pump(p, lambda: stream in p.ended or stream in p.resets)
                """)
            #expect(output == "done\n")
            #expect(try await daemon.isAtRest())
            #expect(try await eventually { try daemon.sum("apus_worker_upstream_connections") == 0 })
        }

        @Test func webSocketsThatTheServerDoesNotOffer() async throws {
            let server = try await PythonProgram.rawHTTP2(Self.answers)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(headers(1, connect('websocket'), ENDHEADERS))
                pump(p, lambda: 1 in p.ended)
                assert p.heads[1][':status'] == '501', p.heads
                """)
            #expect(output == "done\n")
            #expect(try await daemon.isAtRest())
        }
    }
}
