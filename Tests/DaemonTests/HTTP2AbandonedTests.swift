import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Requests that clients give up as soon as a server has begun them.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2AbandonedTests {
        /// Fewer than the limit of resets on each connection, and ever new connections.
        @Test func whoeverGivesUpTooMuchHasToWait() async throws {
            let server = try await PythonProgram.rawHTTP2("def handle(*frame): pass\n")
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let output = try daemon.raw(
                web,
                """
                refused = begun = 0
                while refused < 100 and begun < 50000:
                    p = peer()
                    for first in range(1, 1600, 40):
                        ids = range(first, first + 40, 2)
                        p.send(b''.join(headers(id, request()) for id in ids))
                        time.sleep(0.002)
                        p.send(b''.join(frame(RST, 0, id, struct.pack('>I', 8)) for id in ids))
                    p.alive()
                    begun += 800
                    refused += sum(head[':status'] == '429' for head in p.heads.values())
                    p.socket.close()
                assert refused >= 100 and begun > 5000, (refused, begun)
                """)
            #expect(output == "done\n")
            #expect(try daemon.sum("apus_http2_violations_total") == 0)
            #expect(try daemon.get("/metrics").body.contains("flag=\"rate_limited\"}"))
            #expect(try await daemon.isAtRest())
        }
    }
}
