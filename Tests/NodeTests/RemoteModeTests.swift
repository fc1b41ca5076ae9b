import Foundation
import Lab
import Model
import Testing

/// What pods meet while their own proxy is away and another host's stands in for it.
extension NodeTests {
    @Suite struct RemoteModeTests {
        /// Ports of a remote's upstream connections, by leg.
        static let outboundPorts: ClosedRange<UInt16> = 20000...24999, inboundPorts: ClosedRange<UInt16> = 25000...29999
        private static let service = HTTPTableTests.service

        /// No proxy but the remote's runs: it has both legs of each connection between hosts, one of each on one host.
        @Test func podsReachPodsWithTheirOwnAddress() throws {
            try withRemote { mesh in
                let servers = try [PodName.a1, .a2, .b1, .b2].map { try mesh.lab[$0].echo() }
                for (from, to) in TrafficTests.pairs {
                    for isV4 in [true, false] { try Self.check(from, to, isV4: isV4, mesh.lab, by: mesh.c) }
                }
                #expect(servers.map(\.accepted).reduce(0, +) == 2 * TrafficTests.pairs.count)
                // Three of the five pairs meet both hosts' tables, one connection each.
                #expect(try mesh.c.admin.metric("apus_protected_connections_total", ["host": "node-a"]) == 8)
                #expect(try mesh.c.admin.metric("apus_protected_connections_total", ["host": "node-b"]) == 8)
                for host in ["node-a", "node-b"] {
                    let isEmpty = try eventually(within: .seconds(5)) {
                        try mesh.c.admin.metric("apus_protected_connections_active", ["host": host]) == 0
                    }
                    #expect(isEmpty, "\(host)")
                }
            }
        }

        /// One connection between pods of hosts whose proxies are away, by `remote`.
        static func check(_ from: PodName, _ to: PodName, isV4: Bool, _ lab: Lab, by remote: ProxyHost) throws {
            let target = SocketAddress(isV4 ? to.v4 : to.v6, 8080)
            let socket = try lab[from].connect(to: target)
            let greeting = try socket.exchange()
            let client = try socket.localAddress
            socket.close()
            #expect(greeting.app == "\(to)" && greeting.local == target)
            #expect(greeting.peer.address == client.address, "\(from) to \(target)")
            let record = try remote.record { $0.client == "\(client)" }
            #expect(record.direction == "outbound" && record.host == ProxyConfiguration.node(from.host))
            #expect(record.pod == ProxyConfiguration.name(of: from) && record.originalDestination == "\(target)")
            let source = try #require(record.source.flatMap { SocketAddress($0) })
            #expect(source.address == client.address && outboundPorts.contains(source.port), "outbound leg: \(source)")
            guard from.host != to.host else {
                #expect(record.destinationPod == ProxyConfiguration.name(of: to) && record.source == "\(greeting.peer)")
                return
            }
            #expect(record.destinationPod == nil, "another host's pod is asked there")
            let inbound = try remote.record { $0.client == "\(source)" }
            #expect(inbound.direction == "inbound" && inbound.host == ProxyConfiguration.node(to.host))
            #expect(inbound.destinationPod == ProxyConfiguration.name(of: to) && inbound.pod == nil)
            #expect(inbound.source == "\(greeting.peer)")
            #expect(inboundPorts.contains(greeting.peer.port), "inbound leg: \(greeting.peer)")
        }

        /// The tables of the pod's own host, by whoever asks them: what it may dial, what it is sent to, who may dial it.
        @Test func tablesHold() throws {
            let cluster = SocketAddress(IPAddress(v4: 0x0a60_0021), 80)
            try withRemote({
                $0.c.outbound[.a1] = [
                    "{match: {ports: [25]}, deny: true}",
                    "{match: {cidrs: [\(cluster.address)/32], ports: [80]}, protocol: tcp, cluster: b}",
                ]
                $0.c.inbound[.a2] = ["{match: {ports: [9001]}, deny: true}"]
                $0.c.inbound[.b1] = ["{match: {cidrs: [\(PodName.a1.v4)/32], ports: [9001]}, deny: true}"]
                $0.c.clusters = ["{name: b, endpoints: [{address: \"\(PodName.b1.v4):8080\"}]}"]
            }) { mesh in
                let servers = try [PodName.a2, .b1].map { try mesh.lab[$0].echo(port: 9001) }
                let server = try mesh.lab[.b1].echo()
                try Self.expectReset(mesh, .a1, SocketAddress(PodName.b1.v4, 25), "denied_outbound")
                try Self.expectReset(mesh, .a1, SocketAddress(PodName.a2.v6, 9001), "denied_inbound")
                try Self.expectReset(mesh, .b2, SocketAddress(PodName.a2.v4, 9001), "denied_inbound")
                try Self.expectReset(mesh, .a1, SocketAddress(PodName.b1.v4, 9001), "denied_inbound")
                #expect(servers.map(\.accepted) == [0, 0])
                _ = try mesh.lab[.a2].connect(to: SocketAddress(PodName.b1.v4, 9001)).exchange()
                #expect(servers.map(\.accepted) == [0, 1], "another client may")

                let greeting = try mesh.lab[.a1].connect(to: cluster).exchange()
                #expect(greeting.app == "B1" && greeting.peer.address == PodName.a1.v4 && server.accepted == 1)
                let record = try mesh.c.record { $0.originalDestination == "\(cluster)" }
                #expect(record.cluster == "b" && record.pod == "shop/a1" && record.host == "node-a")
            }
        }

        private static func expectReset(
            _ mesh: RemoteMesh, _ from: PodName, _ target: SocketAddress, _ reason: String
        ) throws {
            let error = #expect(throws: LabError.self, "\(from) to \(target)") {
                let socket = try mesh.lab[from].connect(to: target, timeout: .seconds(5))
                _ = try socket.receiveLine()
            }
            #expect(error?.isReset == true || error?.isRefused == true, "\(String(describing: error))")
            _ = try mesh.c.record { $0.originalDestination == "\(target)" && $0.reason == reason }
        }

        /// The host that the pod is on translates a service's address, as it does with a proxy of its own.
        @Test func servicesAreTranslatedAtHome() throws {
            let (v4, v6) = (IPAddress(v4: 0x0a60_000a), IPAddress(high: 0xfd96 << 48, low: 10))
            let services = [
                KubeProxy.Service(clusterIP: v4, port: 80, endpoint: SocketAddress(PodName.b1.v4, 8080)),
                KubeProxy.Service(clusterIP: v6, port: 80, endpoint: SocketAddress(PodName.b1.v6, 8080)),
            ]
            try withRemote({
                $0.prepare = { lab in try KubeProxy(services).install(on: lab[.a]) }
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                for (service, client) in [(v4, PodName.a1.v4), (v6, PodName.a1.v6)] {
                    let greeting = try mesh.lab[.a1].connect(to: SocketAddress(service, 80)).exchange()
                    #expect(greeting.app == "B1" && greeting.peer.address == client)
                    let record = try mesh.c.record { $0.originalDestination == "\(SocketAddress(service, 80))" }
                    #expect(record.host == "node-a" && record.endpoint == record.originalDestination)
                }
                #expect(server.accepted == 2)
            }
        }

        /// Requests: routed by the client's pod, pooled, and where the receiver is on the client's host, one exchange.
        @Test func requestsAreRouted() throws {
            let out = """
                {name: out, virtualHosts: [{domains: ["*"], rules: [\
                {match: {path: {prefix: /b}}, route: {cluster: far, requestHeaders: {set: {x-pod: "%pod%"}}}}, \
                {match: {path: {prefix: /}}, route: {cluster: near}}]}]}
                """
            let inside = """
                {name: in, virtualHosts: [{domains: ["*"], rules: [\
                {name: hello, match: {path: {exact: /hello}}, respond: {status: 200, body: hello}}, \
                {name: pass, route: {cluster: own}}]}]}
                """
            try withRemote({
                $0.c.outbound[.a1] = ["{match: {ports: [80]}, protocol: http, routes: out}"]
                $0.c.inbound[.a2] = ["{match: {ports: [8080]}, protocol: http, routes: in}"]
                $0.c.routes = [out, inside]
                $0.c.clusters = [
                    "{name: far, endpoints: [{address: \"[\(PodName.b1.v6)]:8080\"}]}",
                    "{name: near, endpoints: [{address: \"\(PodName.a2.v4):8080\"}]}",
                    "{name: own, discovery: {originalDestination: true}}",
                ]
            }) { mesh in
                let servers = try [PodName.b1, .a2].map { try mesh.lab[$0].serveHTTP() }
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                for number in 0..<3 {
                    let far = try client.request("GET", "/b/\(number)")
                    #expect(far.status == 200 && far.requestField("x-pod") == "shop/a1")
                    #expect(try far.greeting.peer.address == PodName.a1.v6)
                    let near = try client.request("GET", "/\(number)")
                    #expect(try near.status == 200 && near.greeting.peer.address == PodName.a1.v4)
                }
                let hello = try client.request("GET", "/hello")
                #expect(hello.status == 200 && hello.body == "hello")
                #expect(servers.map(\.accepted) == [1, 1], "connections are pooled")

                let near = try mesh.c.record { $0.path == "/0" }
                #expect(near.host == "node-a" && near.pod == "shop/a1" && near.destinationPod == "shop/a2")
                #expect(near.inboundRoute == "pass" && near.cluster == "near")
                let far = try mesh.c.record { $0.path == "/b/0" }
                #expect(far.host == "node-a" && far.destinationPod == nil && far.cluster == "far")
            }
        }

        /// A pod that reaches itself through a cluster cannot be its own client: it sees the tunnel's end.
        @Test func aPodReachesItself() throws {
            try withRemote({
                $0.c.outbound[.a1] = [
                    "{match: {ports: [80]}, protocol: tcp, cluster: v4}",
                    "{match: {ports: [81]}, protocol: tcp, cluster: v6}",
                ]
                $0.c.clusters = [
                    "{name: v4, endpoints: [{address: \"\(PodName.a1.v4):8080\"}]}",
                    "{name: v6, endpoints: [{address: \"[\(PodName.a1.v6)]:8080\"}]}",
                ]
            }) { mesh in
                let server = try mesh.lab[.a1].echo()
                for port: UInt16 in [80, 81] {
                    let service = SocketAddress(Self.service.address, port)
                    let greeting = try mesh.lab[.a1].connect(to: service).exchange()
                    #expect(greeting.app == "A1" && ![PodName.a1.v4, PodName.a1.v6].contains(greeting.peer.address))
                }
                let labels = ["host": "node-a", "path": "tunnel"]
                #expect(try mesh.c.admin.metric("apus_protected_own_source_total", labels) == 2)
                #expect(server.accepted == 2)
            }
        }

        /// Without the mark on accepted sockets nobody knows whose tables hold.
        @Test func whoseItIsNotKnownIsReset() throws {
            try withRemote { mesh in
                let server = try mesh.lab[.b1].echo()
                try mesh.lab[.c].run(["sysctl", "-qw", "net.ipv4.tcp_fwmark_accept=0"]).required()
                try Self.expectReset(mesh, .a1, SocketAddress(PodName.b1.v4, 8080), "unknown_host")
                #expect(server.accepted == 0)
                let ready = try mesh.c.admin.request("/ready")
                #expect(ready.status == 200 && ready.body.contains("tcp_fwmark_accept"), "\(ready.body)")
            }
        }
    }
}
