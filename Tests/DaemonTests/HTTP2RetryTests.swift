import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Requests with bodies that a server has not looked at: sent again where all of the body is at hand, told to the client
    /// where it is not, and never executed twice.
    @Suite(.timeLimit(.minutes(2))) struct HTTP2RetryTests {
        /// Executes requests, but for the first five of a `refuser`, which it turns away by `how` once `after` bytes of the body
        /// are there. What it has executed it says, with the length of the body.
        private static func server(_ how: String = "", after: Int = 0) async throws -> PythonProgram {
            try await PythonProgram.http2(
                """
                how, left = '\(how)', 5 if '\(how)' else 0
                def handle(connection, event):
                    global left
                    store = connection.store
                    if isinstance(event, RequestReceived): store[event.stream_id] = [dict(event.headers)[':path'], 0]
                    elif isinstance(event, DataReceived):
                        # The rest of what was turned away.
                        if event.stream_id not in store: return
                        store[event.stream_id][1] += len(event.data)
                        connection.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                        with lock:
                            if left == 0 or store[event.stream_id][1] < \(after): return
                            left -= 1
                        print('turned away', flush=True)
                        if how == 'refuses':
                            del store[event.stream_id]
                            connection.h2.reset_stream(event.stream_id, h2.errors.ErrorCodes.REFUSED_STREAM)
                        else:
                            connection.h2.close_connection(last_stream_id=0)
                            connection.flush()
                            connection.s.shutdown(socket.SHUT_WR)
                            store.clear()
                    elif isinstance(event, StreamEnded) and event.stream_id in store:
                        path, count = store.pop(event.stream_id)
                        print('executed', path, count, flush=True)
                        connection.answer(event.stream_id)
                """)
        }

        private static func run(_ daemon: Daemon, _ web: SocketAddress, _ program: String) throws {
            let text = HTTP2Client.prelude + program + "\nprint('done')"
            let result = try daemon.run(
                ["/usr/bin/python3", "-c", text.replacingOccurrences(of: "WEB", with: "'\(web)'")], within: .seconds(60)
            )
            #expect(result.output == "done\n", "\(result)")
        }

        private static func executed(_ servers: [PythonProgram]) -> [String] {
            servers.flatMap { $0.lines.filter { $0.hasPrefix("executed") } }.map(String.init).sorted()
        }

        private static let retry = ", retry: {attempts: 5, when: [refusedStream], backoff: {base: 1ms}, budget: 100%}"

        @Test(arguments: ["refuses", "leaves"], ["http1", "http2"])
        func aBodyThatIsAtHandGoesElsewhere(how: String, client: String) async throws {
            let servers = [try await Self.server(how, after: 60_000), try await Self.server()]
            let (daemon, web) = try await Daemon.http(
                to: servers, route: Self.retry, cluster: ", protocol: http2", more: "limits: {retryBodyBytes: 256KiB}")
            try Self.run(
                daemon, web,
                client == "http2"
                    ? """
                    client = Client(WEB)
                    for index in range(12):
                        stream = client.get(f'/{index}', method='POST', body=b'z' * 100_000)
                        assert stream.headers.get(':status') == '200' and stream.data == b'ok', (stream.headers, stream.reset)
                    """
                    : """
                    import http.client
                    connection = http.client.HTTPConnection(WEB, timeout=20)
                    for index in range(12):
                        connection.request('POST', f'/{index}', body=b'z' * 100_000)
                        answer = connection.getresponse()
                        assert answer.status == 200 and answer.read() == b'ok', answer.status
                    """)
            #expect(Self.executed(servers) == (0..<12).map { "executed /\($0) 100000" }.sorted())
            #expect(servers[0].lines.filter { $0 == "turned away" }.count == 5, "\(servers[0].lines)")
            let lines = await daemon.requestLines(12)
            #expect(lines.count == 12 && lines.allSatisfy { $0.status == 200 }, "\(daemon.accessLog)")
            #expect(lines.map { $0.attempts ?? 0 }.reduce(0, +) == 17, "\(lines.map(\.attempts))")
            #expect(try await daemon.isAtRest())
        }

        /// Two megabytes of ten are gone when it is turned away: nobody has them any more.
        @Test(arguments: ["refuses", "leaves"], ["http1", "http2"])
        func aBodyThatIsGoneIsNotSentAgain(how: String, client: String) async throws {
            let servers = [try await Self.server(how, after: 2 << 20)]
            let (daemon, web) = try await Daemon.http(to: servers, route: Self.retry, cluster: ", protocol: http2")
            try Self.run(
                daemon, web,
                client == "http2"
                    ? """
                    client = Client(WEB)
                    for index in range(5):
                        stream = client.get(f'/{index}', method='POST', body=b'z' * 10_000_000)
                        assert stream.headers.get(':status') == '503', (stream.headers, stream.reset)
                        assert stream.ended and stream.reset in (None, 0), stream.reset
                        # The connection goes on.
                        assert client.get(f'/small/{index}', method='POST', body=b'z').headers[':status'] == '200'
                    """
                    : """
                    for index in range(5):
                        s = socket.create_connection(WEB.rsplit(':', 1), timeout=20)
                        s.sendall(f'POST /{index} HTTP/1.1\\r\\nHost: test\\r\\nContent-Length: 10000000\\r\\n\\r\\n'.encode())
                        data = b''
                        s.settimeout(0.001)
                        sent = 0
                        while b'\\r\\n\\r\\n' not in data:
                            # It may be answered before it has sent all.
                            try: sent += s.send(b'z' * min(65536, 10_000_000 - sent)) if sent < 10_000_000 else 0
                            except TimeoutError: pass
                            try:
                                more = s.recv(65536)
                                assert more, 'the end before an answer'
                                data += more
                            except TimeoutError: pass
                        assert data.startswith(b'HTTP/1.1 503 '), data[:100]
                        s.close()
                    client = Client(WEB)
                    for index in range(5): assert client.get(f'/small/{index}', method='POST', body=b'z').headers[':status'] == '200'
                    """)
            #expect(Self.executed(servers) == (0..<5).map { "executed /small/\($0) 1" }.sorted())
            let lines = await daemon.requestLines(10).filter { $0.path?.hasPrefix("/small") == false }
            #expect(
                lines.count == 5 && lines.allSatisfy { $0.status == 503 && $0.attempts == 1 }, "\(daemon.accessLog)")
            #expect(try await daemon.isAtRest())
        }
    }
}
