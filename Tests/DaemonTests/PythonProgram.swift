import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

/// A server in Python that says its port first. Ended when released.
final class PythonProgram: Listening {
    let address: SocketAddress
    let process: LabProcess
    /// For files that it shares with its test; it has the path as `folder`.
    let folder: URL

    init(_ text: String, arguments: [String] = []) async throws {
        folder = FileManager.default.temporaryDirectory.appending(path: "python-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let process = try LabProcess(
            ["/usr/bin/python3", "-c", "folder = '\(folder.path)'\n" + text] + arguments, directory: folder.path,
            label: "python")
        self.process = process
        _ = await eventually { process.output.contains("\n") || !process.isRunning }
        let line = process.output.split(separator: "\n").first.map(String.init) ?? ""
        address = SocketAddress(.loopbackV4, try #require(UInt16(line), "\(process.errors)"))
    }

    deinit {
        process.signal(SIGKILL)
        _ = try? process.wait()
        try? FileManager.default.removeItem(at: folder)
    }

    /// What it has said behind its port.
    var lines: [Substring] { Array(process.output.split(separator: "\n").dropFirst()) }

    /// Echoes what it hears by WebSocket.
    static func webSocketEcho() async throws -> PythonProgram {
        try await PythonProgram(
            """
            import asyncio, os, websockets
            async def echo(socket, path=None):
                async for message in socket: await socket.send(message)
            async def main():
                async with websockets.serve(echo, '127.0.0.1', 0, max_size=4 << 20) as server:
                    print(server.sockets[0].getsockname()[1], flush=True)
                    await asyncio.Future()
            asyncio.run(main())
            """)
    }

    /// Speaks HTTP/2 with Python's library: `handle(connection, event)` is called for each event of it, and may use
    /// `connection.h2`, `connection.flush()` (from other threads, with `lock`), `connection.store` (a dict for its own use) and `connection.number` (its place among all).
    static func http2(_ handler: String) async throws -> PythonProgram {
        try await PythonProgram(
            """
            import socket, sys, threading, h2.config, h2.connection, h2.errors, h2.events, h2.settings
            from h2.events import *
            lock = threading.RLock()
            total, validates = 0, True
            class Connection:
                def __init__(self, s, number):
                    self.s, self.number, self.store = s, number, {}
                    config = h2.config.H2Configuration(client_side=False, header_encoding='utf-8', validate_inbound_headers=validates)
                    self.h2 = h2.connection.H2Connection(config)
                    started(self)
                def run(self):
                    try:
                        while True:
                            self.flush()
                            data = self.s.recv(65536)
                            if not data: break
                            with lock: events = self.h2.receive_data(data)
                            for event in events: handle(self, event)
                    except (OSError, h2.exceptions.ProtocolError) as error: print('ended', error, flush=True)
                    self.s.close()
                    closed(self)
                def flush(self):
                    with lock: self.s.sendall(self.h2.data_to_send())
                def answer(self, stream, body=b'ok', headers=(), status='200'):
                    self.h2.send_headers(stream, [(':status', status), *headers])
                    self.h2.send_data(stream, body, end_stream=True)
            def started(connection): connection.h2.initiate_connection()
            def closed(connection): pass
            \(handler)
            listener = socket.create_server(('127.0.0.1', 0), backlog=128)
            print(listener.getsockname()[1], flush=True)
            while True:
                s, _ = listener.accept()
                total += 1
                threading.Thread(target=Connection(s, total).run, daemon=True).start()
            """)
    }
}

/// A client of HTTP/2 in Python.
enum HTTP2Client {
    /// `Client` with `request`, `send`, `wait`; a stream is an object with what was received.
    static let prelude = """
        import socket, sys, time, h2.config, h2.connection, h2.errors, h2.events, h2.settings
        from h2.events import *
        class Stream:
            def __init__(self): self.headers, self.data, self.trailers, self.interim = {}, b'', {}, []; self.ended = False; self.reset = None
        class Client:
            def __init__(self, address, releases=True):
                host, port = address.rsplit(':', 1)
                self.s = socket.create_connection((host, int(port)), timeout=10)
                config = h2.config.H2Configuration(client_side=True, header_encoding='utf-8')
                self.h2 = h2.connection.H2Connection(config)
                self.h2.initiate_connection()
                self.streams, self.goaway, self.closed, self.releases = {}, None, False, releases
                self.flush()
            def flush(self): self.s.sendall(self.h2.data_to_send())
            def request(self, path, method='GET', headers=(), body=None, end=True):
                id = self.h2.get_next_available_stream_id()
                head = [(':method', method), (':scheme', 'http'), (':authority', 'test'), (':path', path), *headers]
                self.streams[id] = Stream()
                self.h2.send_headers(id, head, end_stream=end and body is None)
                self.flush()
                if body is not None: self.send(id, body, end)
                return id
            def send(self, id, body, end=True):
                while body:
                    size = min(self.h2.local_flow_control_window(id), self.h2.max_outbound_frame_size, len(body))
                    if size == 0:
                        self.pump()
                        if self.streams[id].reset is not None or self.closed: return
                        continue
                    self.h2.send_data(id, body[:size])
                    body = body[size:]
                    self.flush()
                if end: self.h2.end_stream(id)
                self.flush()
            def pump(self):
                data = self.s.recv(65536)
                if not data:
                    self.closed = True
                    return
                for event in self.h2.receive_data(data): self.take(event)
                self.flush()
            def take(self, event):
                stream = self.streams.get(getattr(event, 'stream_id', None))
                if isinstance(event, ResponseReceived): stream.headers = dict(event.headers)
                elif isinstance(event, InformationalResponseReceived): stream.interim.append(dict(event.headers))
                elif isinstance(event, TrailersReceived): stream.trailers = dict(event.headers)
                elif isinstance(event, DataReceived):
                    stream.data += event.data
                    if self.releases: self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded): stream.ended = True
                elif isinstance(event, StreamReset): stream.reset = event.error_code
                elif isinstance(event, ConnectionTerminated): self.goaway = event
            def wait(self, id):
                stream = self.streams[id]
                while not stream.ended and stream.reset is None and not self.closed: self.pump()
                return stream
            def get(self, path, **more): return self.wait(self.request(path, **more))

        """
}
