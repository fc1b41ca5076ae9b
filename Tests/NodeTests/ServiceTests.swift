import Lab
import Model
import Testing

/// Addresses that kube-proxy translates: they must work, and must not be a way around a pod's inbound table.
extension NodeTests {
    @Suite struct ServiceTests {
        static let clusterIP = IPAddress(v4: 0x0a60_000a)
        static let clusterIPv6 = IPAddress(high: 0xfd96_0000_0000_0000, low: 0x10)

        private static func service(_ target: PodName, _ port: UInt16 = 8080) -> KubeProxy.Service {
            KubeProxy.Service(
                clusterIP: clusterIP, port: port == 8080 ? 80 : port, endpoint: SocketAddress(target.v4, port))
        }

        /// The pod's table knows nothing of the ClusterIP: it is dialled on as it is, and kube-proxy translates it.
        @Test(arguments: KubeProxy.Order.allCases, Mesh.Backend.usual)
        func passedThroughClusterIP(order: KubeProxy.Order, backend: Mesh.Backend) throws {
            let services = [
                Self.service(.b1),
                KubeProxy.Service(clusterIP: Self.clusterIPv6, port: 80, endpoint: SocketAddress(PodName.b1.v6, 8080)),
            ]
            let kube = KubeProxy(services, order: order)
            try withMesh({
                $0.backend = backend
                if order == .appended { $0.prepare = { try kube.install(on: $0[.a]) } }
            }) { mesh in
                // Prepended means after our rules were there: kube-proxy restarted and put itself first.
                if order == .prepended { try kube.install(on: mesh.lab[.a]) }
                let server = try mesh.lab[.b1].echo()
                for (address, client) in [(Self.clusterIP, PodName.a1.v4), (Self.clusterIPv6, PodName.a1.v6)] {
                    let target = SocketAddress(address, 80)
                    let (greeting, record) = try mesh.observe(from: mesh.lab[.a1], to: target, in: mesh.a)
                    #expect(greeting.app == "B1")
                    #expect(greeting.peer.address == client)
                    #expect(record.originalDestination == "\(target)")
                }
                #expect(server.accepted == 2)
            }
        }

        /// The pod's table leads the ClusterIP to a cluster: the proxy picks, kube-proxy is not asked.
        @Test(arguments: KubeProxy.Order.allCases)
        func clusterIPChosenByTheProxy(order: KubeProxy.Order) throws {
            try withMesh({
                // Each worker takes turns of its own.
                $0.a.workers = 1
                $0.a.outbound[.a1] = [
                    "{match: {cidrs: [\(Self.clusterIP)/32], ports: [80]}, protocol: tcp, cluster: web}"
                ]
                $0.a.clusters = [
                    "{name: web, endpoints: [{address: \(PodName.b2.v4):8080}, {address: \(PodName.a2.v4):8080}]}"
                ]
            }) { mesh in
                try KubeProxy([Self.service(.b1)], order: order).install(on: mesh.lab[.a])
                let servers = try [PodName.a2, .b1, .b2].map { try mesh.lab[$0].echo() }
                for _ in 0..<10 {
                    let target = SocketAddress(Self.clusterIP, 80)
                    let (greeting, record) = try mesh.observe(from: mesh.lab[.a1], to: target, in: mesh.a)
                    #expect(greeting.peer.address == PodName.a1.v4)
                    #expect(record.cluster == "web")
                    #expect(record.endpoint == "\(greeting.local)")
                }
                #expect(servers.map(\.accepted) == [5, 0, 5])
            }
        }

        /// A ClusterIP passed through to a pod of the same host meets that pod's inbound table.
        @Test func passedThroughClusterIPToTheSameHost() throws {
            try withMesh({
                $0.a.inbound[.a2] = ["{match: {ports: [8081]}, deny: true}"]
                $0.prepare = { try KubeProxy([Self.service(.a2), Self.service(.a2, 8081)]).install(on: $0[.a]) }
            }) { mesh in
                let allowed = try mesh.lab[.a2].echo()
                let denied = try mesh.lab[.a2].echo(port: 8081)
                let greeting = try mesh.lab[.a1].connect(to: SocketAddress(Self.clusterIP, 80)).exchange()
                #expect(greeting.app == "A2")
                #expect(greeting.peer.address == PodName.a1.v4)
                _ = try mesh.a.record { $0.direction == "inbound" && $0.destinationPod == "shop/a2" }
                mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(Self.clusterIP, 8081))
                #expect(allowed.accepted == 1)
                #expect(denied.accepted == 0)
            }
        }

        /// A pod that must not be proxied is not, however it is reached.
        @Test func anExcludedPodIsNotTakenThroughAService() throws {
            let services = [
                KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.a2.v4, 8080)),
                KubeProxy.Service(
                    clusterIP: Self.clusterIP, port: 80, endpoint: SocketAddress(PodName.a2.v4, 8080)),
            ]
            try withMesh({
                $0.a.interception = ["excludeCIDRs: [\(PodName.a2.v4)]"]
                $0.prepare = { try KubeProxy(services).install(on: $0[.a]) }
            }) { mesh in
                let server = try mesh.lab[.a2].echo()
                _ = try mesh.lab[.b1].connect(to: SocketAddress(HostName.a.v4, 30080)).exchange()
                _ = try mesh.lab[.a1].connect(to: SocketAddress(Self.clusterIP, 80)).exchange()
                #expect(server.accepted == 2)
                let lines = try eventually { try mesh.a.accessLog().count >= 1 }
                #expect(lines, "A1's connection to the ClusterIP is its own host's")
                #expect(try mesh.a.accessLog().filter { $0.direction == "inbound" }.isEmpty)
            }
        }

        /// A NodePort of host A that leads to its pod A2, dialled by a pod of another host, by the other host itself and
        /// by a pod of the same host.
        @Test func nodePortMeetsTheInboundTable() throws {
            let services = [
                KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.a2.v4, 8080)),
                KubeProxy.Service(nodePort: 30081, endpoint: SocketAddress(PodName.a2.v4, 8081)),
            ]
            try withMesh({
                $0.a.inbound[.a2] = ["{match: {ports: [8081]}, deny: true}"]
                $0.prepare = { try KubeProxy(services).install(on: $0[.a]) }
            }) { mesh in
                let allowed = try mesh.lab[.a2].echo()
                let denied = try mesh.lab[.a2].echo(port: 8081)
                for client in [mesh.lab[.b1], mesh.lab[.b], mesh.lab[.a1]] {
                    let before = try mesh.a.accessLog().count
                    let greeting = try client.connect(to: SocketAddress(HostName.a.v4, 30080)).exchange()
                    #expect(greeting.app == "A2", "from \(client.name)")
                    #expect(greeting.peer.address == client.v4, "from \(client.name)")
                    let record = try eventually {
                        try mesh.a.accessLog().dropFirst(before).first { $0.direction == "inbound" }
                    }
                    #expect(record?.destinationPod == "shop/a2", "from \(client.name)")
                    mesh.expectReset(from: client, to: SocketAddress(HostName.a.v4, 30081), "from \(client.name)")
                }
                #expect(allowed.accepted == 3)
                #expect(denied.accepted == 0)
            }
        }

        /// As the API server on a control-plane host: its replies must come back through the proxy, not by the pod's veth.
        @Test(arguments: Mesh.Backend.usual)
        func clusterIPWhoseBackendIsTheHostItself(backend: Mesh.Backend) throws {
            let service = KubeProxy.Service(
                clusterIP: Self.clusterIP, port: 443, endpoint: SocketAddress(HostName.a.v4, 6443))
            try withMesh({
                $0.backend = backend
                $0.prepare = { try KubeProxy([service]).install(on: $0[.a]) }
            }) { mesh in
                let server = try mesh.lab[.a].echo(port: 6443)
                let target = SocketAddress(Self.clusterIP, 443)
                let (greeting, record) = try mesh.observe(from: mesh.lab[.a1], to: target, in: mesh.a)
                #expect(greeting.app == "A")
                #expect(greeting.peer.address == PodName.a1.v4)
                #expect(record.originalDestination == "\(target)")
                #expect(server.accepted == 1)
            }
        }

        /// A pod that is the endpoint of the service it calls drops packets from its own address, so the host's is used.
        @Test func podCallsItselfThroughItsService() throws {
            try withMesh({
                $0.a.outbound[.a1] = [
                    "{match: {cidrs: [\(Self.clusterIP)/32], ports: [80]}, protocol: tcp, cluster: me}"
                ]
                $0.a.clusters = ["{name: me, endpoints: [{address: \(PodName.a1.v4):8080}]}"]
            }) { mesh in
                let server = try mesh.lab[.a1].echo()
                for number in 1...100 {
                    let greeting = try mesh.lab[.a1].connect(to: SocketAddress(Self.clusterIP, 80)).exchange()
                    #expect(greeting.peer.address != PodName.a1.v4, "call \(number)")
                }
                #expect(server.accepted == 100)
            }
        }
    }
}
