import Foundation
import Loopback
import Testing

extension RunningDaemon {
    /// Clients that share upstream connections, and streams that share a client's: what one does ends or stops nothing of another.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2SharingTests {
        /// Runs a client in Python; it says `done` at its end.
        private static func run(_ daemon: Daemon, _ program: String) throws {
            let result = try daemon.run(
                ["/usr/bin/python3", "-c", HTTP2Client.prelude + program + "\nprint('done')"], within: .seconds(60))
            #expect(result.output == "done\n", "\(result)")
        }

        /// Streams that nobody reads hold more than half of the upstream connection's window.
        @Test func aDownloadBesideStreamsThatNobodyReads() async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: "http2")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: http2")
            try Self.run(
                daemon,
                """
                import subprocess
                held = Client('\(web)')
                held.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 0})
                held.flush()
                ids = [held.request('/large') for _ in range(60)]
                while not all(held.streams[id].headers for id in ids): held.pump()
                # Not by one curl: some versions of it break the connection when they use it again.
                for _ in range(8):
                    curl = subprocess.run(['curl', '-sS', '-m', '10', '--http2-prior-knowledge', '-w', '%{size_download}', '-o', '/dev/null',
                        'http://\(web)/large'], capture_output=True, text=True)
                    assert curl.stdout == '2097152', curl
                """)
            #expect(try daemon.sum("apus_cluster_connections_total") == 1)
            #expect(try await daemon.isAtRest())
        }

        /// Answers that a server had on its way when more streams were given up than anybody would remember.
        @Test func answersToStreamsGivenUp() async throws {
            let server = try await PythonProgram.http2(
                """
                def handle(connection, event):
                    store = connection.store
                    if isinstance(event, RequestReceived):
                        path = dict(event.headers)[':path']
                        if path == '/stays': store['stays'] = event.stream_id
                        elif path == '/': connection.answer(event.stream_id)
                        elif path == '/end': connection.answer(store['stays'], b'stayed'); connection.answer(event.stream_id)
                    elif isinstance(event, StreamReset):
                        # As if it had crossed the reset: `:status: 200`, some body, its end.
                        id = event.stream_id.to_bytes(4, 'big')
                        connection.s.sendall(connection.h2.data_to_send() + b'\\0\\0\\1\\1\\4' + id + b'\\x88'
                            + (b'\\0\\0\\4\\0\\0' + id + b'late') * 100 + b'\\0\\0\\0\\0\\1' + id)
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon,
                """
                quiet, noisy = Client('\(web)'), Client('\(web)')
                stays = quiet.request('/stays')
                for _ in range(4):
                    ids = [noisy.request('/given-up') for _ in range(80)]
                    # Behind them on the server's connection: they have arrived there.
                    assert noisy.get('/').data == b'ok'
                    for id in ids: noisy.h2.reset_stream(id, h2.errors.ErrorCodes.CANCEL)
                    assert noisy.get('/').data == b'ok'
                assert noisy.get('/end').data == b'ok'
                stream = quiet.wait(stays)
                assert stream.data == b'stayed' and stream.reset is None, (stream.headers, stream.data, stream.reset)
                """)
            #expect(try daemon.sum("apus_cluster_connections_total") == 1)
            #expect(try daemon.sum("apus_http2_violations_total") == 0)
            #expect(try await daemon.isAtRest())
        }

        /// Where the connection's window is the narrow place, it is for all streams.
        @Test(arguments: ["http1", "http2"]) func downloadsShareAWindow(server: String) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server == "http2" ? "http2" : "")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: \(server)")
            try Self.run(
                daemon,
                """
                client = Client('\(web)', releases=False)
                client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1 << 24})
                client.flush()
                ids = [client.request('/large') for _ in range(3)]
                seen = 0
                def sizes(): return [len(client.streams[id].data) for id in ids]
                while not any(client.streams[id].ended for id in ids):
                    client.pump()
                    if sum(sizes()) - seen < 32768: continue
                    client.h2.increment_flow_control_window(sum(sizes()) - seen)
                    seen = sum(sizes())
                    client.flush()
                assert min(sizes()) > 1 << 20, sizes()
                """)
            #expect(try await daemon.isAtRest())
        }

        /// A server that ends every connection before it has looked at a stream.
        @Test func whoeverTurnsAllAwayIsNotAskedForEver() async throws {
            let server = try await PythonProgram.http2(
                """
                def handle(connection, event):
                    if isinstance(event, RequestReceived): connection.h2.close_connection(last_stream_id=0)
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon,
                """
                stream = Client('\(web)').get('/')
                assert stream.headers[':status'] == '503', stream.headers
                """)
            #expect(try daemon.sum("apus_cluster_connections_total") == 3)
            #expect(try await daemon.isAtRest())
        }
    }
}
