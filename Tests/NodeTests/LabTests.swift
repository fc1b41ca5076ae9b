import Foundation
import Lab
import Model
import Testing

/// The lab itself, without any proxy: what the other node tests stand on.
extension NodeTests {
    @Suite struct LabTests {
        /// Who dials whom: other host, same host, from the host to its pod, and back, in both families.
        static let pairs: [(from: PodName?, to: PodName)] = [
            (.a1, .b1), (.a1, .a2), (.b2, .a1), (nil, .a1), (nil, .b2),
        ]

        @Test(arguments: Topology.Form.allCases)
        func everyPodReachesEveryOtherWithItsOwnAddress(form: Topology.Form) throws {
            let lab = try Lab.up(form: form)
            let servers = try lab.topology.pods.map { try lab[$0].echo() }
            for pair in Self.pairs {
                let client = pair.from.map { lab[$0] } ?? lab[.a]
                for isV4 in [true, false] {
                    let target = isV4 ? pair.to.v4 : pair.to.v6
                    let greeting = try client.connect(to: SocketAddress(target, 8080)).exchange()
                    #expect(greeting.app == "\(pair.to)")
                    #expect(greeting.local == SocketAddress(target, 8080))
                    // A host has an address in its pods' prefix as well in the bridge form.
                    if pair.from != nil { #expect(greeting.peer.address == (isV4 ? client.v4 : client.v6)) }
                }
            }
            #expect(servers.map(\.accepted).reduce(0, +) == 2 * Self.pairs.count)
        }

        @Test(arguments: KubeProxy.Order.allCases, KubeProxy.Variant.allCases)
        func kubeProxyTranslates(order: KubeProxy.Order, variant: KubeProxy.Variant) throws {
            let lab = try Lab.up()
            let server = try lab[.b1].echo()
            let clusterV4 = try #require(SocketAddress("10.96.0.10:80"))
            let clusterV6 = try #require(SocketAddress("[fd96::10]:80"))
            let services = [
                KubeProxy.Service(clusterIP: clusterV4.address, port: 80, endpoint: SocketAddress(PodName.b1.v4, 8080)),
                KubeProxy.Service(clusterIP: clusterV6.address, port: 80, endpoint: SocketAddress(PodName.b1.v6, 8080)),
                KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.b1.v4, 8080)),
            ]
            try KubeProxy(services, order: order, variant: variant).install(on: lab[.a])
            try KubeProxy(services, order: order, variant: variant).install(on: lab[.b])
            // From a pod, from its host, and a NodePort of the server's host from the other host.
            for (client, target) in [
                (lab[.a1], clusterV4), (lab[.a1], clusterV6), (lab[.a], clusterV4),
                (lab[.a], SocketAddress(HostName.b.v4, 30080)),
            ] {
                let greeting = try client.connect(to: target).exchange()
                #expect(greeting.app == "B1", "\(client.name) to \(target)")
            }
            #expect(server.accepted == 4)
        }

        @Test func teardownLeavesNothing() throws {
            let lab = try Lab.up(hostCount: 3)
            let sleeper = try lab[.c].start(["sleep", "1000"])
            let server = try lab[.a1].echo()
            let before = try namespaces(of: lab)
            #expect(before.count == 10)
            lab.down()
            #expect(try namespaces(of: lab) == [])
            #expect(try sleeper.wait(atMost: .seconds(5)) == .signal(SIGKILL))
            #expect(!FileManager.default.fileExists(atPath: lab.workspace.path))
            server.stop()
        }

        @Test func sweepRemovesWhatADeadOwnerLeft() throws {
            let lab = try Lab.up()
            let orphan = try lab[.a1].start(["sleep", "1000"])
            let alive = try Lab.up()
            let dead = try LabProcess(["true"], directory: lab.workspace.path, label: "true")
            try dead.wait()
            try lab.workspace.write("\(dead.pid) 1", to: "owner")
            #expect(Lab.sweep().contains(lab.topology.name))
            #expect(try namespaces(of: lab) == [])
            #expect(try orphan.wait(atMost: .seconds(5)) == .signal(SIGKILL))
            #expect(try namespaces(of: alive).count == 7)
        }

        private func namespaces(of lab: Lab) throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: "/run/netns").filter {
                $0.hasPrefix(lab.topology.name + "-")
            }
        }

        @Test func labsAreSeparate() throws {
            let first = try Lab.up()
            let second = try Lab.up()
            let server = try second[.b1].echo(name: "second")
            #expect(throws: LabError.self) { try first[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)) }
            let greeting = try second[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
            #expect(greeting.app == "second")
            first.down()
            try second[.a1].connect(to: SocketAddress(PodName.b1.v6, 8080)).exchange()
            #expect(server.accepted == 2)
        }

        /// The machine's own rules, routes and links are none of the lab's business.
        @Test func theMachineStaysAsItIs() throws {
            let before = try machine()
            let lab = try Lab.up()
            let service = KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.a1.v4, 8080))
            try KubeProxy([service]).install(on: lab[.a])
            #expect(try machine() == before)
            lab.down()
            #expect(try machine() == before)
        }

        private func machine() throws -> [String] {
            let directory = FileManager.default.temporaryDirectory.path
            return try [
                ["ip", "route", "show", "table", "all"], ["ip", "rule"], ["ip", "-o", "link"],
                ["nft", "list", "ruleset"], ["sysctl", "net.ipv4.ip_forward", "net.ipv4.conf.all.rp_filter"],
            ].map { command in
                let process = try LabProcess(command, directory: directory, label: "apus-machine-\(getpid())")
                defer {
                    try? FileManager.default.removeItem(atPath: process.outputPath)
                    try? FileManager.default.removeItem(atPath: process.errorPath)
                }
                #expect(try process.wait() == .status(0), "\(command): \(process.errors)")
                return process.output
            }
        }

        @Test func socketsTellEndFromReset() throws {
            let lab = try Lab.up()
            let listener = try lab[.b1].listen()
            let target = SocketAddress(PodName.b1.v4, listener.port)
            let first = try lab[.a1].connect(to: target)
            let firstServer = try listener.accept()
            try first.send("hello")
            try first.shutdownWrite()
            #expect(try firstServer.receiveAll() == Array("hello".utf8))
            try firstServer.send("answer")
            firstServer.close()
            #expect(try first.receiveAll() == Array("answer".utf8))

            let second = try lab[.a1].connect(to: target)
            try listener.accept().reset()
            let error = #expect(throws: LabError.self) { try second.receive() }
            #expect(error?.isReset == true)
            listener.close()
            let refused = #expect(throws: LabError.self) { try lab[.a1].connect(to: target) }
            #expect(refused?.isRefused == true)
        }
    }
}
