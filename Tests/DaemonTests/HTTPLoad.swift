import Foundation
import Loopback
import Model
import Synchronization

/// Clients that ask one request after the other, each by a connection that it keeps as long as it may.
final class HTTPLoad: Sendable {
    /// What came of it.
    struct Report: Sendable {
        var statuses: [Int: Int] = [:]
        /// Connections that ended without an announcement, and whatever else a client would call an error.
        var failures: [String] = []
        /// Responses that announced the connection's end.
        var closes = 0
        /// Connections made.
        var connections = 0
    }

    private let report = Mutex(Report())
    private let isStopped = Atomic<Bool>(false)
    private let running: Atomic<Int>

    /// Starts `count` clients. `method` and `body` of the requests.
    init(_ count: Int, _ web: SocketAddress, method: String = "GET", body: [UInt8]? = nil) {
        running = Atomic(count)
        for _ in 0..<count {
            Thread.detachNewThread { [self] in
                runClient(web, method, body)
                running.subtract(1, ordering: .relaxed)
            }
        }
    }

    /// How many requests were answered so far.
    var answered: Int { report.withLock { $0.statuses.values.reduce(0, +) } }

    /// Ends it.
    func finish() async throws -> Report {
        isStopped.store(true, ordering: .relaxed)
        return try await untilRefused()
    }

    /// Waits until no client finds anybody to connect to.
    func untilRefused() async throws -> Report {
        let isOver = await eventually(within: .seconds(30)) { running.load(ordering: .relaxed) == 0 }
        return report.withLock {
            if !isOver { $0.failures.append("clients still run") }
            return $0
        }
    }

    private func runClient(_ web: SocketAddress, _ method: String, _ body: [UInt8]?) {
        while !isStopped.load(ordering: .relaxed) {
            guard let client = try? HTTPConnection(to: web) else { return }
            report.withLock { $0.connections += 1 }
            do {
                while !isStopped.load(ordering: .relaxed) {
                    try client.send(method, "/load", body: body)
                    let answer = try client.required()
                    let isLast = answer.field("connection") == "close"
                    report.withLock {
                        $0.statuses[answer.status ?? 0, default: 0] += 1
                        if isLast { $0.closes += 1 }
                    }
                    if isLast { break }
                }
            } catch {
                report.withLock { $0.failures.append("\(error)") }
            }
        }
    }
}
