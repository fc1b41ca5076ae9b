import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

/// A real nginx in a folder of its own, one process. Ended when released.
final class Nginx {
    let address: SocketAddress
    private let folder: URL
    private let process: LabProcess

    /// `counting`: a second server behind the first, which passes on whole requests only, keeps the count. `name` is what
    /// it answers. `speaks` may be `http2`; `requestsMax` is for each connection. `failing` percent of the requests for `/`,
    /// at random, are answered with 503.
    init(
        in parent: URL, at given: SocketAddress? = nil, counting: Bool = false, name: String = "nginx",
        speaks: String = "", requestsMax: Int = 1_000_000, failing percent: Int = 0
    ) throws {
        address = try given ?? freeAddress()
        folder = parent.appendingPathComponent("nginx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try Data((0..<(2 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 13 >> 5) }).write(
            to: folder.appendingPathComponent("large"))
        let back = try freeAddress()
        let configuration = folder.appendingPathComponent("nginx.conf")
        let text = Self.text(address, counting ? back : nil, folder.path, name, speaks, requestsMax, percent)
        try Data(text.utf8).write(to: configuration)
        process = try LabProcess(
            ["nginx", "-p", folder.path, "-e", "\(folder.path)/error.log", "-c", configuration.path],
            directory: folder.path, label: "nginx")
        let deadline = ContinuousClock.now + .seconds(10)
        while (try? Peer(to: address)) == nil {
            try #require(process.isRunning && ContinuousClock.now < deadline, "nginx: \(process.errors)")
            usleep(2000)
        }
    }

    deinit { end(SIGKILL) }

    private static func text(
        _ front: SocketAddress, _ back: SocketAddress?, _ folder: String, _ name: String, _ speaks: String,
        _ requestsMax: Int, _ failing: Int
    ) -> String {
        let location =
            back.map { "proxy_pass http://\($0); proxy_request_buffering on;" }
            ?? "if ($failing) { return 503; } return 200 '\(name)';"
        let counter = back.map {
            "server { listen \($0); access_log \(folder)/counted; location / { return 200 'ok'; } }"
        }
        let failures = failing > 0 ? "\(failing)% 1;" : ""
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map { "\($0)_temp_path \(folder)/\($0);" }
        return """
            daemon off; master_process off; pid \(folder)/pid;
            events { worker_connections 512; }
            http {
                \(temporary.joined(separator: " "))
                split_clients $request_id $failing { \(failures) * 0; }
                access_log off; keepalive_requests \(requestsMax); client_max_body_size 16m; lingering_close always;
                server {
                    listen \(front) \(speaks);
                    root \(folder);
                    location / { \(location) }
                    location = /large { }
                    location = /refused { client_max_body_size 1k; proxy_pass http://127.0.0.1:1; }
                    location = /empty { return 204; }
                    location = /close { keepalive_timeout 0; return 200 'bye'; }
                }
                \(counter ?? "")
            }
            """
    }

    /// Whole requests that came through.
    var counted: Int {
        let data = try? Data(contentsOf: folder.appendingPathComponent("counted"))
        return data.map { $0.count { $0 == 10 } } ?? 0
    }

    /// What `/large` is.
    var large: Data { (try? Data(contentsOf: folder.appendingPathComponent("large"))) ?? Data() }

    /// Ends it: SIGQUIT after the requests under way.
    func end(_ signal: Int32) {
        process.signal(signal)
        _ = try? process.wait()
    }
}

/// Python's `http.server`, which answers any method with what was sent. Ended when released.
final class PythonServer {
    let address: SocketAddress
    private let count: URL
    private let process: LabProcess

    init(in folder: URL) async throws {
        count = folder.appendingPathComponent("counted-\(UUID().uuidString)")
        process = try LabProcess(
            ["/usr/bin/python3", "-c", Self.program, count.path], directory: folder.path, label: "python")
        let process = process
        _ = await eventually { process.output.hasSuffix("\n") || !process.isRunning }
        address = SocketAddress(
            .loopbackV4, try #require(UInt16(process.output.dropLast()), "\(process.errors)"))
    }

    deinit {
        process.signal(SIGKILL)
        _ = try? process.wait()
    }

    /// Whole requests that came through.
    var counted: Int { (try? Data(contentsOf: count)).map { $0.count } ?? 0 }

    private static let program = #"""
        import http.server, sys
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = 'HTTP/1.1'
            def __getattr__(self, name):
                if name.startswith('do_'): return self.answer
                raise AttributeError(name)
            def body(self):
                if 'chunked' not in self.headers.get('transfer-encoding', ''):
                    length = int(self.headers.get('content-length', 0))
                    data = self.rfile.read(length)
                    return data if len(data) == length else None
                data = b''
                while True:
                    line = self.rfile.readline()
                    if not line: return None
                    size = int(line.split(b';')[0], 16)
                    if size == 0: break
                    piece = self.rfile.read(size + 2)
                    if len(piece) < size + 2: return None
                    data += piece[:-2]
                while True:
                    line = self.rfile.readline()
                    if not line: return None
                    if line == b'\r\n': return data
            def answer(self):
                data = self.body()
                if data is None:
                    self.close_connection = True
                    return
                with open(sys.argv[1], 'ab') as count: count.write(b'.')
                self.send_response(200)
                self.send_header('content-length', str(len(data)))
                self.end_headers()
                if self.command != 'HEAD': self.wfile.write(data)
            def log_message(self, *arguments): pass
        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 512
        server = Server(('127.0.0.1', 0), Handler)
        print(server.server_port, flush=True)
        server.serve_forever()
        """#
}
