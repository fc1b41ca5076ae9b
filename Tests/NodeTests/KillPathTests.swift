import Foundation
import Glibc
import Lab
import Model
import Testing

/// Which way connections go while the local proxy dies and comes back, again and again: never past all tables.
extension NodeTests {
    @Suite struct KillPathTests {
        private static let target = SocketAddress(PodName.b1.v4, 8080)

        /// B has no proxy: the port that its server sees tells who has connected.
        @Test func noneGoesStraightToTheServer() throws {
            try withRemote({
                $0.b.policy = "direct"
                $0.b.failover = []
                $0.c.podHosts = [.a]
                $0.c.failover = [ProxyConfiguration.protects([.a])]
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let guardian = GuardHost(mesh.a)
                try mesh.a.start()
                try guardian.start()
                let isComplete = eventually(within: .seconds(15)) { guardian.isRemoteHealthy == true }
                #expect(isComplete, "\(guardian.errors)")
                let client = mesh.lab[.a1]
                let load = SteadyAttempts(clients: 3, pause: .zero) {
                    {
                        guard let socket = try? client.connect(to: Self.target) else { return }
                        defer { socket.close() }
                        guard let peer = try? socket.exchange().peer else { return }
                        let isProxied =
                            ProxyConfiguration.outboundPorts.contains(peer.port)
                            || RemoteModeTests.outboundPorts.contains(peer.port)
                        if !isProxied { throw LabError("straight to the server: \(peer)") }
                    }
                }
                for _ in 0..<6 {
                    usleep(300_000)
                    try mesh.a.kill()
                    usleep(700_000)
                    try mesh.a.start()
                }
                let attempts = try load.stop()
                print("kills under load: \(attempts.count) attempts, \(server.accepted) at the server")
                let strays = attempts.failures
                #expect(strays.isEmpty, "\(strays.count): \(strays.first?.failure ?? "")\n\(guardian.errors)")
                #expect(server.accepted > 300)
            }
        }
    }
}
