import Foundation
import Glibc
import Lab
import Model
import Testing

/// The way through a remote on kernels without nf_tables: nothing falls through by itself, the guard switches.
extension NodeTests {
    @Suite struct XtablesTunnelTests {
        private static let isStrict = ProcessInfo.processInfo.environment["APUS_STRICT_TIMES"] != nil
        /// From the signal to the first connection that is served without waiting.
        private static let switchMax = Duration.milliseconds(isStrict ? 1000 : 4000)
        private static let targets = [SocketAddress(PodName.b1.v4, 8080), SocketAddress(PodName.b1.v6, 8080)]

        @Test func newConnectionsGoThroughTheRemoteOnceTheGuardHasSwitched() throws {
            try withRemote({ $0.backend = .xtablesOnly }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let guardian = GuardHost(mesh.a)
                do {
                    for proxy in [mesh.b, mesh.a] { try proxy.start() }
                    try guardian.start()
                    for (signal, name) in [(SIGKILL, "SIGKILL"), (SIGSTOP, "SIGSTOP")] {
                        try Self.takeAway(mesh, guardian, signal, name)
                    }
                } catch {
                    throw LabError("\(error)\napus-guard:\n\(guardian.errors.suffix(4000))")
                }
                #expect(server.accepted > 300)
            }
        }

        private static func takeAway(
            _ mesh: RemoteMesh, _ guardian: GuardHost, _ signal: Int32, _ name: String
        ) throws {
            let client = mesh.lab[.a1]
            let isComplete = eventually(within: .seconds(15)) {
                guardian.workers == 2 && guardian.isRemoteHealthy == true && guardian.path == "local"
            }
            #expect(isComplete, "\(name): all is well before")
            let loads = targets.map { target in
                SteadyAttempts(clients: 3, pause: .milliseconds(5)) {
                    {
                        // Not as long as a lost SYN waits: the first that begins after the switch is asked for.
                        guard client.reaches(target, within: .milliseconds(300)) else { throw LabError("not served") }
                    }
                }
            }
            usleep(200_000)
            let before = try carried(mesh)
            let struck = ContinuousClock.now
            try mesh.a.process.signal(signal)
            let hasSwitched = eventually(within: .seconds(30)) { guardian.isTaken && guardian.path == "remote" }
            #expect(hasSwitched, "\(name)")
            for _ in 0..<50 { for target in targets { #expect(client.reaches(target), "\(name), \(target)") } }
            usleep(500_000)
            for (target, load) in zip(targets, loads) {
                let attempts = try load.stop()
                let first = attempts.first { $0.start >= struck && $0.failure == nil }?.began(after: struck)
                print("without nf_tables, \(name), \(target): served from \(first.map { "\($0)" } ?? "never") on")
                #expect((first ?? .seconds(60)) < switchMax, "\(name), \(target)")
            }
            #expect(try carried(mesh) > before + 50, "\(name): by the remote")
            // What it opened stays there when the local one is back.
            let held = try client.connect(to: targets[0])
            try held.exchange()
            if signal == SIGSTOP {
                try mesh.a.process.signal(SIGCONT)
            } else {
                try mesh.a.process.wait(atMost: .seconds(5))
                try mesh.a.start()
            }
            let isBack = try eventually(within: .seconds(40)) { try mesh.a.carries(from: client, to: targets[0]) }
            #expect(isBack, "\(name): local again: \(guardian.errors.suffix(3000))")
            try held.echo("still through the remote")
            held.close()
        }

        private static func carried(_ mesh: RemoteMesh) throws -> Double {
            try mesh.c.admin.metric("apus_protected_connections_total", ["host": "node-a"])
        }
    }
}
