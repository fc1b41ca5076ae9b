import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess
import enum Lab.Programs

/// The built `apusd` as a child process with a configuration file of its own. Ended when released.
final class Daemon {
    let folder: URL
    let admin: SocketAddress
    private(set) var process: LabProcess?
    /// Every generation, the newest last.
    private var all: [LabProcess] = []
    /// Servers that live as long as it does.
    private var kept: [any Listening] = []

    /// A folder for it, and a port for its admin API.
    init() throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("apusd-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        admin = try freeAddress()
    }

    deinit {
        for process in all {
            process.signal(SIGKILL)
            _ = try? process.wait()
        }
        try? FileManager.default.removeItem(at: folder)
    }

    /// Keeps servers alive as long as itself.
    func keep(_ servers: [any Listening]) { kept += servers }

    var file: URL { folder.appendingPathComponent("apus.yaml") }

    /// A configuration with one listener `web` for these endpoints.
    func text(web: SocketAddress?, to endpoints: [SocketAddress], _ more: String = "") -> String {
        let list = endpoints.map { "      - {address: \"\($0)\"}" }.joined(separator: "\n")
        let listeners = web.map { "listeners:\n  - {name: web, address: \"\($0)\", protocol: tcp, cluster: servers}\n" }
        return """
            version: 1
            workers: 1
            admin: {address: 127.0.0.1, port: \(admin.port)}
            accessLog: {path: \(folder.path)/access.log, format: json}
            \(more)
            \(listeners ?? "")clusters:
              - name: servers
                endpoints:
            \(list.isEmpty ? "      []" : list)

            """
    }

    func write(_ text: String) throws { try Data(text.utf8).write(to: file, options: .atomic) }

    /// Starts it; `prefix` runs it, such as `prlimit --nofile=100`.
    @discardableResult
    func start(_ arguments: [String]? = nil, prefix: [String] = []) throws -> LabProcess {
        let command =
            ["env", "RUNTIME_DIRECTORY=\(folder.path)/run"] + prefix + [try Programs.path("apusd")]
            + (arguments ?? ["--config", file.path])
        let process = try LabProcess(command, directory: folder.path, label: "apusd-\(all.count + 1)")
        self.process = process
        all.append(process)
        return process
    }

    /// Starts it and waits until it serves.
    func startServing(prefix: [String] = []) async throws {
        let process = try start(prefix: prefix)
        let isReady = await eventually { !process.isRunning || (try? get("/ready"))?.status == 200 }
        try #require(isReady && process.isRunning, "\(process.errors)")
    }

    /// Starts the next generation beside it, and returns when that serves and the old process has exited with 0.
    func takeOver() async throws {
        let old = try #require(process)
        let new = try start(["--config", file.path, "--take-over"])
        try #require(try old.wait(atMost: .seconds(30)) == .status(0), "\(old.errors)\n\(new.errors)")
        let isReady = await eventually { !new.isRunning || new.errors.contains("taken over") }
        try #require(isReady && new.isRunning, "\(new.errors)")
    }

    /// What the admin API answers.
    func get(_ path: String) throws -> (status: Int, body: String) {
        let peer = try Peer(to: admin)
        try peer.send("GET \(path) HTTP/1.1\r\nHost: apus\r\nConnection: close\r\n\r\n")
        let text = String(decoding: try peer.receiveAll(), as: UTF8.self)
        let status = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
        return (status, text.components(separatedBy: "\r\n\r\n").dropFirst().joined(separator: "\r\n\r\n"))
    }

    /// The value of a metric without labels; nil when it is not there.
    func metric(_ name: String) throws -> Double? {
        let line = try get("/metrics").body.split(separator: "\n").first { $0.hasPrefix(name + " ") }
        return line.flatMap { Double($0.dropFirst(name.count + 1)) }
    }

    /// A metric, over all its labels.
    func sum(_ name: String) throws -> Double {
        try get("/metrics").body.split(separator: "\n").filter { $0.hasPrefix(name + "{") || $0.hasPrefix(name + " ") }
            .compactMap { $0.split(separator: " ").last.flatMap { Double($0) } }.reduce(0, +)
    }

    /// How its process ends, and what it said.
    func exit(within limit: Duration = .seconds(20)) throws -> (status: LabProcess.Exit, errors: String) {
        let process = try #require(process)
        return (try process.wait(atMost: limit), process.errors)
    }

    /// Lines of the access log.
    var accessLog: [String] {
        let text = try? String(contentsOf: folder.appendingPathComponent("access.log"), encoding: .utf8)
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    /// CPU time it has used, seconds.
    func cpuSeconds() throws -> Double {
        let process = try #require(process)
        let text = try String(contentsOfFile: "/proc/\(process.pid)/stat", encoding: .utf8)
        // Behind the name, which may hold anything.
        let fields = text[(text.lastIndex(of: ")") ?? text.startIndex)...].split(separator: " ")
        let ticks = fields[12...13].compactMap { Double($0) }.reduce(0, +)
        return ticks / Double(sysconf(Int32(_SC_CLK_TCK)))
    }
}

/// A port of loopback that was free a moment ago.
func freeAddress() throws -> SocketAddress { try Acceptor(isListening: false).address }
