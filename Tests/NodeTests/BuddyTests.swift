import Foundation
import Lab
import Model
import Testing

/// Two hosts that stand in for each other, and serve their own pods meanwhile.
extension NodeTests {
    @Suite struct BuddyTests {
        /// A1 does not want to be asked on port 9001.
        private func withDenial(_ body: (Mesh) throws -> Void) throws {
            try withBuddies(
                {
                    for keyPath in [\MeshPlan.a, \.b] {
                        $0[keyPath: keyPath].inbound[.a1] = ["{match: {ports: [9001]}, deny: true}"]
                    }
                }, body)
        }

        /// Each pod meets its own tables once, whoever asks them, and the proxy that is left has two ranges of ports.
        @Test func eitherOneServesBoth() throws {
            try withDenial { mesh in
                let servers = try mesh.lab.topology.pods.map { try mesh.lab[$0].echo() }
                for (from, to) in TrafficTests.pairs {
                    for isV4 in [true, false] { _ = try mesh.lab[from].connect(to: address(to, isV4)).exchange() }
                }
                #expect(try mesh.b.admin.metric("apus_protected_connections_total", ["host": "node-a"]) == 0)
                try mesh.a.kill()
                for (from, to) in TrafficTests.pairs {
                    for isV4 in [true, false] { try check(from, to, isV4, mesh) }
                }
                #expect(servers.map(\.accepted).reduce(0, +) == 4 * TrafficTests.pairs.count)
                // A server that is one of B's own has been asked by B as its own; one of A's by B for A.
                try mesh.a.start()
                try mesh.b.kill()
                for (from, to) in TrafficTests.pairs {
                    for isV4 in [true, false] {
                        let client = isV4 ? from.v4 : from.v6
                        let greeting = try mesh.lab[from].connect(to: address(to, isV4)).exchange()
                        #expect(greeting.peer.address == client && greeting.app == "\(to)", "\(from) to \(to)")
                    }
                }
            }
        }

        private func address(_ pod: PodName, _ isV4: Bool) -> SocketAddress {
            SocketAddress(isV4 ? pod.v4 : pod.v6, 8080)
        }

        /// A's proxy is away, B serves.
        private func check(_ from: PodName, _ to: PodName, _ isV4: Bool, _ mesh: Mesh) throws {
            let target = address(to, isV4)
            let (greeting, record) = try mesh.observe(from: mesh.lab[from], to: target, in: mesh.b)
            #expect(greeting.app == "\(to)" && greeting.peer.address == (isV4 ? from.v4 : from.v6))
            #expect(record.direction == "outbound" && record.pod == ProxyConfiguration.name(of: from))
            #expect(record.host == (from.host == .a ? "node-a" : nil), "\(from) to \(to)")
            let source = try #require(record.source.flatMap { SocketAddress($0) })
            let ports = from.host == .a ? RemoteModeTests.outboundPorts : ProxyConfiguration.outboundPorts
            #expect(ports.contains(source.port), "outbound leg: \(source)")
            guard from.host != to.host else {
                #expect(record.destinationPod == ProxyConfiguration.name(of: to))
                return
            }
            let inbound = try mesh.b.record { $0.client == "\(source)" }
            #expect(inbound.direction == "inbound" && inbound.destinationPod == ProxyConfiguration.name(of: to))
            #expect(inbound.host == (to.host == .a ? "node-a" : nil))
            let inboundPorts = to.host == .a ? RemoteModeTests.inboundPorts : ProxyConfiguration.inboundPorts
            #expect(inboundPorts.contains(greeting.peer.port), "inbound leg: \(greeting.peer)")
        }

        @Test func deniedWhoeverAsks() throws {
            try withDenial { mesh in
                let server = try mesh.lab[.a1].echo(port: 9001)
                for round in 0..<2 {
                    if round == 1 { try mesh.a.kill() }
                    for from in [PodName.a2, .b1] {
                        mesh.expectReset(from: mesh.lab[from], to: SocketAddress(PodName.a1.v4, 9001))
                    }
                }
                #expect(server.accepted == 0)
            }
        }

        /// What goes through a buddy outlives the buddy's upgrade and the return of the own proxy.
        @Test func connectionsStayWhereTheyAre() throws {
            try withDenial { mesh in
                let servers = try [PodName.b1, .a2, .a1].map { try mesh.lab[$0].echo() }
                try mesh.a.kill()
                let sockets = try [
                    mesh.lab[.a1].connect(to: address(.b1, true)), mesh.lab[.a1].connect(to: address(.a2, false)),
                    mesh.lab[.b1].connect(to: address(.a1, true)),
                ]
                for socket in sockets { _ = try socket.exchange() }
                try mesh.b.takeOver()
                for socket in sockets { try socket.echo("still there") }
                let active = ["host": "node-a"]
                #expect(try mesh.b.admin.metric("apus_protected_connections_active", active) == 3)

                try mesh.a.start()
                for socket in sockets { try socket.echo("still there") }
                let total = try mesh.b.admin.metric("apus_protected_connections_total", active)
                for pod in [PodName.b1, .a2] { _ = try mesh.lab[.a1].connect(to: address(pod, true)).exchange() }
                #expect(
                    try mesh.b.admin.metric("apus_protected_connections_total", active) == total, "new ones are local")
                for socket in sockets { socket.close() }
                let isEmpty = try eventually(within: .seconds(5)) {
                    try mesh.b.admin.metric("apus_protected_connections_active", active) == 0
                }
                #expect(isEmpty && servers.map(\.accepted) == [2, 2, 1])
            }
        }
    }
}
