import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// `limits.maxConnectionAge`.
    @Suite(.timeLimit(.minutes(2))) struct ConnectionAgeTests {
        /// The client is told twice: first that there shall be no more streams, then which was the last. What it opens in
        /// between is answered, and what was under way as well.
        @Test func streamsEndInOrder() async throws {
            let server = try await PythonProgram.http2(
                """
                import time
                def handle(connection, event):
                    if not isinstance(event, RequestReceived): return
                    if dict(event.headers)[':path'] == '/slow': time.sleep(3)
                    connection.answer(event.stream_id, b'late')
                """)
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http2", listener: ", limits: {maxConnectionAge: 1s}")
            try HTTP2Frames.run(
                daemon, web,
                """
                began = time.monotonic()
                peer = connect()
                peer.send(get(1)); peer.answer(1)
                peer.send(headers(3, request(path='/slow')))
                expect(peer.frame(), f'GOAWAY {LAST} 0')
                assert time.monotonic() - began >= 0.89, time.monotonic() - began
                expect(peer.frame(), 'PING')
                peer.send(get(5))
                peer.pong()
                # The answer to 5 waits behind that to 3 in the server.
                seen = peer.rest()
                assert seen.index('GOAWAY 5 0') < len(seen) - 1 and seen[-1] == 'end', seen
                for stream in (3, 5): assert peer.answer(stream)[1] == b'late'
                assert not peer.resets and seen.count('GOAWAY 5 0') == 1, seen
                # Whoever does not answer the PING is told within a second or so.
                peer = connect()
                expect([peer.frame() for _ in range(4)], f'GOAWAY {LAST} 0', 'PING', 'GOAWAY 0 0', 'end')
                """)
            #expect(try await daemon.isAtRest())
            #expect(await daemon.requestLines(3).allSatisfy { $0.status == 200 })
        }

        @Test func anHTTP1ConnectionIsClosedWithItsNextResponse() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http1", more: "limits: {maxConnectionAge: 500ms}")
            let began = ContinuousClock.now
            let client = try HTTPConnection(to: web)
            var answers = 0
            while true {
                try client.send("GET", "/")
                let isLast = try client.required().field("connection") == "close"
                answers += 1
                if isLast { break }
                try #require(ContinuousClock.now - began < .seconds(20))
            }
            #expect(ContinuousClock.now - began >= .milliseconds(440) && answers > 1)
            #expect(try client.message() == nil)
            #expect(try await daemon.isAtRest())
        }

        /// Connections that were made together do not all end together.
        @Test func agesDiffer() async throws {
            let server = try HTTPServer.echo()
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http1", more: "limits: {maxConnectionAge: 2s}")
            try HTTP2Frames.run(
                daemon, web,
                """
                began = time.monotonic()
                ends = []
                def one():
                    peer = connect()
                    expect(peer.frame(), f'GOAWAY {LAST} 0')
                    ends.append(time.monotonic() - began)
                threads = [threading.Thread(target=one) for _ in range(20)]
                for thread in threads: thread.start()
                for thread in threads: thread.join()
                assert len(ends) == 20 and min(ends) >= 1.8 and max(ends) - min(ends) > 0.05, sorted(ends)
                """)
        }
    }
}
