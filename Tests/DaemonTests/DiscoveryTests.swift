import Foundation
import Loopback
import Model
import Testing

extension RunningDaemon {
    /// Endpoints that are the addresses of a name. The one name that every machine knows is `localhost`.
    @Suite(.timeLimit(.minutes(2))) struct DiscoveryTests {
        private func text(_ daemon: Daemon, web: SocketAddress, port: UInt16) -> String {
            """
            version: 1
            workers: 1
            admin: {address: 127.0.0.1, port: \(daemon.admin.port)}
            listeners: [{name: web, address: "\(web)", cluster: servers}]
            clusters: [{name: servers, discovery: {dns: "localhost:\(port)"}}]

            """
        }

        @Test func aNameIsServedFromTheFirstConnectionOnAndOverReloads() async throws {
            let daemon = try Daemon()
            let (a, b, web) = (try Server.greeter("a"), try Server.greeter("b"), try freeAddress())
            try daemon.write(text(daemon, web: web, port: a.address.port))
            try await daemon.startServing()
            // It may be ::1 as well, where nobody listens: the next endpoint is tried then.
            #expect(try Peer(to: web).receive(asLongAs: "a") == "a")
            try daemon.write(text(daemon, web: web, port: b.address.port))
            #expect(await eventually { (try? Peer(to: web).receive(asLongAs: "b")) == "b" })
            let metrics = try daemon.get("/metrics").body
            #expect(metrics.contains("apus_discovery_lookups_total{name=\"localhost\",result=\"found\"}"))
            #expect(metrics.contains("apus_discovery_age_seconds{name=\"localhost\"}"))
        }
    }
}
