import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// Clients of HTTP/2 that take their time.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2TimeTests {
        private static func daemon(_ limits: String) async throws -> (daemon: Daemon, web: SocketAddress) {
            try await Daemon.http(
                to: [], rules: ["{respond: {status: 200, body: \"\(String(repeating: "x", count: 4000))\"}}"],
                more: "limits: {\(limits)}")
        }

        /// A block that goes on has the time of a head.
        @Test func halfABlock() async throws {
            let (daemon, web) = try await Self.daemon("headerTimeout: 300ms")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                block = request()
                p.send(headers(1, block[:5], END))
                began = time.monotonic()
                while p.receive(10) is not None: pass
                assert time.monotonic() - began < 8
                """)
            #expect(output == "done\n")
            #expect(try await daemon.isAtRest())
        }

        /// Frames that never meet the ends of reads are no slow ones.
        @Test func framesAcrossReads() async throws {
            let (daemon, web) = try await Self.daemon("headerTimeout: 3s")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                ping = frame(PING, 0, 0, b'12345678')
                p.send(ping[:9])
                for _ in range(45):
                    p.send(ping[9:] + ping[:9])
                    pong = p.until(lambda kind, *_: kind == PING, 'an answer')
                    time.sleep(0.1)
                p.send(ping[9:] + get(1))
                p.answer(1)
                """)
            #expect(output == "done\n")
        }

        /// Who takes nothing of what waits for it does not keep its connection.
        @Test(arguments: ["http2", "http1"])
        func readersThatStop(version: String) async throws {
            let (daemon, web) = try await Self.daemon("keepAliveTimeout: 500ms, streamIdleTimeout: 500ms")
            let client = try LabProcess(
                [
                    "/usr/bin/python3", "-c",
                    RawHTTP2.client(web)
                        + """
                        s = socket.socket()
                        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                        s.connect(('127.0.0.1', \(web.port)))
                        s.settimeout(0.2)
                        if '\(version)' == 'http2':
                            s.sendall(PREFACE + settings((4, 2**31 - 1)) + update(0, 2**31 - 1 - 65535))
                            more = (b''.join(get(i + j) for j in range(1, 200, 2)) for i in range(0, 1 << 20, 200))
                        else: more = (b'GET / HTTP/1.1\\r\\nhost: a\\r\\n\\r\\n' * 100 for _ in range(10000))
                        try:
                            for piece in more: s.sendall(piece)
                        except OSError: print('full', flush=True)
                        time.sleep(60)
                        """,
                ], directory: daemon.folder.path, label: "reader")
            defer { client.signal(SIGKILL) }
            #expect(await eventually { client.output == "full\n" }, "\(client.errors)")
            #expect(try await eventually { try daemon.metric("apus_connections_active") == 0 })
            #expect(try await daemon.isAtRest())
        }
    }
}
