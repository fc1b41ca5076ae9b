import Foundation
import Loopback
import Model
import Testing

import class Lab.LabProcess

/// A running `apusd` with an HTTP listener `web`, and the tools of the tests of it.
extension Daemon {
    /// A configuration with one listener `web` whose requests go by `rules` (default: one that sends all to the cluster
    /// `servers`). `route`, `cluster` and `listener` are further keys in flow style, each with a comma before it.
    func http(
        _ web: SocketAddress, to endpoints: [SocketAddress], route: String = "", cluster: String = "",
        listener: String = "", speaks: String = "http", rules: [String]? = nil, clusters: [String] = [],
        workers: Int = 1, more: String = ""
    ) -> String {
        let list = endpoints.map { "{address: \"\($0)\"}" }.joined(separator: ", ")
        let rules = (rules ?? ["{route: {cluster: servers\(route)}}"]).map { "          - \($0)\n" }.joined()
        let others = clusters.map { "  - \($0)\n" }.joined()
        return """
            version: 1
            workers: \(workers)
            admin: {address: 127.0.0.1, port: \(admin.port)}
            accessLog: {path: \(folder.path)/access.log, format: json}
            \(more)
            listeners:
              - {name: web, address: "\(web)", protocol: \(speaks), routes: all\(listener)}
            routes:
              - name: all
                virtualHosts:
                  - domains: ["*"]
                    rules:
            \(rules)
            clusters:
              - {name: servers, endpoints: [\(list)]\(cluster)}
            \(others)
            """
    }

    /// Starts it with such a configuration, and returns where `web` listens. It keeps the servers alive.
    static func http(
        to servers: [any Listening], route: String = "", cluster: String = "", listener: String = "",
        speaks: String = "http", rules: [String]? = nil, clusters: [String] = [], workers: Int = 1, more: String = ""
    ) async throws -> (daemon: Daemon, web: SocketAddress) {
        let (daemon, web) = (try Daemon(), try freeAddress())
        daemon.keep(servers)
        try daemon.write(
            daemon.http(
                web, to: servers.map(\.address), route: route, cluster: cluster, listener: listener, speaks: speaks,
                rules: rules, clusters: clusters, workers: workers, more: more))
        try await daemon.startServing()
        return (daemon, web)
    }

    /// Another configuration, and until it is in force.
    func reload(_ text: String) async throws {
        let before = try metric("apus_config_generation")
        try write(text)
        let isApplied = try await eventually { try metric("apus_config_generation") != before }
        let ready = try get("/ready").body
        try #require(isApplied, "\(ready)")
    }

    /// A line of the access log about a request.
    struct LogLine: Decodable {
        var method: String?
        var path: String?
        var status: Int?
        var grpcStatus: Int?
        var responseFlags: String?
        var reasons: String?
        var attempts: Int?
        var bytesSent: Int?
        var bytesReceived: Int?
        var route: String?
        var cluster: String?
        var requestId: String?
    }

    /// The lines about requests, once there are as many.
    func requestLines(_ count: Int) async -> [LogLine] {
        var lines: [LogLine] = []
        _ = await eventually(within: .seconds(5)) {
            lines = accessLog.compactMap { try? JSONDecoder().decode(LogLine.self, from: Data($0.utf8)) }
            lines.removeAll { $0.method == nil }
            return lines.count >= count
        }
        return lines
    }

    /// Whether nothing is under way any more: requests, connections in use, counts of breakers, bytes.
    func isAtRest() async throws -> Bool {
        let gauges = [
            "apus_requests_active", "apus_cluster_requests_active", "apus_cluster_requests_pending",
            "apus_cluster_retries_active", "apus_worker_buffered_bytes",
        ]
        return try await eventually {
            let lines = try get("/metrics").body.split(separator: "\n")
            return lines.allSatisfy { line in
                let isGauge =
                    gauges.contains { line.hasPrefix($0 + "{") || line.hasPrefix($0 + " ") }
                    || line.hasPrefix("apus_worker_upstream_connections") && line.contains("in_use")
                return !isGauge || line.hasSuffix(" 0")
            }
        }
    }

    /// Resident memory, KiB.
    func residentKiB() throws -> Int { try memoryKiB("VmRSS:") }

    /// The most it has been.
    func peakKiB() throws -> Int { try memoryKiB("VmHWM:") }

    private func memoryKiB(_ name: String) throws -> Int {
        let process = try #require(process)
        let text = try String(contentsOfFile: "/proc/\(process.pid)/status", encoding: .utf8)
        let line = try #require(text.split(separator: "\n").first { $0.hasPrefix(name) })
        return try #require(line.split(separator: " ").dropFirst().first.flatMap { Int($0) })
    }

    /// Runs a program to its end; what it wrote.
    func run(_ command: [String], within limit: Duration = .seconds(20)) throws -> (
        status: LabProcess.Exit, output: String
    ) {
        let process = try LabProcess(command, directory: folder.path, label: "run-\(UUID().uuidString)")
        let status: LabProcess.Exit
        do {
            status = try process.wait(atMost: limit)
        } catch {
            process.signal(SIGKILL)
            throw error
        }
        return (status, process.output + process.errors)
    }
}

/// Runs `body` on `count` threads at once, and returns when all are done.
func concurrently(_ count: Int, _ body: @escaping @Sendable (_ index: Int) throws -> Void) async throws {
    try await withThrowingTaskGroup(of: Void.self) { group in
        for index in 0..<count { group.addTask { try await blocking { try body(index) } } }
        try await group.waitForAll()
    }
}

/// Something that listens as long as it is not released.
protocol Listening: AnyObject {
    var address: SocketAddress { get }
}

extension Acceptor: Listening {}
extension HTTPServer: Listening {}
extension Nginx: Listening {}
extension PythonServer: Listening {}
extension Server: Listening {}
