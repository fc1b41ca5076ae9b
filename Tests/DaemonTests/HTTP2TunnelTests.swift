import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// WebSocket and CONNECT to servers of HTTP/2, which have streams for them.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2TunnelTests {
        /// Echoes the bytes of a tunnel, and ends it when the client does, with `bye`; says what it was asked for. `/no` is
        /// refused, everything else answered. `offers`: extended CONNECT.
        private static func server(offers: Bool) async throws -> PythonProgram {
            try await PythonProgram.http2(
                """
                # Its library does not know of CONNECT without a path.
                validates, LENGTH = False, [('content-length', '2')]
                ENABLE = h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL
                def started(connection):
                    values = {ENABLE: 1} if \(offers ? "True" : "False") else {}
                    connection.h2.local_settings = h2.settings.Settings(client=False, initial_values=values)
                    connection.h2.initiate_connection()
                def pump(connection, stream):
                    tunnel = connection.store[stream]
                    while tunnel[0]:
                        size = min(connection.h2.local_flow_control_window(stream), 16384, len(tunnel[0]))
                        if size == 0: return
                        connection.h2.send_data(stream, tunnel[0][:size])
                        tunnel[0] = tunnel[0][size:]
                    if tunnel[1]:
                        tunnel[1] = False
                        connection.h2.send_data(stream, b'bye', end_stream=True)
                def handle(connection, event):
                    store = connection.store
                    if isinstance(event, RequestReceived):
                        head = dict(event.headers)
                        print(sorted(head.items()), flush=True)
                        if head.get(':path') == '/no': return connection.answer(event.stream_id, b'no', LENGTH, '403')
                        if head[':method'] != 'CONNECT': return connection.answer(event.stream_id, b'ok', LENGTH)
                        connection.h2.send_headers(event.stream_id, [(':status', '200'), ('x-kept', '1')])
                        store[event.stream_id] = [b'', False]
                    elif isinstance(event, DataReceived):
                        connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        if event.stream_id in store: store[event.stream_id][0] += event.data
                    elif isinstance(event, StreamEnded) and event.stream_id in store: store[event.stream_id][1] = True
                    elif isinstance(event, StreamReset):
                        print('reset', flush=True)
                        store.pop(event.stream_id, None)
                    for stream in list(store): pump(connection, stream)
                """)
        }

        private static let client = """
            import os, socket, time, threading
            def connect(): return socket.create_connection(ADDRESS, timeout=30)
            def head(s):
                data = b''
                while b'\\r\\n\\r\\n' not in data:
                    more = s.recv(1)
                    assert more, data
                    data += more
                lines = data.decode().split('\\r\\n')
                return int(lines[0].split()[1]), {line.split(': ')[0]: line.split(': ', 1)[1] for line in lines[1:-2]}
            def exactly(s, count):
                data = b''
                while len(data) < count:
                    more = s.recv(count - len(data))
                    assert more, len(data)
                    data += more
                return data
            KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
            def ask(s, more=b'', path='/chat', protocol='WebSocket', key=KEY):
                key = f'Sec-WebSocket-Key: {key}\\r\\n' if key else ''
                s.sendall(f'GET {path} HTTP/1.1\\r\\nHost: test\\r\\nConnection: Upgrade\\r\\nUpgrade: {protocol}\\r\\n'
                    f'{key}Sec-WebSocket-Version: 13\\r\\n\\r\\n'.encode() + more)
            def get(s):
                s.sendall(b'GET / HTTP/1.1\\r\\nHost: test\\r\\n\\r\\n')
                status, fields = head(s)
                assert status == 200 and exactly(s, 2) == b'ok', (status, fields)
            def echo(s, size):
                data = os.urandom(size)
                threading.Thread(target=s.sendall, args=(data,)).start()
                assert exactly(s, size) == data

            """

        private static func run(_ daemon: Daemon, _ web: SocketAddress, _ program: String) throws {
            let text = "ADDRESS = ('127.0.0.1', \(web.port))\n" + client + program + "\nprint('done')"
            let result = try daemon.run(["/usr/bin/python3", "-c", text], within: .seconds(60))
            #expect(result.output == "done\n", "\(result)")
        }

        @Test func webSocketBecomesAStream() async throws {
            let server = try await Self.server(offers: true)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                s = connect()
                # A request before it, and bytes of the tunnel at once behind it.
                get(s)
                ask(s, b'early')
                status, fields = head(s)
                assert status == 101 and fields['upgrade'] == 'websocket' and fields['x-kept'] == '1', (status, fields)
                # The example of RFC 6455 1.3.
                assert fields['connection'] == 'upgrade', fields
                assert fields['sec-websocket-accept'] == 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', fields
                assert exactly(s, 5) == b'early'
                echo(s, 3 << 20)
                # Each side ends on its own.
                s.shutdown(socket.SHUT_WR)
                assert exactly(s, 3) == b'bye' and s.recv(1) == b''
                # A client that leaves takes its stream along, and no other.
                first, second = connect(), connect()
                for s in (first, second):
                    ask(s)
                    assert head(s)[0] == 101
                first.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes([1, 0, 0, 0, 0, 0, 0, 0]))
                first.close()
                echo(second, 100000)
                second.shutdown(socket.SHUT_WR)
                assert exactly(second, 3) == b'bye'
                """)
            let asked = try #require(server.lines.dropFirst().first)
            for part in [
                "(':method', 'CONNECT')", "(':protocol', 'websocket')", "(':path', '/chat')", "(':scheme', 'http')",
            ] {
                #expect(asked.contains(part), "\(asked)")
            }
            #expect(!asked.contains("websocket-key") && asked.contains("sec-websocket-version"), "\(asked)")
            let isReset = await eventually { server.lines.contains("reset") }
            #expect(isReset, "\(server.lines)")
            #expect(try daemon.sum("apus_cluster_connections_total") == 1)
            #expect(try await daemon.isAtRest())
        }

        /// Without a form in HTTP/2 it is refused, and nothing of it reaches the server. The connection goes on.
        @Test(arguments: [false, true])
        func whatAStreamCannotCarryIsRefused(offers: Bool) async throws {
            let server = try await Self.server(offers: offers)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                def refused(**more):
                    s = connect()
                    ask(s, **more)
                    status, fields = head(s)
                    assert status == 501, status
                    exactly(s, int(fields['content-length']))
                    get(s)
                refused(protocol='other')
                refused(key=None)
                if not \(offers ? "True" : "False"): refused()
                """)
            #expect(server.lines.allSatisfy { $0.contains("'GET'") }, "\(server.lines)")
            #expect(try await daemon.isAtRest())
        }

        @Test func aRefusalOfTheServerIsAnAnswer() async throws {
            let server = try await Self.server(offers: true)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                s = connect()
                for _ in range(2):
                    ask(s, path='/no')
                    status, fields = head(s)
                    assert status == 403 and exactly(s, 2) == b'no', (status, fields)
                    get(s)
                """)
            #expect(try await daemon.isAtRest())
        }

        @Test func connectBecomesAStream() async throws {
            let server = try await Self.server(offers: false)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                """
                s = connect()
                s.sendall(b'CONNECT db.test:5432 HTTP/1.1\\r\\nHost: db.test:5432\\r\\n\\r\\nearly')
                status, fields = head(s)
                assert status == 200 and 'content-length' not in fields and 'transfer-encoding' not in fields, fields
                assert exactly(s, 5) == b'early'
                echo(s, 1 << 20)
                s.shutdown(socket.SHUT_WR)
                assert exactly(s, 3) == b'bye' and s.recv(1) == b''
                """)
            let asked = try #require(server.lines.first)
            #expect(asked.contains("(':authority', 'db.test:5432'), (':method', 'CONNECT')"), "\(asked)")
            #expect(!asked.contains(":path") && !asked.contains(":scheme"), "\(asked)")
            #expect(try await daemon.isAtRest())
        }

        /// From a stream to a stream, with what goes on beside it.
        @Test func extendedConnectPassesAsItCame() async throws {
            let server = try await Self.server(offers: true)
            let (daemon, web) = try await Daemon.http(to: [server], cluster: ", protocol: http2")
            let program = """
                while client.h2.remote_settings.enable_connect_protocol != 1: client.pump()
                ids = [client.request('/chat', 'CONNECT', [(':protocol', 'websocket')], end=False) for _ in range(3)]
                for id in ids:
                    stream = client.streams[id]
                    client.send(id, b'x' * 300000, end=False)
                    while len(stream.data) < 300000: client.pump()
                    assert stream.headers[':status'] == '200', stream.headers
                    assert client.get('/').data == b'ok'
                    client.h2.end_stream(id)
                    client.flush()
                    assert client.wait(id).data == b'x' * 300000 + b'bye'

                """
            let text = HTTP2Client.prelude + "client = Client('\(web)')\n" + program + "\nprint('done')"
            let result = try daemon.run(["/usr/bin/python3", "-c", text], within: .seconds(60))
            #expect(result.output == "done\n", "\(result)")
            #expect(server.lines.first?.contains("(':protocol', 'websocket')") == true, "\(server.lines)")
            #expect(try await daemon.isAtRest())
        }
    }
}
