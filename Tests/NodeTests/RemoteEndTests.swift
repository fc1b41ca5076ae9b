import Foundation
import Glibc
import Lab
import Model
import Testing

/// A remote, or a buddy, that is stopped in order while the host it stands in for relies on it: its clients notice nothing.
extension NodeTests {
    @Suite struct RemoteEndTests {
        private static let ends = ["host": "node-a"]

        /// A's remotes by name; B serves its own pods as well.
        private static func plan(_ plan: inout RemoteMeshPlan, remotes: [HostName], policy: String) {
            let names = remotes.map { "{name: \(ProxyConfiguration.node($0)), address: \($0.v4)}" }
            let protects = ProxyConfiguration.protects([.a])
            plan.a.policy = policy
            plan.a.failover = ["remotes: [\(names.joined(separator: ", "))]", protects]
            plan.b.policy = "direct"
            plan.b.podHosts = [.a, .b]
            plan.b.failover = [protects]
            plan.c.podHosts = [.a]
            plan.c.failover = [protects]
            for keyPath in [\RemoteMeshPlan.b, \.c] { plan[keyPath: keyPath].drainTimeout = "20s" }
        }

        private func withDeadProxy(
            _ remotes: [HostName], policy: String, server: PodName, _ body: (RemoteMesh, GuardHost) throws -> Void
        ) throws {
            try withRemote({ Self.plan(&$0, remotes: remotes, policy: policy) }) { mesh in
                let server = try mesh.lab[server].echo()
                let guardian = GuardHost(mesh.a)
                do {
                    try mesh.b.start()
                    try mesh.a.start()
                    try guardian.start()
                    try settle(guardian, remotes.count)
                    try mesh.a.kill()
                    try withExtendedLifetime(server) { try body(mesh, guardian) }
                } catch {
                    throw LabError("\(error)\napus-guard:\n\(guardian.errors.suffix(4000))")
                }
            }
        }

        private func settle(_ guardian: GuardHost, _ count: Int) throws {
            let isSettled = eventually(within: .seconds(15)) { guardian.healthyRemotes == count }
            guard isSettled else { throw LabError("not \(count) healthy remotes") }
        }

        private func carried(_ proxy: ProxyHost) throws -> Double {
            try proxy.admin.metric("apus_protected_connections_total", Self.ends)
        }

        /// Which of the two has the connections from A1 to the target.
        private func carrier(_ mesh: RemoteMesh, _ target: SocketAddress) throws -> ProxyHost {
            let before = try carried(mesh.b)
            try mesh.lab[.a1].connect(to: target).exchange()
            return try carried(mesh.b) > before ? mesh.b : mesh.c
        }

        /// Ends `proxy` under load; how many attempts there were.
        private func end(
            _ proxy: ProxyHost, _ mesh: RemoteMesh, _ target: SocketAddress, until isLedElsewhere: () -> Bool
        ) throws -> Int {
            let held = try mesh.lab[.a1].connect(to: target)
            try held.exchange()
            let load = SteadyAttempts.connections(from: mesh.lab[.a1], to: target)
            usleep(200_000)
            let process = try proxy.process
            let told = ContinuousClock.now
            process.signal(SIGTERM)
            let isSaid = eventually {
                guard let ready = try? proxy.admin.request("/ready") else { return false }
                return ready.status == 503 && ready.body.contains("protected hosts are told")
            }
            #expect(isSaid, "it says that it leaves before it does")
            let isLed = eventually(isLedElsewhere)
            #expect(isLed)
            print("remote end: led elsewhere after \(Int((ContinuousClock.now - told) / .milliseconds(1))) ms")
            let isGated = eventually(within: .seconds(10)) {
                (try? proxy.admin.request("/ready"))?.body.contains("no new connections are accepted") == true
            }
            #expect(isGated && process.isRunning, "it waits for the live connection")
            usleep(1_500_000)
            try held.echo("still through \(proxy.host.name)")
            held.close()
            #expect(try process.wait(atMost: .seconds(15)) == .status(0))
            let attempts = try load.stop()
            let failures = attempts.failures.map { "\($0.began(after: told)) \($0.failure ?? "")" }
            #expect(failures.isEmpty, "\(failures)")
            return attempts.count
        }

        /// The one that carries the connections ends, the other goes on with new ones, and it is back: again and again.
        @Test func oneOfTwoEnds() throws {
            try withDeadProxy([.b, .c], policy: "remote, drop", server: .a2) { mesh, guardian in
                let target = SocketAddress(PodName.a2.v4, 8080)
                for _ in 0..<4 {
                    let proxy = try carrier(mesh, target)
                    let count = try end(proxy, mesh, target) { guardian.healthyRemotes == 1 }
                    #expect(count > 300)
                    try proxy.start()
                    try settle(guardian, 2)
                }
            }
        }

        @Test(arguments: [HostName.b, .c]) func theOnlyOneEnds(remote: HostName) throws {
            try withDeadProxy([remote], policy: "remote, direct", server: .b1) { mesh, guardian in
                let target = SocketAddress(PodName.b1.v4, 8080)
                let proxy = remote == .b ? mesh.b : mesh.c
                for _ in 0..<2 {
                    let count = try end(proxy, mesh, target) { guardian.path == "direct" }
                    #expect(count > 300)
                    try proxy.start()
                    try settle(guardian, 1)
                }
            }
        }
    }
}
