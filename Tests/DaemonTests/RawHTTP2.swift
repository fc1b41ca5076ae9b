import Foundation
import Model

/// Peers of HTTP/2 in Python that write each frame themselves, and so may break rules or be awkward: libraries keep one from
/// that. They build on `Tests/Conformance/http2.py`.
enum RawHTTP2 {
    private static let folder = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "../Conformance").standardized.path

    private static let imports = """
        import sys, threading
        sys.dont_write_bytecode = True
        sys.path.insert(0, '\(folder)')
        from http2 import *

        """

    /// `peer(*settings)`: a connection whose SETTINGS have been exchanged. `pump(peer, done)`: reads until `done()`.
    static func client(_ web: SocketAddress) -> String {
        imports + """
            def peer(*pairs):
                made = Peer('127.0.0.1', \(web.port))
                made.greet(*pairs)
                return made
            def pump(peer, done, seconds=10):
                end = time.monotonic() + seconds
                while not done():
                    if time.monotonic() > end: raise Failed(f'not within {seconds} s: {peer.seen[-20:]}')
                    try:
                        if peer.receive(0.1) is None: raise Failed(f'ended: {peer.seen[-20:]}')
                    except TimeoutError: pass
            def connect(protocol=None, authority='a:80'):
                pairs = [(':method', 'CONNECT'), (':authority', authority)]
                if protocol: pairs += [(':protocol', protocol), (':scheme', 'http'), (':path', '/')]
                return fields(*pairs)
            CALL = [('content-type', 'application/grpc'), ('te', 'trailers')]

            """
    }

    /// A server's beginning. `settings` are those it says first.
    static func server(_ handler: String, settings: String = "") -> String {
        imports + """
            class Connection:
                def __init__(self, s): self.s, self.lock, self.store = s, threading.Lock(), {}
                def send(self, data):
                    with self.lock: self.s.sendall(data)
                def answer(self, stream, body=b'ok'): self.send(headers(stream, b'\\x88', ENDHEADERS) + data(stream, body, END))
                def take(self, size):
                    data = b''
                    while len(data) < size:
                        more = self.s.recv(size - len(data))
                        if not more: raise OSError('ended')
                        data += more
                    return data
                def run(self):
                    try:
                        self.send(settings(\(settings)))
                        self.take(24)
                        while True:
                            head = self.take(9)
                            kind, flags, stream = head[3], head[4], int.from_bytes(head[5:9], 'big')
                            payload = self.take(int.from_bytes(head[:3], 'big'))
                            if kind == SETTINGS and not flags & ACK: self.send(frame(SETTINGS, ACK))
                            if kind == PING and not flags & ACK: self.send(frame(PING, ACK, 0, payload))
                            handle(self, kind, flags, stream, payload)
                    except OSError: pass
                    self.s.close()
            \(handler)
            listener = socket.create_server(('127.0.0.1', 0), backlog=128)
            print(listener.getsockname()[1], flush=True)
            while True:
                s, _ = listener.accept()
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=Connection(s).run, daemon=True).start()
            """
    }
}

extension PythonProgram {
    /// A server that writes each frame itself: `handle(connection, kind, flags, stream, payload)` is called for each one that
    /// comes, and may use `connection.send`, `connection.answer` and `connection.store`.
    static func rawHTTP2(_ handler: String, settings: String = "") async throws -> PythonProgram {
        try await PythonProgram(RawHTTP2.server(handler, settings: settings))
    }
}

extension Daemon {
    /// Runs a client of `RawHTTP2`. Its failed assertions are the error's text.
    func raw(_ web: SocketAddress, _ program: String, within limit: Duration = .seconds(30)) throws -> String {
        try run(["/usr/bin/python3", "-c", RawHTTP2.client(web) + program + "\nprint('done')"], within: limit).output
    }
}
