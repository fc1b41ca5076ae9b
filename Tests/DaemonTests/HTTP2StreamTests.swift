import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

extension RunningDaemon {
    /// Streams of HTTP/2 through `apusd`, by Python's library on either side.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2StreamTests {
        private static func run(_ daemon: Daemon, _ web: SocketAddress, _ program: String) throws {
            let text = HTTP2Client.prelude + "client = Client('\(web)')\n" + program + "\nprint('done')"
            let result = try daemon.run(["/usr/bin/python3", "-c", text])
            #expect(result.output == "done\n", "\(result)")
        }

        /// Answers each request at its end with a trailer; `/slow...` with two parts.
        private static let echo = """
            def handle(connection, event):
                store = connection.store
                if isinstance(event, RequestReceived):
                    store[event.stream_id] = [dict(event.headers), b'', list(event.headers)]
                elif isinstance(event, DataReceived):
                    store[event.stream_id][1] += event.data
                    connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, TrailersReceived): store[event.stream_id].append(dict(event.headers))
                elif isinstance(event, StreamEnded):
                    head, body, fields, *trailers = store.pop(event.stream_id)
                    text = repr([head, body[:100], trailers, sum(name == 'cookie' for name, _ in fields)]).encode()
                    connection.h2.send_headers(event.stream_id, [(':status', '103'), ('link', '</a>')])
                    connection.h2.send_headers(event.stream_id, [(':status', '200'), ('trailer', 'x-sum')])
                    connection.h2.send_data(event.stream_id, text)
                    connection.h2.send_headers(event.stream_id, [('x-sum', str(len(body)))], end_stream=True)
            """

        @Test func trailersInterimHeadsAndCookies() async throws {
            let server = try await PythonProgram.http2(Self.echo)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                id = client.request('/a?b=c', 'POST', [('cookie', 'a=1'), ('cookie', 'b=2'), ('te', 'trailers')], b'x' * 100000,
                    end=False)
                client.h2.send_headers(id, [('x-end', 'yes')], end_stream=True)
                client.flush()
                stream = client.wait(id)
                assert stream.headers[':status'] == '200', stream.headers
                assert stream.interim == [{':status': '103', 'link': '</a>'}], stream.interim
                assert stream.trailers == {'x-sum': '100000'}, stream.trailers
                head, body, trailers, cookies = eval(stream.data)
                assert head[':method'] == 'POST' and head[':path'] == '/a?b=c' and head[':authority'] == 'test', head
                assert head['cookie'] == 'a=1; b=2' and cookies == 1 and head['te'] == 'trailers', head
                assert body == b'x' * 100 and trailers == [{'x-end': 'yes'}], trailers
                """)
            #expect(try await daemon.isAtRest())
        }

        @Test func betweenTheVersions() async throws {
            let server = try HTTPServer { request, _, connection in
                let cookies = request.head.split(separator: "\r\n").filter { $0.hasPrefix("cookie") }
                let text = "\(request.head.contains("transfer-encoding"))|\(cookies)|\(request.body.count)"
                try connection.send(
                    "HTTP/1.1 200 OK\r\nconnection: x-hop\r\nx-hop: 1\r\ntransfer-encoding: chunked\r\n\r\n"
                        + "\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n0\r\nx-sum: 7\r\n\r\n")
                return true
            }
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1")
            try Self.run(
                daemon, web,
                """
                stream = client.get('/', method='POST', headers=[('cookie', 'a=1'), ('cookie', 'b=2')], body=b'y' * 70000)
                assert stream.data == b'true|["cookie: a=1; b=2"]|70000', stream.data
                assert stream.trailers == {'x-sum': '7'}, stream.trailers
                assert not {'connection', 'x-hop', 'transfer-encoding'} & set(stream.headers), stream.headers
                stream = client.get('/', method='POST', headers=[('content-length', '3')], body=b'abc')
                assert stream.data == b'false|[]|3', stream.data
                """)
            #expect(try await daemon.isAtRest())
        }

        /// A reader that stops stops its own stream only, and what is kept for it is bounded.
        @Test(arguments: ["http1", "http2"])
        func aNoisyStreamBesideAQuietOne(server: String) async throws {
            let nginx = try Nginx(in: FileManager.default.temporaryDirectory, speaks: server == "http2" ? "http2" : "")
            let (daemon, web) = try await Daemon.http(to: [nginx], cluster: ", protocol: \(server)")
            try Self.run(
                daemon, web,
                """
                noisy = Client('\(web)', releases=False)
                # The window of the connection is opened, that of the streams is not.
                noisy.h2.increment_flow_control_window(1 << 24)
                large = [noisy.request('/large') for _ in range(5)]
                for _ in range(50):
                    quiet = noisy.get('/')
                    assert quiet.data == b'nginx', quiet.data
                sizes = [len(noisy.streams[id].data) for id in large]
                assert sizes == [65535] * 5 and not any(noisy.streams[id].ended for id in large), sizes
                for id in large: noisy.h2.increment_flow_control_window(1 << 22, id)
                noisy.flush()
                for id in large: assert len(noisy.wait(id).data) == 2 << 20
                """)
            #expect(try await daemon.isAtRest())
        }

        @Test func refusedStreamsAreRepeated() async throws {
            let server = try await PythonProgram.http2(
                """
                refused = set()
                def handle(connection, event):
                    if isinstance(event, RequestReceived): connection.store[event.stream_id] = dict(event.headers)[':path']
                    elif isinstance(event, DataReceived):
                        connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    elif isinstance(event, StreamEnded):
                        path = connection.store.pop(event.stream_id)
                        with lock:
                            isNew = path not in refused
                            refused.add(path)
                        if isNew: return connection.h2.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                        print('executed', path, flush=True)
                        connection.answer(event.stream_id)
                """)
            let (daemon, web) = try await Daemon.http(
                to: [server], route: ", retry: {attempts: 2, when: [refusedStream]}", cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                for index in range(20):
                    stream = client.get(f'/{index}', method='POST', body=b'z' * 1000)
                    assert stream.headers[':status'] == '200', stream.headers
                """)
            #expect(server.lines.count == 20)
            let lines = await daemon.requestLines(20)
            #expect(lines.allSatisfy { $0.attempts == 2 && $0.status == 200 }, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }

        /// The next attempt may be another stream of the same connection: what comes of the first is not taken for it.
        @Test func aRetryOnTheSameConnection() async throws {
            let server = try await PythonProgram.http2(
                """
                def handle(connection, event):
                    if not isinstance(event, StreamEnded): return
                    count = connection.store['count'] = connection.store.get('count', 0) + 1
                    if count % 2:
                        connection.h2.send_headers(event.stream_id, [(':status', '503')], end_stream=True)
                    else: connection.answer(event.stream_id)
                """)
            let (daemon, web) = try await Daemon.http(
                to: [server], route: ", retry: {attempts: 1, when: [503], backoff: {base: 1ms}, budget: 100%}",
                cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                for _ in range(20):
                    stream = client.get('/')
                    assert stream.headers[':status'] == '200' and stream.data == b'ok', (stream.headers, stream.data)
                """)
            let lines = await daemon.requestLines(20)
            #expect(lines.allSatisfy { $0.attempts == 2 && $0.status == 200 }, "\(daemon.accessLog)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 1)
            #expect(try await daemon.isAtRest())
        }

        /// Frames that come too slowly end the connection, whatever else it does.
        @Test func halfAFrameHasItsTime() async throws {
            let server = try await PythonProgram.http2("def handle(connection, event): pass")
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", protocol: http2", more: "limits: {headerTimeout: 500ms}")
            try Self.run(
                daemon, web,
                """
                began = time.monotonic()
                client.s.settimeout(0.1)
                while not client.closed and time.monotonic() < began + 8:
                    try:
                        # A head of 100 bytes, one of them each time.
                        client.s.sendall(bytes([0, 0, 100, 1, 5, 0, 0, 0, 1]) if time.monotonic() < began + 0.05 else b'x')
                        client.pump()
                    except TimeoutError: pass
                    except OSError: client.closed = True
                assert client.closed and time.monotonic() < began + 5, time.monotonic() - began
                """)
            #expect(try await daemon.isAtRest())
        }

        @Test func streamsEndAlone() async throws {
            let server = try await PythonProgram.http2(
                """
                def handle(connection, event):
                    if not isinstance(event, RequestReceived): return
                    path = dict(event.headers)[':path']
                    if path == '/reset':
                        connection.h2.send_headers(event.stream_id, [(':status', '200')])
                        connection.h2.send_data(event.stream_id, b'half')
                        connection.h2.reset_stream(event.stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
                    elif path == '/': connection.answer(event.stream_id)
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                stays = client.request('/never')
                stream = client.get('/reset')
                assert stream.data == b'half' and stream.reset == 2 and not stream.ended, (stream.data, stream.reset)
                # Malformed: ends the stream, not the connection.
                client.h2.config.validate_outbound_headers = False
                client.h2.config.normalize_outbound_headers = False
                stream = client.get('/', headers=[('UPPER', 'case')])
                assert stream.reset == 1, stream.reset
                # Given up: the server's stream ends, too, and nothing else.
                client.h2.reset_stream(stays, h2.errors.ErrorCodes.CANCEL)
                assert client.get('/').data == b'ok'
                assert client.goaway is None
                """)
            #expect(try daemon.sum("apus_cluster_connections_total") == 1)
            #expect(try await daemon.isAtRest())
        }

        @Test func aDrainLetsStreamsEnd() async throws {
            let server = try await PythonProgram.http2(
                """
                import time
                def handle(connection, event):
                    if not isinstance(event, RequestReceived): return
                    time.sleep(0.5)
                    connection.answer(event.stream_id, b'late')
                """)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let client = try LabProcess(
                ["curl", "-sS", "-m", "10", "--http2-prior-knowledge", "http://\(web)/"], directory: daemon.folder.path,
                label: "client")
            #expect(await eventually { (try? daemon.metric("apus_requests_active")) == 1 })
            daemon.process?.signal(SIGTERM)
            _ = try client.wait(atMost: .seconds(20))
            #expect(client.output == "late", "\(client.errors)")
            #expect(await eventually { daemon.process?.isRunning == false })
        }

        /// A client that is gone leaves nothing behind, whether its requests were complete or not.
        @Test func clientsLeave() async throws {
            let server = try await PythonProgram.http2("def handle(connection, event): pass")
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                for _ in range(5): client.request('/')
                for _ in range(5): client.request('/', 'POST', end=False)
                while True:
                    client.s.settimeout(0.2)
                    try: client.pump()
                    except TimeoutError: break
                """)
            #expect(try await daemon.isAtRest())
            #expect(try await eventually { try daemon.metric("apus_connections_active") == 0 })
        }

        @Test func webSocketsOverStreams() async throws {
            let server = try await PythonProgram.webSocketEcho()
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http1")
            try Self.run(
                daemon, web,
                """
                def masked(data, opcode=2):
                    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0x80 | 126]) + len(data).to_bytes(2, 'big')
                    return bytes([0x80 | opcode]) + size + bytes(4) + data
                while client.h2.remote_settings.enable_connect_protocol != 1: client.pump()
                ids = []
                for _ in range(3):
                    id = client.request('/chat', 'CONNECT', [(':protocol', 'websocket'), ('sec-websocket-version', '13')], end=False)
                    # At once: it has to wait for the server's word.
                    client.send(id, masked(b'hello'), end=False)
                    ids.append(id)
                for id in ids:
                    stream = client.streams[id]
                    while len(stream.data) < 7: client.pump()
                    assert stream.headers[':status'] == '200' and 'sec-websocket-accept' not in stream.headers, stream.headers
                    assert stream.data == bytes([0x82, 5]) + b'hello', stream.data
                    client.send(id, masked(b'w' * 60000), end=False)
                    while len(stream.data) < 7 + 4 + 60000: client.pump()
                    client.send(id, masked(bytes([3, 232]), 8), end=True)
                    assert client.wait(id).ended
                """)
            #expect(try await daemon.isAtRest())
        }

        @Test func floodsEndTheConnection() async throws {
            let server = try await PythonProgram.http2(Self.echo)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                def flooded(act):
                    client = Client('\(web)')
                    try:
                        for _ in range(100):
                            for _ in range(100): act(client)
                            client.flush()
                        while not client.closed: client.pump()
                    except OSError: pass
                    # Where our writes met the reset, the goodbye may be lost; the connection has to be.
                    return client.goaway is None or client.goaway.error_code == h2.errors.ErrorCodes.ENHANCE_YOUR_CALM
                def rapid_reset(client):
                    id = client.h2.get_next_available_stream_id()
                    client.h2.send_headers(id, [(':method', 'POST'), (':scheme', 'http'), (':authority', 'a'), (':path', '/')])
                    client.h2.reset_stream(id)
                assert flooded(rapid_reset)
                assert flooded(lambda client: client.h2.ping(b'12345678'))
                assert flooded(lambda client: client.h2.update_settings({4: 65535}))
                assert client.get('/').headers[':status'] == '200'
                """)
            let text = try daemon.get("/metrics").body
            for kind in ["reset_flood", "ping_flood", "settings_flood"] {
                let isCounted = text.contains("apus_http2_violations_total{peer=\"client\",kind=\"\(kind)\"} 1")
                #expect(isCounted, "\(kind)")
            }
            #expect(try await daemon.isAtRest())
        }
    }
}
