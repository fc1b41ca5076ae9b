import Glibc
import Lab
import Model

/// Clients that do one thing over and over at a steady pace, and when each attempt began and how it ended: what pods see
/// while something happens to a proxy.
final class SteadyAttempts: Sendable {
    /// One attempt.
    struct Attempt: Sendable {
        var start: ContinuousClock.Instant
        var end: ContinuousClock.Instant
        /// nil: it succeeded.
        var failure: String?

        /// How long after `moment` it began, or ended.
        func began(after moment: ContinuousClock.Instant) -> Duration { start - moment }
        func ended(after moment: ContinuousClock.Instant) -> Duration { end - moment }
    }

    private let jobs: [Background<[Attempt]>]
    private let isStopped = Flag()

    /// `clients` threads; each has an action of its own from `make`, which may keep a connection between two calls.
    init(clients: Int, pause: Duration, _ make: @escaping @Sendable () -> (() throws -> Void)) {
        let stop = isStopped
        let microseconds = UInt32(pause / .microseconds(1))
        jobs = (0..<clients).map { _ in
            Background {
                var attempts: [Attempt] = []
                let action = make()
                while !stop.isSet {
                    let start = ContinuousClock.now
                    var failure: String?
                    do { try action() } catch { failure = "\(error)" }
                    attempts.append(Attempt(start: start, end: .now, failure: failure))
                    usleep(microseconds)
                }
                return attempts
            }
        }
    }

    /// A connection, an exchange, the end: every 5 ms on each of three threads.
    static func connections(from client: Node, to target: SocketAddress, clients: Int = 3) -> SteadyAttempts {
        SteadyAttempts(clients: clients, pause: .milliseconds(5)) {
            {
                let socket = try client.connect(to: target)
                try socket.exchange()
                socket.close()
            }
        }
    }

    /// GETs on a connection that each client keeps for as long as it lives.
    static func requests(from client: Node, to target: SocketAddress, clients: Int = 3) -> SteadyAttempts {
        SteadyAttempts(clients: clients, pause: .milliseconds(2)) {
            var kept: HTTPClient?
            return {
                let connection = try kept ?? client.connectHTTP(to: target)
                kept = nil
                let reply = try connection.request("GET", "/")
                guard reply.status == 200 else { throw LabError("status \(reply.status): \(reply.body)") }
                if reply.field("connection") != "close" { kept = connection }
            }
        }
    }

    /// Stops; all attempts by the time they began.
    func stop() throws -> [Attempt] {
        isStopped.set()
        return try jobs.flatMap { try $0.value(within: .seconds(30)) }.sorted { $0.start < $1.start }
    }
}

extension [SteadyAttempts.Attempt] {
    /// Those that failed.
    var failures: [SteadyAttempts.Attempt] { filter { $0.failure != nil } }

    /// The time from `moment` to the end of the first success that began later.
    func firstSuccess(after moment: ContinuousClock.Instant) -> Duration? {
        filter { $0.start >= moment && $0.failure == nil }.map { $0.ended(after: moment) }.min()
    }
}
