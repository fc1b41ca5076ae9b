import Foundation
import Glibc
import Lab
import Model
import Testing

/// The guard of host A where C stands in for it.
extension NodeTests {
    @Suite struct GuardRemoteTests {
        private let target = SocketAddress(PodName.b1.v4, 8080)
        private let target6 = SocketAddress(PodName.b1.v6, 8080)

        private func withGuard(
            _ policy: String = "remote, direct", _ body: (RemoteMesh, GuardHost, EchoServer) throws -> Void
        ) throws {
            try withRemote({ $0.a.policy = policy }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let guardian = GuardHost(mesh.a)
                do {
                    // With B's, what C carries is A's.
                    try mesh.b.start()
                    try mesh.a.start()
                    try guardian.start()
                    let isComplete = eventually {
                        guardian.workers == 2 && guardian.isRemoteHealthy == true
                    }
                    #expect(isComplete, "both workers and the remote are found: \(guardian.errors)")
                    try body(mesh, guardian, server)
                } catch {
                    throw LabError("\(error)\napus-guard:\n\(guardian.errors.suffix(4000))")
                }
            }
        }

        private func goes(through proxy: ProxyHost, _ mesh: RemoteMesh) throws -> Bool {
            try proxy.carries(from: mesh.lab[.a1], to: target)
        }

        @Test func aHungProxysConnectionsGoThroughTheRemoteAndComeBack() throws {
            try withGuard { mesh, guardian, _ in
                #expect(try goes(through: mesh.a, mesh))
                try mesh.a.process.signal(SIGSTOP)
                let time = ContinuousClock().measure {
                    for target in [target, target6] {
                        _ = eventually { mesh.lab[.a1].reaches(target, within: .milliseconds(100)) }
                    }
                }
                #expect(time < .seconds(1), "\(time)\n\(guardian.errors)")
                for _ in 0..<25 { #expect(mesh.lab[.a1].reaches(target) && mesh.lab[.a1].reaches(target6)) }
                #expect(try goes(through: mesh.c, mesh))
                #expect(guardian.path == "remote")
                let held = try mesh.lab[.a1].connect(to: target)
                try held.exchange()
                try mesh.a.process.signal(SIGCONT)
                let isBack = try eventually(within: .seconds(10)) { try goes(through: mesh.a, mesh) }
                #expect(isBack, "\(guardian.errors)")
                try held.echo("still through the remote")
            }
        }

        /// Nobody is left alone with a remote that does not answer.
        @Test(arguments: ["remote, direct", "remote, drop"]) func aDeadRemoteMeansTheNextAnswer(policy: String) throws {
            try withGuard(policy) { mesh, guardian, _ in
                try mesh.a.kill()
                #expect(try goes(through: mesh.c, mesh))
                try mesh.c.kill()
                let isSeen = eventually { guardian.isRemoteHealthy == false && guardian.path != "remote" }
                #expect(isSeen, "\(guardian.errors)")
                if policy == "remote, direct" {
                    for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                } else {
                    #expect(!mesh.lab[.a1].reaches(target) && guardian.path == "drop")
                }
                try mesh.c.start()
                let isBack = try eventually(within: .seconds(10)) { try goes(through: mesh.c, mesh) }
                #expect(isBack, "\(guardian.errors)")
                try mesh.a.start()
                #expect(try goes(through: mesh.a, mesh))
            }
        }

        /// The server ends its connections first, so the proxy's side of the client's keeps their tuples for a minute.
        @Test func portsThatAreUsedAgainAreServed() throws {
            try withGuard { mesh, guardian, _ in
                let web = try mesh.lab[.b1].serveHTTP(port: 8081)
                func get(_ port: UInt16) throws -> HTTPReply {
                    let source = SocketAddress(PodName.a1.v4, port)
                    let socket = try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8081), from: source)
                    return try HTTPClient(socket).request("GET", "/", ["connection": "close"])
                }
                let ports = (0..<20).map { UInt16(41000 + $0) }
                for port in ports { #expect(try get(port).status == 200) }
                try guardian.control(["force", "remote"]).required()
                let time = try ContinuousClock().measure {
                    for port in ports {
                        let status = try get(port).status
                        #expect(status == 200)
                    }
                }
                #expect(time < .seconds(2), "\(time)")
                #expect(web.accepted == 40)
            }
        }

        @Test func aDrillIsAnsweredByTheRemote() throws {
            try withGuard { mesh, guardian, _ in
                let drill = try guardian.control(["drill"])
                #expect(drill.succeeded && drill.output.contains("remote"), "\(drill)")
                #expect(drill.output.components(separatedBy: "answered after").count == 3, "both families: \(drill)")
                let lines = try mesh.c.accessLog().count
                let pod = ProxyConfiguration.name(of: .a1)
                let own = try guardian.control(["drill", "--pod", pod, "--to", "\(target)"])
                #expect(own.succeeded, "\(own)")
                let isSeen = try eventually { try mesh.c.accessLog().count > lines }
                #expect(isSeen, "the remote has carried it")
                let isBack = try goes(through: mesh.a, mesh)
                #expect(isBack, "\(guardian.errors)")
            }
        }

        /// Whoever damages the way to the remote.
        @Test func driftOfTheTunnelIsRepairedWithinASecond() throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                for damage in [
                    "ip link del apus-tun", "ip route del default table 1501", "ip rule del pref 101",
                    "ip link set apus-tun down",
                ] {
                    try host.run(["sh", "-c", damage]).required()
                    let time = try ContinuousClock().measure {
                        let isRepaired = try eventually(within: .seconds(5)) {
                            try guardian.control(["status"]).output.contains("as desired")
                                && host.run([
                                    "sh", "-c",
                                    "ip link show apus-tun | grep -q LOWER_UP && ip route show table 1501 | grep -q default && ip rule show pref 101 | grep -q 1501",
                                ]).succeeded
                        }
                        #expect(isRepaired, "\(damage): \(guardian.errors.suffix(1000))")
                    }
                    #expect(time < .seconds(1), "\(damage): \(time)")
                }
                try mesh.a.kill()
                let isServed = try eventually { try goes(through: mesh.c, mesh) }
                #expect(isServed)
            }
        }

        /// A host that had none gets remotes while its guard runs.
        @Test func aReloadThatBringsRemotesIsFollowed() throws {
            let alone = { (plan: inout RemoteMeshPlan) in
                plan.a.policy = "direct"
                plan.a.failover = []
            }
            try withRemote(alone) { mesh in
                let server = try mesh.lab[.b1].echo()
                let guardian = GuardHost(mesh.a)
                try mesh.b.start()
                try mesh.a.start()
                try guardian.start()
                try mesh.a.reload {
                    $0.policy = "remote, direct"
                    $0.failover = RemoteMeshPlan().a.failover
                }
                let isFollowed = eventually(within: .seconds(10)) {
                    guardian.isRemoteHealthy == true && guardian.workers == 2 && guardian.ready?.status == 200
                }
                #expect(isFollowed, "\(guardian.errors)")
                try mesh.a.process.signal(SIGSTOP)
                let time = mesh.lab[.a1].timeUntilServed(target)
                #expect(time < .seconds(1), "\(time)\n\(guardian.errors)")
                #expect(try goes(through: mesh.c, mesh))
                try mesh.a.process.signal(SIGCONT)
                let isBack = try eventually(within: .seconds(10)) { try goes(through: mesh.a, mesh) }
                #expect(isBack, "\(guardian.errors)")
                #expect(guardian.ready?.status == 200)
                withExtendedLifetime(server) {}
            }
        }

        /// A pod can write any sender's address, also that of a remote.
        @Test func aPodIsNoPeer() throws {
            try withRemote { mesh in
                let (host, pod) = (mesh.lab[.a], mesh.lab[.a1])
                func strangers() throws -> Int {
                    let text = try host.run(["nft", "list", "counter", "inet", "apus", "strangers"]).output
                    let words = text.split(whereSeparator: \.isWhitespace)
                    guard let at = words.firstIndex(of: "packets"), let count = Int(words[at + 1]) else {
                        throw LabError("no counter: \(text)")
                    }
                    return count
                }
                let way = "$(ip route show default | cut -d' ' -f2-)"
                try pod.run(["sh", "-c", "ip address add \(HostName.c.v4)/32 dev lo"]).required()
                try pod.run(["sh", "-c", "ip route add \(HostName.a.v4)/32 \(way) src \(HostName.c.v4)"]).required()
                let before = try strangers()
                let socket = try LabDatagram(in: pod)
                for _ in 0..<5 {
                    try socket.send(
                        String(repeating: "x", count: 60), to: SocketAddress(HostName.a.v4, 4799))
                }
                let areSeen = try eventually { try strangers() == before + 5 }
                #expect(areSeen)
                // The peer itself is none.
                try mesh.b.start()
                let server = try mesh.lab[.b1].echo()
                #expect(try goes(through: mesh.c, mesh))
                #expect(try strangers() == before + 5)
                withExtendedLifetime(server) {}
            }
        }
    }
}
