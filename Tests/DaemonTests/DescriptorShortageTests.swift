import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Clients ask for more upstream connections than the process may have descriptors.
    @Suite(.timeLimit(.minutes(2))) struct DescriptorShortageTests {
        /// Three clients, each with as many streams as it may have, at a server that answers none of them.
        @Test func whatCannotBeConnectedIsRefusedAndTheProcessGoesOn() async throws {
            let server = try HTTPServer { request, _, connection in
                if request.path == "/quick" { try connection.answer(Array("here".utf8)) }
                return true
            }
            let (daemon, web) = (try Daemon(), try freeAddress())
            daemon.keep([server])
            try daemon.write(daemon.http(web, to: [server.address], cluster: ", protocol: http1"))
            try await daemon.startServing(prefix: ["prlimit", "--nofile=300:300"])
            let output = try daemon.raw(
                web,
                """
                peers = [peer() for _ in range(3)]
                for p in peers:
                    p.send(b''.join(headers(stream, request()) for stream in range(1, 200, 2)))
                # Of 300 streams some are refused, all on connections that go on.
                for p in peers: p.alive()
                refused = [head for p in peers for head in p.heads.values()]
                assert 50 < len(refused) < 300, len(refused)
                assert {head[':status'] for head in refused} == {'503'}, refused[0]
                """)
            #expect(output == "done\n")
            #expect(try daemon.get("/ready").status == 200)
            let isAnswered = try await eventually {
                try daemon.run(["curl", "-s", "-m", "5", "http://\(web)/quick"]).output == "here"
            }
            #expect(isAnswered, "when the clients are gone there is room")
            #expect(try #require(daemon.process).isRunning)
        }
    }
}
