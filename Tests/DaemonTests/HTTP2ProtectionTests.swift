import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// What a client may cost: each attack meets the limit that is named for it, is counted under its name, and leaves other
    /// connections alone.
    @Suite(.timeLimit(.minutes(3))) struct HTTP2ProtectionTests {
        /// Small enough that no attack takes long.
        private static let limits = """
            limits:
              headerBytes: 16KiB
              headerCount: 50
              http2:
                maxConcurrentStreams: 10
                trailerBytes: 1KiB
                continuationFrames: 4
                resets: {burst: 20, perSecond: 1}
                settings: {burst: 10, perSecond: 1}
                pings: {burst: 30, perSecond: 1}
                emptyFrames: {burst: 15, perSecond: 1}
                ignoredFrames: {burst: 40, perSecond: 1}
                windowUpdates: {burst: 50, perSecond: 1}
            """

        /// By kind: what is sent, and what of it must be said: GOAWAY or RST_STREAM with a code. What is not over a limit by itself
        /// comes more often than the limit allows.
        private static let attacks: [(kind: String, bytes: String, answer: String)] = [
            (
                "reset_flood", "b''.join(post(2 * n + 1) + frame(RST, 0, 2 * n + 1, word(8)) for n in range(30))",
                "GOAWAY 11"
            ),
            // Requests that make the proxy reset them, which costs it the same.
            ("reset_flood", "b''.join(post(2 * n + 1) + update(2 * n + 1, 0) for n in range(30))", "GOAWAY 11"),
            (
                "continuation_flood",
                "headers(1, request(), END) + frame(CONTINUATION, 0, 1) * 10", "GOAWAY 11"
            ),
            (
                "continuation_flood",
                "headers(1, request(), END) + frame(CONTINUATION, 0, 1, fields(('a', 'b' * 9000))) * 4", "GOAWAY 11"
            ),
            ("head_too_large", "headers(1, request(more=[('x-large', 'v' * 16300)]))", "RST_STREAM 11"),
            ("too_many_fields", "headers(1, request(more=[(f'x-{n}', '1') for n in range(60)]))", "RST_STREAM 11"),
            // HPACK's bomb: one field of 3,000 bytes in the table, and a byte for each time it is meant.
            (
                "head_too_large",
                "headers(1, request() + fields(('x-bomb', 'b' * 3000), first=0x40) + bytes([0xbe]) * 8000)",
                "RST_STREAM 11"
            ),
            ("trailers_too_large", "post(1) + headers(1, fields(('x-t', 't' * 2000)))", "RST_STREAM 11"),
            ("settings_flood", "settings((4, 65535)) * 20", "GOAWAY 11"),
            ("ping_flood", "frame(PING, 0, 0, bytes(8)) * 50", "GOAWAY 11"),
            ("empty_frame_flood", "post(1) + data(1) * 30", "GOAWAY 11"),
            ("ignored_frame_flood", "frame(PRIORITY, 0, 1, bytes(5)) * 60", "GOAWAY 11"),
            ("ignored_frame_flood", "frame(0x77, 0, 1, b'abc') * 60", "GOAWAY 11"),
            ("window_update_flood", "update(0, 1) * 80", "GOAWAY 11"),
            ("too_many_streams", "b''.join(post(2 * n + 1) for n in range(11))", "RST_STREAM 7"),
            ("window_overflow", "update(0, LAST)", "GOAWAY 3"),
            ("flow_control", "post(1) + data(1, bytes(16384)) * 30", "RST_STREAM 3"),
            // Games with the ids of streams.
            ("stream_identifier", "headers(2, request())", "GOAWAY 1"),
            ("stream_identifier", "post(5) + post(3)", "GOAWAY 1"),
            ("idle_stream", "data(1, b'x')", "GOAWAY 1"),
            ("idle_stream", "frame(RST, 0, LAST, word(8))", "GOAWAY 1"),
            ("closed_stream", "post(1) + frame(RST, 0, 1, word(8)) + post(1)", "GOAWAY 5"),
        ]

        private func count(_ kind: String, _ daemon: Daemon) throws -> Int {
            let name = "apus_http2_violations_total{peer=\"client\",kind=\"\(kind)\"} "
            let line = try daemon.get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(name) }
            return line.flatMap { Int($0.dropFirst(name.count)) } ?? 0
        }

        @Test func everyAttackMeetsItsLimit() async throws {
            // It reads nothing of what it is asked: streams stay, and windows are not opened.
            let silent = try await PythonProgram.http2(
                """
                def handle(connection, event):
                    if isinstance(event, StreamEnded): connection.answer(event.stream_id)
                """)
            let (daemon, web) = try await Daemon.http(to: [silent], cluster: ", protocol: http2", more: Self.limits)
            var expected: [String: Int] = [:]
            for attack in Self.attacks {
                expected[attack.kind, default: 0] += 1
                try HTTP2Frames.run(
                    daemon, web,
                    """
                    quiet, peer = connect(), connect()
                    peer.send(\(attack.bytes))
                    answer, code = '\(attack.answer)'.split()
                    while True:
                        found = peer.frame()
                        assert found not in ('end', 'silence'), ('\(attack.kind)', peer.seen[-5:])
                        if found.split()[0] == answer: break
                    assert found.split()[2] == code, found
                    if answer == 'GOAWAY': assert peer.rest()[-1] == 'end', peer.seen[-5:]
                    # Nobody else has noticed; and where the stream alone was ended, nor has its connection.
                    quiet.send(get(1)); quiet.answer(1)
                    if answer == 'RST_STREAM': peer.alive()
                    """)
                #expect(try count(attack.kind, daemon) == expected[attack.kind], "\(attack)")
            }
            #expect(try await daemon.isAtRest())
        }

        /// A client that asks for a lot and takes nothing of it: neither by its windows, nor from its socket.
        @Test(arguments: ["window", "socket", "crumbs"])
        func slowReaders(how: String) async throws {
            let body = [UInt8](repeating: 7, count: 8 << 20)
            let server = try HTTPServer { _, _, connection in
                try connection.answer(body)
                return true
            }
            let limits =
                "limits: {streamIdleTimeout: 2s, http2: {unreadAnswers: 100, pings: {burst: 100000, perSecond: 1}, windowUpdates: {burst: 200, perSecond: 1}}}"
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1", more: limits)
            let before = try daemon.residentKiB()
            let program =
                switch how {
                // No window: each stream ends when nothing has moved for too long.
                case "window":
                    """
                    peer = connect((4, 0))
                    peer.send(b''.join(get(2 * n + 1) for n in range(20)))
                    while len(peer.resets) < 20: assert peer.frame() not in ('end', 'silence'), peer.seen[-5:]
                    peer.alive()
                    """
                // Large windows, and a client that asks again and again whether somebody is there.
                case "socket":
                    """
                    peer = connect((4, LAST))
                    peer.send(update(0, LAST - 65535) + get(1))
                    began, isOpen = time.monotonic(), True
                    while isOpen and time.monotonic() - began < 40:
                        # Until the connection is given up.
                        peer.send(frame(PING, 0, 0, bytes(8)) * 5)
                        time.sleep(0.01)
                        isOpen = peer.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == 1
                    assert not isOpen
                    """
                // A byte at a time.
                default:
                    """
                    peer = connect((4, 1))
                    peer.send(get(1))
                    for _ in range(1000):
                        peer.send(update(1, 1))
                    seen = peer.rest()
                    assert [found for found in seen if found.startswith('GOAWAY')] == ['GOAWAY 1 11'], seen[-5:]
                    """
                }
            try HTTP2Frames.run(daemon, web, program)
            // What it was to be sent is not in memory meanwhile: a window for each stream, at most.
            #expect(try daemon.residentKiB() - before < 24 << 10)
            switch how {
            case "window":
                #expect(try daemon.get("/metrics").body.contains("flag=\"idle_timeout\"} 20"))
            case "socket": #expect(try count("unread_answers", daemon) == 1)
            default: #expect(try count("window_update_flood", daemon) == 1)
            }
            #expect(try await daemon.isAtRest())
        }
    }
}
