import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// What both sides of connections of HTTP/2 are told before these end, frame by frame: in a drain, and when the
    /// configuration has no place for them any more.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2GoAwayTests {
        /// Answers at once; `/slow` when the test says `go`. Says what it is told by GOAWAY, and when a connection ends.
        private static func server() async throws -> PythonProgram {
            try await PythonProgram.http2(
                """
                import os, time
                def closed(connection): print('closed', flush=True)
                def handle(connection, event):
                    if isinstance(event, ConnectionTerminated):
                        print('goaway', event.last_stream_id, int(event.error_code), flush=True)
                    if not isinstance(event, RequestReceived): return
                    if dict(event.headers)[':path'] != '/slow': return connection.answer(event.stream_id)
                    connection.h2.send_headers(event.stream_id, [(':status', '200')])
                    def later():
                        while not os.path.exists(folder + '/go'): time.sleep(0.02)
                        with lock: connection.h2.send_data(event.stream_id, b'late', end_stream=True)
                        connection.flush()
                    threading.Thread(target=later).start()
                """)
        }

        /// Lets `/slow` end.
        private static func release(_ server: PythonProgram) throws {
            try Data().write(to: server.folder.appending(path: "go"))
        }

        /// A client with `/slow` under way on stream 1, that has said `ready`. It goes on with `program` and ends with `done`.
        private static func client(
            _ daemon: Daemon, _ web: SocketAddress, _ program: String
        ) async throws -> LabProcess {
            let start =
                "peer = connect()\npeer.send(headers(1, request(path='/slow')))\nexpect(peer.frame(), 'HEADERS 1 200')\n"
            let process = try LabProcess(
                HTTP2Frames.command(web, start + "print('ready')\n" + program), directory: daemon.folder.path,
                label: "client")
            let isReady = await eventually { process.output.contains("ready\n") || !process.isRunning }
            try #require(isReady && process.isRunning, "\(process.errors)")
            return process
        }

        /// Two steps, and a stream that was opened between them.
        private static func leaves(answering third: String, last: Int) -> String {
            """
            expect([peer.frame(), peer.frame()], f'GOAWAY {LAST} 0', 'PING')
            peer.send(get(3))
            expect(peer.frame(), '\(third)')
            peer.pong()
            while (found := peer.frame()).startswith('DATA 3'): pass
            expect(found, 'GOAWAY \(last) 0')
            # Above the last one: nothing is done with it.
            peer.send(get(5))
            print('told')
            seen = [found for found in peer.rest() if found != 'DATA 1']
            assert seen[-1] == 'end' and seen[:-1] in ([], ['DATA 1 end']), seen
            assert peer.bodies[1] == b'late' and 1 in peer.ended, peer.bodies
            """
        }

        @Test func aDrain() async throws {
            let server = try await Self.server()
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let client = try await Self.client(daemon, web, Self.leaves(answering: "HEADERS 3 200", last: 3))
            daemon.process?.signal(SIGTERM)
            let isTold = await eventually { client.output.contains("told\n") || !client.isRunning }
            #expect(isTold)
            // The stream that is under way holds it up.
            #expect(daemon.process?.isRunning == true)
            try Self.release(server)
            _ = try client.wait(atMost: .seconds(20))
            #expect(client.output == "ready\ntold\ndone\n", "\(client.errors)")
            #expect(try daemon.exit().status == .status(0))
            let isSaid = await eventually { server.lines.contains("goaway 0 0") }
            #expect(isSaid, "\(server.lines)")
        }

        /// The listener speaks something else, other versions, or is gone: streams that were on their way are refused where
        /// nothing says where they go.
        @Test(arguments: ["tcp", "http1", "gone"])
        func theListenerChanges(to what: String) async throws {
            let server = try await Self.server()
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let isServed = what == "http1"
            let client = try await Self.client(
                daemon, web, Self.leaves(answering: isServed ? "HEADERS 3 200" : "RST_STREAM 3 7", last: 3))
            let other = what == "gone" ? try freeAddress() : web
            let text = daemon.http(other, to: [server.address], cluster: ", protocol: http2")
            let changed =
                switch what {
                case "gone": text.replacingOccurrences(of: "name: web", with: "name: other")
                case "tcp":
                    text.replacingOccurrences(
                        of: "protocol: http, routes: all", with: "protocol: tcp, cluster: servers"
                    )
                    .replacingOccurrences(of: ", protocol: http2", with: "")
                default: text.replacingOccurrences(of: "protocol: http,", with: "protocol: http1,")
                }
            try await daemon.reload(changed)
            let isTold = await eventually { client.output.contains("told\n") || !client.isRunning }
            #expect(isTold)
            try Self.release(server)
            _ = try client.wait(atMost: .seconds(20))
            #expect(client.output == "ready\ntold\ndone\n", "\(client.errors)")
            #expect(try await daemon.isAtRest())
        }

        /// What is under way on a connection to an endpoint that is gone ends in order; an idle one ends at once.
        @Test(arguments: ["endpoint", "cluster"], [false, true])
        func anEndpointGoes(what: String, isIdle: Bool) async throws {
            let (server, other) = (try await Self.server(), try await Self.server())
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            if isIdle { try Self.release(server) }
            let client = try await Self.client(
                daemon, web,
                """
                peer.answer(1)
                print('answered')
                peer.frame(100)
                """)
            defer { client.signal(SIGKILL) }
            let isAnswered = { client.output.contains("answered\n") }
            if isIdle { #expect(await eventually { isAnswered() }) }
            let text = daemon.http(web, to: [other.address], cluster: ", protocol: http2")
            try await daemon.reload(
                what == "endpoint" ? text : text.replacingOccurrences(of: "servers", with: "others"))
            // Meanwhile other requests go to the other one, and nothing is heard by this.
            try HTTP2Frames.run(daemon, web, "peer = connect(); peer.send(get(1)); peer.answer(1)")
            if !isIdle {
                #expect(!isAnswered() && server.lines.isEmpty, "\(server.lines)")
                try Self.release(server)
                #expect(await eventually { isAnswered() })
            }
            let isClosed = await eventually { server.lines.contains("closed") }
            #expect(isClosed && server.lines == ["goaway 0 0", "closed"], "\(server.lines)")
            #expect(try await daemon.isAtRest())
            #expect(await daemon.requestLines(2).allSatisfy { $0.status == 200 })
        }
    }
}
