import Glibc
import Loopback
import Model
import Synchronization
import Testing

extension RunningDaemon {
    /// Limits of clusters, with two workers: exact, counted, and given back.
    @Suite(.timeLimit(.minutes(1))) struct HTTPBreakerTests {
        /// A server that answers once it is let, and how many requests were in it at once.
        private final class Gate: Sendable {
            let isOpen = Atomic<Bool>(false)
            let inside = Atomic<Int>(0)
            let asked = Atomic<Int>(0)

            /// The gate is for the first so many requests; others are let once `isOpenForOthers`.
            let isOpenForOthers = Atomic<Bool>(false)

            func server(status: Int = 200, first: Int = .max) throws -> HTTPServer {
                try HTTPServer { [self] _, _, connection in
                    inside.add(1, ordering: .relaxed)
                    let isFirst = asked.add(1, ordering: .relaxed).newValue <= first
                    // Nothing but time: another thread opens it.
                    while !isOpen(isFirst) { usleep(1000) }
                    inside.subtract(1, ordering: .relaxed)
                    try connection.answer(status: status)
                    return true
                }
            }

            private func isOpen(_ isFirst: Bool) -> Bool {
                isFirst ? isOpen.load(ordering: .relaxed) : isOpenForOthers.load(ordering: .relaxed)
            }
        }

        /// Asks from so many connections at once; how often each status came once `meanwhile` was over.
        private func ask(_ count: Int, _ web: SocketAddress, _ meanwhile: () async throws -> Void) async throws -> [Int:
            Int]
        {
            let clients = try (0..<count).map { _ in try HTTPConnection(to: web) }
            for client in clients { try client.send("GET", "/") }
            try await meanwhile()
            return try clients.reduce(into: [:]) { $0[try $1.required().status ?? 0, default: 0] += 1 }
        }

        private func overflows(_ daemon: Daemon, _ limit: String) -> Int {
            let metrics = (try? daemon.get("/metrics").body) ?? ""
            let lines = metrics.split(separator: "\n").filter {
                $0.hasPrefix("apus_cluster_request_overflows_total") && $0.contains("\"servers\"")
                    && $0.contains("\"\(limit)\"")
            }
            return lines.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
        }

        @Test func requests() async throws {
            let gate = Gate()
            let server = try gate.server()
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", circuitBreaker: {requests: 3}", workers: 2)
            for round in 1...2 {
                let seen = try await ask(12, web) {
                    #expect(await eventually { overflows(daemon, "requests") == 9 * round })
                    #expect(gate.inside.load(ordering: .relaxed) == 3)
                    gate.isOpen.store(true, ordering: .relaxed)
                }
                #expect(seen == [200: 3, 503: 9])
                gate.isOpen.store(false, ordering: .relaxed)
            }
            #expect(await daemon.requestLines(24).count { $0.responseFlags == "UO" } == 18)
            #expect(try await daemon.isAtRest())
        }

        @Test func connectionsAreWaitedFor() async throws {
            let gate = Gate()
            let server = try gate.server()
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", circuitBreaker: {connections: 2}, connectTimeout: 20s", workers: 2)
            let seen = try await ask(10, web) {
                #expect(await eventually { gate.inside.load(ordering: .relaxed) == 2 })
                gate.isOpen.store(true, ordering: .relaxed)
            }
            #expect(seen == [200: 10])
            // Never more than two at once; some were given up for the other worker.
            #expect(try daemon.sum("apus_cluster_connections_active") <= 2)
            #expect(try await daemon.isAtRest())
        }

        @Test func theOneConnectionGoesFromWorkerToWorker() async throws {
            let server = try HTTPServer.saying("x")
            let (daemon, web) = try await Daemon.http(
                to: [server], cluster: ", circuitBreaker: {connections: 1}, connectTimeout: 5s", workers: 2)
            // Each client asks as soon as it is answered: who has the connection would have it for ever.
            try await concurrently(8) { _ in
                let client = try HTTPConnection(to: web)
                for _ in 0..<40 {
                    try client.send("GET", "/")
                    #expect(try client.required().status == 200)
                }
            }
            #expect(try await daemon.isAtRest())
        }

        @Test func pendingRequests() async throws {
            // A queue that is full: connects are neither accepted nor refused.
            let acceptor = try Acceptor(backlog: 0)
            let filler = try Peer(to: acceptor.address)
            let (daemon, web) = try await Daemon.http(
                to: [acceptor], cluster: ", circuitBreaker: {pendingRequests: 3}, connectTimeout: 700ms",
                workers: 2)
            let seen = try await ask(10, web) {
                #expect(await eventually { overflows(daemon, "pendingRequests") == 7 })
            }
            #expect(seen == [503: 10])
            let lines = await daemon.requestLines(10)
            #expect(lines.count { $0.reasons == "pending_overflow" } == 7, "\(lines)")
            #expect(try await daemon.isAtRest())
            withExtendedLifetime((acceptor, filler)) {}
        }

        @Test func retries() async throws {
            let gate = Gate()
            let server = try gate.server(status: 503, first: 10)
            let (daemon, web) = try await Daemon.http(
                to: [server],
                route: ", retry: {attempts: 1, when: [5xx], budget: 100%, backoff: {base: 1ms}}",
                cluster: ", circuitBreaker: {retries: 2}", workers: 2)
            let seen = try await ask(10, web) {
                #expect(await eventually { gate.inside.load(ordering: .relaxed) == 10 })
                gate.isOpen.store(true, ordering: .relaxed)
                #expect(await eventually { overflows(daemon, "retries") == 8 })
                gate.isOpenForOthers.store(true, ordering: .relaxed)
            }
            #expect(seen == [503: 10])
            #expect(server.requests.count == 12)
            #expect(await daemon.requestLines(10).count { $0.attempts == 2 } == 2)
            #expect(try await daemon.isAtRest())
        }
    }
}
