import Foundation
import Glibc
import Lab
import Model
import Synchronization

/// Clients that send requests on connections that they keep, while something happens to the proxies in between.
///
/// Each opens another connection when an answer says `connection: close`, and when the one it kept turns out to have
/// ended (with a FIN, and not a byte) before an answer: that request is sent again, as every client does. Everything
/// else that goes wrong is a failure.
final class SteadyRequests: Sendable {
    /// What one client did.
    struct Outcome: Sendable {
        var requests = 0
        var connections = 0
        var failures: [String] = []
    }

    private let jobs: [Background<Outcome>]
    private let isStopped = Flag()
    private let done: Counter

    private final class Counter: Sendable {
        let value = Atomic<Int>(0)
    }

    /// `path` of the request with a number; `pause` between two of a client, microseconds.
    init(
        clients: Int, from client: Node, to target: SocketAddress, pause: UInt32 = 1000,
        path: @escaping @Sendable (_ number: Int) -> String = { "/\($0)" }
    ) {
        let (stop, done) = (isStopped, Counter())
        self.done = done
        jobs = (0..<clients).map { _ in
            Background {
                var outcome = Outcome()
                var kept: HTTPClient?
                while !stop.isSet {
                    let number = outcome.requests
                    do {
                        kept = try Self.request(path(number), on: kept, client, target, &outcome)
                    } catch {
                        outcome.failures.append("request \(number): \(error)")
                        kept = nil
                    }
                    outcome.requests += 1
                    done.value.add(1, ordering: .relaxed)
                    usleep(pause)
                }
                return outcome
            }
        }
    }

    /// Returns the connection if it may be used again.
    private static func request(
        _ path: String, on kept: HTTPClient?, _ client: Node, _ target: SocketAddress, _ outcome: inout Outcome
    ) throws -> HTTPClient? {
        if let kept {
            do {
                return try keep(kept, after: kept.request("GET", path))
            } catch let error as LabError where error.description == "http: end of stream after 0 bytes" {}
        }
        outcome.connections += 1
        let fresh = try client.connectHTTP(to: target)
        return try keep(fresh, after: fresh.request("GET", path))
    }

    private static func keep(_ client: HTTPClient, after reply: HTTPReply) throws -> HTTPClient? {
        guard reply.status == 200 else { throw LabError("status \(reply.status): \(reply.body)") }
        return reply.field("connection") == "close" ? nil : client
    }

    /// Requests so far.
    var count: Int { done.value.load(ordering: .relaxed) }

    /// Waits until so many more have been answered.
    func more(_ requests: Int) throws {
        let goal = count + requests
        guard eventually(within: .seconds(20), { count >= goal }) else {
            throw LabError("load: \(count) requests, expected \(goal)")
        }
    }

    /// Stops; what came of it.
    func stop() throws -> Outcome {
        isStopped.set()
        return try jobs.reduce(into: Outcome()) { sum, job in
            let outcome = try job.value(within: .seconds(30))
            sum.requests += outcome.requests
            sum.connections += outcome.connections
            sum.failures += outcome.failures
        }
    }
}
