import Lab
import Model
import Testing

/// Pods that hang on a bridge, with and without iptables seeing what it switches.
extension NodeTests {
    @Suite struct BridgeTests {
        /// Backend and bridge-nf-call-iptables.
        static let forms: [(Mesh.Backend, Bool)] = [(.nft, false), (.nft, true), (.iptables, true)]

        private func plan(_ plan: inout MeshPlan, isFiltered: Bool) {
            plan.form = .bridge
            plan.prepare = { try set(isFiltered, $0) }
        }

        private func set(_ isFiltered: Bool, _ lab: Lab) throws {
            let settings = ["iptables", "ip6tables"].map { ("net/bridge/bridge-nf-call-\($0)", isFiltered ? "1" : "0") }
            for host in [HostName.a, .b] { try lab[host].namespace.set(sysctls: settings) }
        }

        /// Pods of the same bridge and of another host, each through exactly one proxy per host.
        @Test(arguments: forms)
        func podsReachPodsWithTheirOwnAddress(backend: Mesh.Backend, isFiltered: Bool) throws {
            try withMesh({
                plan(&$0, isFiltered: isFiltered)
                $0.backend = backend
            }) { mesh in
                let servers = try mesh.lab.topology.pods.map { try mesh.lab[$0].echo() }
                for (from, to) in TrafficTests.pairs {
                    for isV4 in [true, false] { try TrafficTests().check(from, to, isV4: isV4, mesh) }
                }
                #expect(servers.map(\.accepted).reduce(0, +) == 2 * TrafficTests.pairs.count)
                // To the other host and from it thrice, within the host once, for each family.
                #expect(try mesh.a.accessLog().count == 8)
                #expect(try mesh.b.accessLog().count == 8)
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
                // Somebody (kubelet) may set it later.
                try set(!isFiltered, mesh.lab)
                try TrafficTests().check(.a1, .a2, isV4: true, mesh)
                try TrafficTests().check(.a1, .b1, isV4: true, mesh)
            }
        }

        /// kube-proxy translates the proxy's own connection to a pod of the same bridge, whose answer comes back translated.
        @Test(arguments: [false, true])
        func clusterAddressOfAPodOnTheSameBridge(isFiltered: Bool) throws {
            try withMesh({ plan(&$0, isFiltered: isFiltered) }) { mesh in
                let address = ServiceTests.clusterIP
                let service = KubeProxy.Service(
                    clusterIP: address, port: 80, endpoint: SocketAddress(PodName.a2.v4, 8080))
                try KubeProxy([service]).install(on: mesh.lab[.a])
                let server = try mesh.lab[.a2].echo()
                let (greeting, record) = try mesh.observe(
                    from: mesh.lab[.a1], to: SocketAddress(address, 80), in: mesh.a)
                #expect(greeting.app == "A2")
                #expect(greeting.peer.address == PodName.a1.v4)
                #expect(record.originalDestination == "\(address):80")
                #expect(server.accepted == 1)
            }
        }

        /// What is not TCP stays in the bridge.
        @Test(arguments: [false, true])
        func datagramsAreSwitched(isFiltered: Bool) throws {
            try withMesh({ plan(&$0, isFiltered: isFiltered) }) { mesh in
                let server = try LabDatagram(in: mesh.lab[.a2], port: 53)
                let client = try LabDatagram(in: mesh.lab[.a1])
                for isV4 in [true, false] {
                    let target = SocketAddress(isV4 ? PodName.a2.v4 : PodName.a2.v6, 53)
                    try client.send("query", to: target)
                    #expect(try server.receive().text == "query")
                }
            }
        }

        /// Switched connections are routed meanwhile, go on, and the host is as it was found.
        @Test(arguments: [false, true])
        func uninstallLeavesTheHostAsFound(isFiltered: Bool) throws {
            try withMesh({
                plan(&$0, isFiltered: isFiltered)
                $0.isInstalled = false
            }) { mesh in
                let server = try mesh.lab[.a2].echo()
                let old = try [PodName.a2.v4, PodName.a2.v6].map { address in
                    let socket = try mesh.lab[.a1].connect(to: SocketAddress(address, 8080))
                    try socket.exchange()
                    return socket
                }
                let before = try RedirectionTests().state(of: mesh.lab[.a])
                try mesh.redirect("install", mesh.a).required()
                for socket in old { try socket.echo("while installed") }
                try mesh.a.redirect("uninstall").required()
                let left = try RedirectionTests().state(of: mesh.lab[.a]).difference(from: before)
                #expect(left.isEmpty, "\(left)")
                for socket in old { try socket.echo("after it") }
                #expect(try mesh.a.accessLog().isEmpty)
                #expect(server.accepted == 2)
            }
        }

        /// A pod that comes after the installation is a line of the status until the next installation.
        @Test func laterPortsAreMissedAndCovered() throws {
            try withMesh({ plan(&$0, isFiltered: true) }) { mesh in
                let server = try mesh.lab[.a2].echo()
                try mesh.lab[.a].run(["tc", "qdisc", "del", "dev", PodName.a1.device, "clsact"]).required()
                let missed = try mesh.redirect("status", mesh.a)
                #expect(!missed.succeeded)
                #expect(missed.output.contains("port \(PodName.a1.device): not covered"), "\(missed)")
                try mesh.redirect("install", mesh.a).required()
                let covered = try mesh.redirect("status", mesh.a)
                #expect(covered.succeeded, "\(covered)")
                try mesh.observe(from: mesh.lab[.a1], to: SocketAddress(PodName.a2.v4, 8080), in: mesh.a)
                #expect(server.accepted == 1)
                let again = try mesh.redirect("install", mesh.a).required()
                #expect(!again.output.contains("port"), "\(again)")
            }
        }

        /// With a guard nobody has to do anything.
        @Test func guardCoversLaterPorts() throws {
            try withMesh({ plan(&$0, isFiltered: true) }) { mesh in
                let host = mesh.lab[.a]
                let device = PodName.a1.device
                let guardian = GuardHost(mesh.a)
                try guardian.start()
                let isWatching = eventually { (try? guardian.admin.metric("apus_guard_local_workers")) == 2 }
                #expect(isWatching, "\(guardian.errors)")
                try host.run(["ip", "link", "set", device, "nomaster"]).required()
                try host.run(["tc", "qdisc", "del", "dev", device, "clsact"]).required()
                try host.run(["ip", "link", "set", device, "master", "cni0"]).required()
                // Well before the guard would look anyway.
                let isCovered = try eventually(within: .seconds(5)) {
                    try host.run(["tc", "filter", "show", "dev", device, "ingress"]).output.contains("cni0")
                }
                #expect(isCovered, "\(guardian.errors)")
            }
        }

        /// With something else than pods on the bridge, packets are not led out of it: what would hang is refused, the
        /// rest is said.
        @Test func bridgesWithOtherPortsAreRefusedOrNamed() throws {
            try withMesh({
                plan(&$0, isFiltered: true)
                $0.isInstalled = false
            }) { mesh in
                let host = mesh.lab[.a]
                try host.run(["ip", "link", "add", "other0", "type", "veth", "peer", "name", "other1"]).required()
                try host.run(["ip", "link", "set", "other0", "master", "cni0"]).required()
                let before = try RedirectionTests().state(of: host)
                let refused = try mesh.a.redirect("install")
                #expect(refused.exit == .status(1), "\(refused)")
                #expect(refused.errors.contains("bridge-nf-call-iptables"), "\(refused)")
                #expect(refused.errors.contains("other0"), "\(refused)")
                #expect(try RedirectionTests().state(of: host).difference(from: before).isEmpty)
                try set(false, mesh.lab)
                let installed = try mesh.a.redirect("install").required()
                #expect("\(installed)".contains("other0"), "\(installed)")
                let server = try mesh.lab[.a2].echo()
                try mesh.lab[.a1].connect(to: SocketAddress(PodName.a2.v4, 8080)).exchange()
                #expect(server.accepted == 1)
                #expect(try mesh.a.accessLog().isEmpty)
            }
        }
    }
}
