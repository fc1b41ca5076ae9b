import Foundation
import Glibc
import Lab
import Model
import Testing

/// The promise: the local proxy dies, and new connections of its pods go through another host's within milliseconds,
/// without any process reacting; it comes back, and they are local again.
///
/// The times are those of a client under load on the machine that runs the tests; what was measured on a quiet one is in
/// docs/operations/failover.md.
extension NodeTests {
    @Suite struct FailoverTests {
        /// From the kill to the first success, and to the last failure.
        static let switchMax = Duration.milliseconds(15)
        /// How long what was established may take to end.
        static let endMax = Duration.milliseconds(50)
        private static let target = SocketAddress(PodName.b1.v4, 8080)
        private static let service = SocketAddress(IPAddress(v4: 0x0a60_0021), 80)

        @Test func aKilledProxyIsReplacedAtOnce() throws {
            try withRemote { mesh in
                let server = try mesh.lab[.b1].echo()
                try mesh.a.start()
                try mesh.b.start()
                for run in 1...10 { try Self.killAndReturn(mesh, run) }
                #expect(server.accepted > 10 * 300)
            }
        }

        /// One run: load, kill, three seconds, return.
        private static func killAndReturn(_ mesh: RemoteMesh, _ run: Int) throws {
            let load = SteadyAttempts.connections(from: mesh.lab[.a1], to: target)
            let held = try (0..<20).map { _ in try mesh.lab[.a1].connect(to: target) }
            for socket in held { try socket.exchange() }
            usleep(200_000)
            let killed = ContinuousClock.now
            try mesh.a.process.signal(SIGKILL)
            for socket in held { #expect(isEnded(socket), "run \(run): it ends rather than hangs") }
            let ended = ContinuousClock.now - killed
            try mesh.a.process.wait(atMost: .seconds(5))
            let tunnelled = try firstTunnelled(mesh)
            sleep(3)
            let returning = ContinuousClock.now
            try mesh.a.start()
            let local = try firstLocal(mesh, after: .now)
            usleep(300_000)
            try tunnelled.echo("still here")
            tunnelled.close()
            let attempts = try load.stop()
            report(run, attempts, killed: killed, ended: ended, local: local)
            let first = attempts.firstSuccess(after: killed) ?? .seconds(3)
            #expect(first <= switchMax, "run \(run): first success \(first) after the kill")
            #expect(ended <= endMax, "run \(run): established connections ended \(ended) after the kill")
            let late = attempts.failures.filter { $0.began(after: killed) > switchMax }
            #expect(late.count == 0, "run \(run): \(late.first?.failure ?? "") \(late.map { $0.began(after: killed) })")
            #expect(attempts.failures.allSatisfy { $0.start < returning }, "run \(run): the return costs nobody")
            #expect(local < .milliseconds(100), "run \(run): local \(local) after it was ready")
        }

        /// A connection through the remote. For a moment after the established ones have ended, the dead process's
        /// listeners still complete handshakes, and reset them.
        private static func firstTunnelled(_ mesh: RemoteMesh) throws -> LabSocket {
            let socket = eventually(within: .seconds(1)) { () -> LabSocket? in
                guard let socket = try? mesh.lab[.a1].connect(to: target), (try? socket.exchange()) != nil else {
                    return nil
                }
                return socket
            }
            return try #require(socket, "nobody answers")
        }

        /// How long until a new connection is the local proxy's again.
        private static func firstLocal(_ mesh: RemoteMesh, after ready: ContinuousClock.Instant) throws -> Duration {
            try mesh.lab[.a1].connect(to: target).exchange()
            let isLocal = try eventually(within: .seconds(2)) {
                try mesh.a.admin.metric("apus_connections_total") > 0
            }
            return isLocal ? .now - ready : .seconds(2)
        }

        /// For the record: `swift test` prints it.
        private static func report(
            _ run: Int, _ attempts: [SteadyAttempts.Attempt], killed: ContinuousClock.Instant, ended: Duration,
            local: Duration
        ) {
            let first = attempts.firstSuccess(after: killed).map { "\($0 / .microseconds(1)) us" } ?? "none"
            let failures = attempts.failures.map { Int($0.began(after: killed) / .microseconds(1)) }
            print(
                "failover run \(run): first success \(first), established ended \(Int(ended / .microseconds(1))) us, "
                    + "failed began at \(failures) us, local again \(Int(local / .microseconds(1))) us, "
                    + "\(attempts.count) attempts")
        }

        /// An end of the stream, or a reset; not a timeout.
        private static func isEnded(_ socket: LabSocket) -> Bool {
            do {
                return try socket.receive().isEmpty
            } catch {
                return error.isReset
            }
        }

        /// The planned end: the gate sends new connections to the remote, what is queued is served, what lives goes on.
        @Test func aProxyThatDrainsLosesNothing() throws {
            try withRemote({ $0.a.drainTimeout = "20s" }) { mesh in
                let server = try mesh.lab[.b1].echo()
                try mesh.b.start()
                for run in 1...10 {
                    try mesh.a.start()
                    let load = SteadyAttempts.connections(from: mesh.lab[.a1], to: Self.target)
                    let held = try mesh.lab[.a1].connect(to: Self.target)
                    try held.exchange()
                    usleep(100_000)
                    let process = try mesh.a.process
                    let ended = ContinuousClock.now
                    process.signal(SIGTERM)
                    usleep(300_000)
                    #expect(process.isRunning, "run \(run): it waits for the live connection")
                    try held.echo("still here")
                    held.close()
                    #expect(try process.wait(atMost: .seconds(10)) == .status(0), "run \(run)")
                    let attempts = try load.stop()
                    #expect(
                        attempts.failures.count == 0,
                        "run \(run): \(attempts.failures.map { "\($0.began(after: ended)) \($0.failure ?? "")" })")
                }
                #expect(try mesh.c.admin.metric("apus_protected_connections_total", ["host": "node-a"]) > 100)
                #expect(server.accepted > 300)
            }
        }

        // MARK: requests

        private static let routes = """
            {name: out, virtualHosts: [{domains: ["*"], rules: [{route: {cluster: web, \
            retry: {attempts: 3, when: [connectFailure, reset], backoff: {base: 5ms, max: 50ms}}}}]}]}
            """

        private static func route(_ configuration: inout ProxyConfiguration) {
            configuration.outbound[.a1] = ["{match: {ports: [80]}, protocol: http, routes: out}"]
            configuration.inbound[.b1] = ["{match: {ports: [8080]}, protocol: http}"]
            configuration.routes = [routes]
            configuration.clusters = ["{name: web, endpoints: [{address: \"\(target)\"}]}"]
        }

        private func withRequests(_ body: (RemoteMesh) throws -> Void) throws {
            try withRemote({
                Self.route(&$0.a)
                Self.route(&$0.b)
                Self.route(&$0.c)
            }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                try mesh.a.start()
                try mesh.b.start()
                try body(mesh)
                #expect(server.accepted > 0)
            }
        }

        /// The client's own proxy sends again what the server's host has lost.
        @Test func requestsSurviveTheServersProxy() throws {
            try withRequests { mesh in
                for run in 1...10 {
                    let load = SteadyAttempts.requests(from: mesh.lab[.a1], to: Self.service)
                    usleep(150_000)
                    try mesh.b.kill()
                    usleep(300_000)
                    try mesh.b.start()
                    usleep(100_000)
                    let attempts = try load.stop()
                    #expect(attempts.count > 100)
                    #expect(attempts.failures.count == 0, "run \(run): \(attempts.failures.first?.failure ?? "")")
                }
            }
        }

        /// The connections of the client's own proxy die with it: once each.
        @Test func requestsFailOnceWithTheClientsProxy() throws {
            try withRequests { mesh in
                for run in 1...10 {
                    let load = SteadyAttempts.requests(from: mesh.lab[.a1], to: Self.service)
                    usleep(150_000)
                    let killed = ContinuousClock.now
                    try mesh.a.kill()
                    usleep(300_000)
                    try mesh.a.start()
                    usleep(100_000)
                    let attempts = try load.stop()
                    let failures = attempts.failures
                    #expect(
                        failures.count <= 3,
                        "run \(run): \(failures.map { "\($0.began(after: killed)) \($0.failure ?? "")" })")
                    #expect(failures.allSatisfy { $0.ended(after: killed) <= Self.endMax }, "run \(run)")
                    #expect(failures.allSatisfy { $0.began(after: killed) <= Self.switchMax }, "run \(run)")
                }
            }
        }

        /// The server's host after many short connections: what its dead proxy left behind swallows none.
        @Test func leftoversOfTheServersProxySwallowNothing() throws {
            try withRemote { mesh in
                let server = try mesh.lab[.b1].echo()
                try mesh.a.start()
                try mesh.b.start()
                for _ in 0..<2000 { try mesh.lab[.a1].connect(to: Self.target).exchange() }
                try mesh.b.kill()
                for n in 0..<300 {
                    do { try mesh.lab[.a1].connect(to: Self.target).exchange() } catch {
                        print("DBG", n, error)
                        for h in [HostName.a, .b, .c] {
                            print(
                                h,
                                try mesh.lab[h].run([
                                    "sh", "-c",
                                    "ss -tanp | grep -v LISTEN | grep -v TIME-WAIT | head -20; ss -tan | grep -c TIME-WAIT; nft list table inet apus | grep -A2 counter | grep packets; nstat -az | grep -E 'EarlyDemux|ListenDrop|TCPTimeout|Martian|PassiveOpens|InNoRoutes'",
                                ]).output)
                        }
                        break
                    }
                }
                #expect(server.accepted == 2300)
                #expect(try mesh.c.admin.metric("apus_protected_connections_total", ["host": "node-b"]) == 300)
            }
        }
    }
}
