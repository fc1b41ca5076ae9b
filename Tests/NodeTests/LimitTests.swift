import Lab
import Model
import Testing

/// What a pod may not do, cannot do, or does too much of: a reset, a count, and nobody else is hurt.
extension NodeTests {
    @Suite struct LimitTests {
        @Test func inboundDenyHoldsForADirectDial() throws {
            let deny = ["{match: {ports: [9090]}, deny: true}"]
            try withMesh({
                $0.a.inbound[.a2] = deny
                $0.b.inbound[.b1] = deny
            }) { mesh in
                let servers = try [PodName.a2, .b1].flatMap {
                    try [mesh.lab[$0].echo(port: 9090), mesh.lab[$0].echo()]
                }
                // Other host, same host, and the reverse way, in both families.
                for (from, to) in [(PodName.a1, PodName.b1), (.a1, .a2), (.b2, .a2), (.b2, .b1)] {
                    for address in [to.v4, to.v6] {
                        mesh.expectReset(from: mesh.lab[from], to: SocketAddress(address, 9090))
                        try mesh.lab[from].connect(to: SocketAddress(address, 8080)).exchange()
                    }
                }
                #expect(servers.map(\.accepted) == [0, 4, 0, 4])
                for (proxy, pod) in [(mesh.a, "shop/a2"), (mesh.b, "shop/b1")] {
                    let record = try proxy.record { $0.destinationPod == pod && $0.responseFlag == "DENY_IN" }
                    #expect(record.closedBy == "proxy")
                }
                let denied = try mesh.proxies.map {
                    try $0.admin.metric("apus_resets_total", ["reason": "denied_inbound"])
                }
                #expect(denied == [4, 4])
            }
        }

        @Test func outboundDenyIsThePodsOwn() throws {
            try withMesh({ $0.a.outbound[.a1] = ["{match: {ports: [25]}, deny: true}"] }) { mesh in
                let server = try mesh.lab[.b1].echo(port: 25)
                mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(PodName.b1.v4, 25))
                try mesh.lab[.a2].connect(to: SocketAddress(PodName.b1.v4, 25)).exchange()
                #expect(server.accepted == 1)
                let denied = ["pod": "shop/a1", "reason": "denied_outbound"]
                #expect(try mesh.a.admin.metric("apus_resets_total", denied) == 1)
            }
        }

        @Test func podLimitReached() throws {
            try withMesh({ $0.a.limits[.a1] = "{connections: 3}" }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                var held = try (0..<3).map { _ in try mesh.lab[.a1].connect(to: target) }
                for socket in held { try socket.exchange() }
                mesh.expectReset(from: mesh.lab[.a1], to: target)
                try mesh.lab[.a2].connect(to: target).exchange()
                held.removeLast().close()
                let isFree = eventually { (try? mesh.lab[.a1].connect(to: target).exchange()) != nil }
                #expect(isFree, "a closed connection makes room")
                let limited = ["pod": "shop/a1", "reason": "pod_limit"]
                #expect(try mesh.a.admin.metric("apus_resets_total", limited) >= 1)
                #expect(server.accepted == 5)
            }
        }

        /// Four source ports on the outbound leg: the fifth connection to one destination has none.
        @Test func sourcePortsExhausted() throws {
            try withMesh({ $0.a.sourcePorts = "10240-10247" }) { mesh in
                let servers = try [mesh.lab[.b1].echo(), mesh.lab[.b1].echo(port: 8081)]
                let target = SocketAddress(PodName.b1.v4, 8080)
                let held = try (0..<4).map { _ in try mesh.lab[.a1].connect(to: target) }
                for socket in held { try socket.exchange() }
                mesh.expectReset(from: mesh.lab[.a1], to: target)
                // Ports are per source and destination.
                try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8081)).exchange()
                try mesh.lab[.a2].connect(to: target).exchange()
                let exhausted = ["pod": "shop/a1", "reason": "source_ports_exhausted"]
                #expect(try mesh.a.admin.metric("apus_resets_total", exhausted) == 1)
                for socket in held { socket.close() }
                let isFree = eventually { (try? mesh.lab[.a1].connect(to: target).exchange()) != nil }
                #expect(isFree, "closed connections give their ports back")
                #expect(servers[1].accepted == 1)
            }
        }

        @Test func upstreamRefuses() throws {
            try withMesh { mesh in
                for target in [PodName.b1.v4, PodName.a2.v4, PodName.b1.v6] {
                    let time = mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(target, 9999))
                    #expect(time < .seconds(2), "a refusal is passed on at once")
                }
                // The other host's proxy has accepted by then; its reset may come with the handshake or after it.
                let resets = try ["connect_failed", "upstream_reset"].map {
                    try mesh.a.admin.metric("apus_resets_total", ["pod": "shop/a1", "reason": $0])
                }
                #expect(resets.reduce(0, +) == 3)
                #expect(resets[0] >= 1, "the local pod's refusal")
                let refused = try mesh.b.admin.metric("apus_resets_total", ["reason": "connect_failed"])
                #expect(refused == 2)
            }
        }

        @Test func upstreamIsABlackHole() throws {
            let timeout = "passthrough: {connectTimeout: 300ms}"
            try withMesh({
                $0.a.extra = timeout
                $0.b.extra = timeout
                $0.prepare = { lab in
                    for pod in [PodName.a2, .b1] {
                        let drop = ["iptables", "-w", "5", "-A", "INPUT", "-p", "tcp", "--dport", "9999", "-j", "DROP"]
                        try lab[pod].run(drop).required()
                    }
                }
            }) { mesh in
                for pod in [PodName.a2, .b1] {
                    let time = mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(pod.v4, 9999))
                    #expect(time > .milliseconds(250), "the connect timeout is 300 ms")
                    #expect(time < .seconds(3), "the connect timeout is 300 ms")
                }
                let resets = try mesh.proxies.map {
                    try $0.admin.metric("apus_resets_total", ["reason": "connect_timeout"])
                }
                #expect(resets == [1, 1])
            }
        }

        /// One endpoint refuses and one is silent; both are pods of this host, because another host's proxy accepts first
        /// and resets then, which is past the connect.
        @Test func nextEndpointWhenOneDoesNotAnswer() throws {
            try withMesh({
                $0.a.outbound[.a1] = ["{match: {ports: [80]}, protocol: tcp, cluster: web}"]
                let endpoints = [(PodName.a2, 9998), (.a2, 9999), (.b1, 8080)].map { "{address: \($0.v4):\($1)}" }
                $0.a.clusters = [
                    "{name: web, connectTimeout: 300ms, endpoints: [\(endpoints.joined(separator: ", "))]}"
                ]
                $0.prepare = { lab in
                    let drop = ["iptables", "-w", "5", "-A", "INPUT", "-p", "tcp", "--dport", "9999", "-j", "DROP"]
                    try lab[.a2].run(drop).required()
                }
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = try #require(SocketAddress("10.96.0.10:80"))
                for _ in 0..<6 { try mesh.lab[.a1].connect(to: target).exchange() }
                #expect(server.accepted == 6)
            }
        }
    }
}
