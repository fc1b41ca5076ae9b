import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// What one connection of HTTP/2 may ask for, and for how long.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2LimitTests {
        /// Extended CONNECT opens WebSocket, and no way past the routes.
        @Test(arguments: ["h2c", "H2C", "h2", "HTTP/2.0", "connect-udp"])
        func onlyWebSocket(name: String) async throws {
            let server = try HTTPServer { _, _, connection in
                try connection.send("HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1")
            let output = try daemon.raw(
                web,
                """
                p = peer()
                p.send(headers(1, connect('\(name)'), ENDHEADERS))
                pump(p, lambda: 1 in p.heads)
                assert p.heads[1][':status'] == '501', p.heads
                """)
            #expect(output == "done\n")
            #expect(server.requests.isEmpty)
            #expect(try await daemon.isAtRest())
        }
    }
}
