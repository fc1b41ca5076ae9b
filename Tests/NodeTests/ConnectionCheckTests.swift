import Foundation
import Glibc
import Lab
import Model
import Testing

/// The real connection that `redirect status` ends with.
extension NodeTests {
    @Suite struct ConnectionCheckTests {
        /// The part of `redirect status --json` that is about it.
        struct Status: Decodable {
            var connections: [Connection]

            struct Connection: Decodable {
                var family: String
                var outcome: String
                var worker: Int?
                var generation: UInt64?
                var milliseconds: Double?
                var detail: String?
            }
        }

        private func connections(_ mesh: Mesh) throws -> (exit: LabProcess.Exit, [Status.Connection]) {
            let result = try mesh.a.redirect("status", mesh.backend.arguments + ["--json"])
            let status = try JSONDecoder().decode(Status.self, from: Data(result.output.utf8))
            return (result.exit, status.connections)
        }

        private func expectNoTrace(_ mesh: Mesh) throws {
            let links = try mesh.lab[.a].run(["ip", "-br", "link"]).required().output
            #expect(!links.contains("apus-probe"), "\(links)")
            let routes = try mesh.lab[.a].run(["ip", "route", "show", "table", "all"]).required().output
            #expect(!routes.contains("169.254.112"), "\(routes)")
        }

        /// Strict source checks, kube-proxy in front, and exclusions that cover the reserved addresses.
        @Test(arguments: Mesh.Backend.allCases) func aWorkerAnswers(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.a.interception = [
                    "excludeCIDRs: [169.254.0.0/16, \"fc00::/7\"]", "excludeOutboundPorts: [15000-15100]",
                ]
                $0.prepare = { lab in
                    let service = KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.a2.v4, 8080))
                    try KubeProxy([service], order: .prepended).install(on: lab[.a])
                    let names = ["all", "default", "eth0", "podA1", "podA2"]
                    try lab[.a].namespace.set(
                        sysctls: names.flatMap { name in
                            ["rp_filter", "src_valid_mark"].map { ("net/ipv4/conf/\(name)/\($0)", "1") }
                        })
                }
            }) { mesh in
                var last: UInt64 = 0
                for round in 1...2 {
                    let (exit, connections) = try connections(mesh)
                    #expect(exit == .status(0), "\(connections)")
                    #expect(connections.map(\.family) == ["IPv4", "IPv6"])
                    for connection in connections {
                        #expect(connection.outcome == "answered", "\(connection)")
                        #expect((0..<2).contains(connection.worker ?? -1), "\(connection)")
                        #expect(connection.generation ?? 0 > last, "\(connection)")
                        #expect((connection.milliseconds ?? 0) > 0, "\(connection)")
                    }
                    try expectNoTrace(mesh)
                    last = connections.compactMap(\.generation).max() ?? 0
                    if round == 1 { try reload(mesh) }
                }
                #expect(try mesh.a.accessLog().isEmpty, "no pod's connection")
                #expect(try mesh.a.admin.metric("apus_worker_connections_active") == 0)
            }
        }

        private func reload(_ mesh: Mesh) throws {
            try mesh.a.reload(signal: false) { $0.outbound[.a1] = ["{match: {ports: [25]}, deny: true}"] }
            let isThere = eventually { (try? mesh.a.admin.request("/config").body.contains("deny")) == true }
            #expect(isThere)
        }

        @Test(arguments: [("direct", "pass by the host's own rules"), ("drop", "are reset")])
        func withoutAProxyItIsNotTried(policy: String, meeting: String) throws {
            try withMesh({ $0.a.policy = policy }) { mesh in
                try mesh.a.kill()
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "the rules are as desired: \(status)")
                for (family, listener) in [("IPv4", "127.0.0.1:15001"), ("IPv6", "[::1]:15001")] {
                    let line =
                        "connection \(family): not tried: no proxy listens on \(listener): new connections \(meeting)"
                    #expect(status.output.contains(line), "\(status)")
                }
            }
        }

        /// A rule of others that no reading of chains can judge: only a real connection finds it.
        @Test func whatReadingCannotSeeFails() throws {
            try withMesh { mesh in
                let rules = """
                    table inet odd {
                        chain incoming {
                            type filter hook input priority 0; policy accept;
                            meta l4proto tcp ip daddr 169.254.0.0/16 tcp sport >= 1024 drop
                        }
                    }
                    """
                let file = try mesh.lab[.a].workspace.write(rules, to: "odd.nft")
                try mesh.lab[.a].run(["nft", "-f", file]).required()
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.exit == .status(1), "\(status)")
                #expect(!status.output.contains("difference:"), "\(status)")
                #expect(status.output.contains("connection IPv4: failed: the SYN is not answered"), "\(status)")
                #expect(status.output.contains("connection IPv6: answered"), "\(status)")
                try expectNoTrace(mesh)
            }
        }

        @Test func aHungProxyIsFound() throws {
            try withMesh { mesh in
                try mesh.a.process.signal(SIGSTOP)
                let status = try mesh.redirect("status", mesh.a)
                try mesh.a.process.signal(SIGCONT)
                #expect(status.exit == .status(1), "\(status)")
                #expect(
                    status.output.contains("connection IPv4: failed: connected, but no worker answers"), "\(status)")
            }
        }

        /// A device of that name that nobody holds, and two tests at a time.
        @Test func leftoversAndRivalsDoNotMatter() throws {
            try withMesh { mesh in
                let link =
                    "ip link add apus-probe type veth peer name left && ip link set apus-probe up "
                    + "&& ip route add 169.254.112.2 dev apus-probe"
                try mesh.lab[.a].run(["sh", "-c", link]).required()
                let rivals = (0..<3).map { _ in Background { try connections(mesh) } }
                for rival in rivals {
                    let (exit, connections) = try rival.value()
                    #expect(exit == .status(0), "\(connections)")
                    #expect(connections.map(\.outcome) == ["answered", "answered"], "\(connections)")
                }
                try expectNoTrace(mesh)
            }
        }

        /// Only the synthetic pod is answered: a pod that dials the reserved destination meets its tables as ever.
        @Test func podsAreNotAnswered() throws {
            try withMesh({ $0.a.outbound[.a1] = ["{match: {ports: [15021]}, deny: true}"] }) { mesh in
                mesh.expectReset(from: mesh.lab[.a1], to: SocketAddress(IPAddress(v4: 0xa9fe_7008), 15021))
                let record = try mesh.a.record { $0.originalDestination == "169.254.112.8:15021" }
                #expect(record.responseFlag == "DENY_OUT")
            }
        }
    }
}
