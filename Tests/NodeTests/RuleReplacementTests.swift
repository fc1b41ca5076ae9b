import Foundation
import Lab
import Model
import Testing

/// Rules that are written anew under traffic.
extension NodeTests {
    @Suite struct RuleReplacementTests {
        /// Not one SYN meets half of the rules: it would go on as if there were no proxy.
        @Test func nobodyGetsPastATableThatIsReplaced() throws {
            try withMesh({ $0.isInstalled = false }) { mesh in
                try mesh.redirect("install", mesh.a).required()
                let server = try mesh.lab[.b1].echo()
                let client = mesh.lab[.a1], target = SocketAddress(PodName.b1.v4, 8080)
                let load = SteadyAttempts(clients: 3, pause: .zero) {
                    {
                        let socket = try client.connect(to: target)
                        defer { socket.close() }
                        let peer = try socket.exchange().peer
                        // B has no rules: what comes from a port of A's proxy has been carried by it.
                        guard ProxyConfiguration.outboundPorts.contains(peer.port) else {
                            throw LabError("past the proxy: \(peer)")
                        }
                    }
                }
                for round in 0..<20 {
                    try mesh.lab[.a].run([
                        "nft", "add", "rule", "inet", "apus", "decide", "tcp", "dport", "1", "return",
                    ])
                    .required()
                    let report = try mesh.redirect("install", mesh.a)
                    #expect(report.succeeded && report.output.contains("replace"), "round \(round): \(report)")
                }
                let attempts = try load.stop()
                #expect(
                    attempts.failures.isEmpty, "\(attempts.failures.count): \(attempts.failures.first?.failure ?? "")")
                #expect(attempts.count == server.accepted && attempts.count > 100)
            }
        }
    }
}
