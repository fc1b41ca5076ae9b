import Lab
import Model
import Testing

/// Who reaches whom, and what each side and the log see of it.
extension NodeTests {
    @Suite struct TrafficTests {
        /// Clients and servers on the other host and on the same one, in both directions.
        static let pairs: [(PodName, PodName)] = [(.a1, .b1), (.b1, .a1), (.b2, .a2), (.a1, .a2), (.b2, .b1)]

        @Test(arguments: Mesh.Backend.allCases)
        func podsReachPodsWithTheirOwnAddress(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let servers = try mesh.lab.topology.pods.map { try mesh.lab[$0].echo() }
                for (from, to) in Self.pairs {
                    for isV4 in [true, false] { try check(from, to, isV4: isV4, mesh) }
                }
                #expect(servers.map(\.accepted).reduce(0, +) == 2 * Self.pairs.count)
            }
        }

        func check(_ from: PodName, _ to: PodName, isV4: Bool, _ mesh: Mesh) throws {
            let client = isV4 ? from.v4 : from.v6
            let target = SocketAddress(isV4 ? to.v4 : to.v6, 8080)
            let outbound = from.host == .a ? mesh.a : mesh.b
            let (greeting, record) = try mesh.observe(from: mesh.lab[from], to: target, in: outbound)
            #expect(greeting.app == "\(to)")
            #expect(greeting.local == target)
            #expect(greeting.peer.address == client, "\(from) to \(target)")
            #expect(record.direction == "outbound")
            #expect(record.pod == ProxyConfiguration.name(of: from))
            #expect(record.originalDestination == "\(target)")
            let source = try #require(record.source.flatMap { SocketAddress($0) })
            #expect(source.address == client)
            #expect(ProxyConfiguration.outboundPorts.contains(source.port), "outbound leg: \(source)")
            guard from.host != to.host else {
                #expect(record.destinationPod == ProxyConfiguration.name(of: to))
                return
            }
            // The other host's proxy saw the first one's upstream connection, and the server saw the second one's.
            let inbound = try (to.host == .a ? mesh.a : mesh.b).record { $0.client == "\(source)" }
            #expect(inbound.direction == "inbound")
            #expect(inbound.destinationPod == ProxyConfiguration.name(of: to))
            #expect(inbound.source == "\(greeting.peer)")
            #expect(ProxyConfiguration.inboundPorts.contains(greeting.peer.port), "inbound leg: \(greeting.peer)")
        }

        /// The kubelet probes pods from the host: no proxy in between, and the host's own address at the pod.
        @Test(arguments: Mesh.Backend.usual)
        func hostToPodIsUntouched(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.a.inbound[.a1] = ["{match: {ports: [8080]}, deny: true}"]
            }) { mesh in
                let server = try mesh.lab[.a1].echo()
                for target in [PodName.a1.v4, PodName.a1.v6] {
                    let greeting = try mesh.lab[.a].connect(to: SocketAddress(target, 8080)).exchange()
                    #expect(greeting.peer.address == (target.isV4 ? HostName.a.v4 : HostName.a.v6))
                }
                #expect(server.accepted == 2)
                #expect(try mesh.a.accessLog().isEmpty)
            }
        }

        /// DNS is not Apus's business yet: queries and answers pass with both addresses as they are.
        @Test(arguments: Mesh.Backend.usual)
        func datagramsPassUntouched(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let server = try LabDatagram(in: mesh.lab[.b1], port: 53)
                let client = try LabDatagram(in: mesh.lab[.a1])
                for isV4 in [true, false] {
                    let target = SocketAddress(isV4 ? PodName.b1.v4 : PodName.b1.v6, 53)
                    try client.send("query", to: target)
                    let query = try server.receive()
                    #expect(query.text == "query")
                    #expect(query.from == SocketAddress(isV4 ? PodName.a1.v4 : PodName.a1.v6, try client.port))
                    try server.send("answer", to: query.from)
                    let answer = try client.receive()
                    #expect(answer.text == "answer")
                    #expect(answer.from == target)
                }
            }
        }

        @Test func strictReversePathAndMarkSettings() throws {
            try withMesh({
                $0.prepare = { lab in
                    for host in [HostName.a, .b] {
                        let devices = ["all", "default", "eth0"] + host.pods.map(\.device)
                        let strict = devices.map { ("net/ipv4/conf/\($0)/rp_filter", "1") }
                        try lab[host].namespace.set(sysctls: strict + [("net/ipv4/conf/all/src_valid_mark", "1")])
                    }
                }
            }) { mesh in
                let servers = try mesh.lab.topology.pods.map { try mesh.lab[$0].echo() }
                for (from, to) in Self.pairs { try check(from, to, isV4: true, mesh) }
                #expect(servers.map(\.accepted).reduce(0, +) == Self.pairs.count)
            }
        }
    }
}
