import Foundation
import Glibc
import Lab
import Model
import Testing

/// Every way of a connection in every state of the proxies, the remote, the guard and the rules: what its client sees.
extension NodeTests {
    @Suite struct FailureMatrixTests {
        /// Kernel settings that break naive interception.
        struct Settings: Sendable, CustomTestStringConvertible {
            var reversePathFilter: Int
            var sourceValidMark: Int
            var testDescription: String { "rp_filter=\(reversePathFilter) src_valid_mark=\(sourceValidMark)" }

            func apply(to host: Node) throws {
                try host.run([
                    "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=\(reversePathFilter)",
                    "net.ipv4.conf.default.rp_filter=\(reversePathFilter)",
                    "net.ipv4.conf.all.src_valid_mark=\(sourceValidMark)",
                ]).required()
            }
        }

        /// A client, and the server it reaches.
        enum Way: CaseIterable {
            case outbound, inbound, sameHost, clusterIP

            var client: PodName { self == .inbound ? .b1 : .a1 }
            var server: PodName {
                switch self {
                case .outbound, .clusterIP: .b1
                case .inbound: .a1
                case .sameHost: .a2
                }
            }

            func target(_ isV4: Bool) -> SocketAddress {
                guard self == .clusterIP else { return SocketAddress(isV4 ? server.v4 : server.v6, 8080) }
                return SocketAddress(isV4 ? FailureMatrixTests.service4 : FailureMatrixTests.service6, 80)
            }
        }

        /// Which hosts' connections the remote carries.
        struct Remote: Equatable {
            var a = 0
            var b = 0
        }

        private static let service4 = IPAddress(v4: 0x0a60_000a)
        private static let service6 = IPAddress(high: 0xfd96 << 48, low: 10)

        @Test(arguments: [
            Settings(reversePathFilter: 0, sourceValidMark: 0), Settings(reversePathFilter: 1, sourceValidMark: 0),
            Settings(reversePathFilter: 0, sourceValidMark: 1), Settings(reversePathFilter: 1, sourceValidMark: 1),
        ])
        func everyCell(settings: Settings) throws {
            try withRemote({
                $0.prepare = { lab in
                    for host in [HostName.a, .b, .c] { try settings.apply(to: lab[host]) }
                    try KubeProxy([
                        .init(clusterIP: Self.service4, port: 80, endpoint: SocketAddress(PodName.b1.v4, 8080)),
                        .init(clusterIP: Self.service6, port: 80, endpoint: SocketAddress(PodName.b1.v6, 8080)),
                    ]).install(on: lab[.a])
                }
            }) { mesh in
                let servers = try [PodName.a1, .a2, .b1].map { try mesh.lab[$0].echo() }
                let guards = [GuardHost(mesh.a), GuardHost(mesh.b)]
                for proxy in [mesh.a, mesh.b] { try proxy.start() }
                for each in guards { try each.start() }
                do {
                    try Matrix(mesh: mesh, guards: guards).run()
                } catch {
                    throw LabError("\(error)\n\(guards.map { $0.errors.suffix(3000) }.joined(separator: "\n---\n"))")
                }
                #expect(servers.allSatisfy { $0.accepted > 0 })
            }
        }

        /// The states, one after the other on one lab.
        private struct Matrix {
            let mesh: RemoteMesh
            let guards: [GuardHost]

            func run() throws {
                try all("everybody alive") { _ in Remote() }
                try mesh.a.kill()
                try all("A's proxy dead") { _ in Remote(a: 1) }
                try mesh.b.kill()
                try all("both proxies dead") { $0 == .sameHost ? Remote(a: 1) : Remote(a: 1, b: 1) }
                try remoteFails()
                try proxiesReturn()
                try guardDies()
                try rulesAreFlushed()
                try flapping()
            }

            /// Dead, so that its host refuses; then unreachable, so that nobody answers. The guards go on to `direct`.
            private func remoteFails() throws {
                try mesh.c.kill()
                try settle("the remote dead") { path($0) == "direct" }
                try all("the remote dead", isRemoteUp: false) { _ in Remote() }
                try mesh.c.start()
                try settle("the remote back") { path($0) == "remote" }
                try all("the remote back") { $0 == .sameHost ? Remote(a: 1) : Remote(a: 1, b: 1) }
                let underlay =
                    "nft add table inet cut; nft add chain inet cut in '{ type filter hook prerouting priority raw; }'"
                try shell(.c, "\(underlay); nft add rule inet cut in udp dport 4799 drop")
                try settle("the remote unreachable") { path($0) == "direct" }
                try all("the remote unreachable") { _ in Remote() }
                try shell(.c, "nft delete table inet cut")
                try settle("the remote reachable") { path($0) == "remote" }
            }

            private func proxiesReturn() throws {
                for proxy in [mesh.a, mesh.b] { try proxy.start() }
                try settle("the return") { path($0) == "local" }
                try all("the return") { _ in Remote() }
            }

            /// A proxy that dies again and again hurts nobody for longer than its own death. It is last: the guard leaves
            /// such a proxy alone for a while, so whether it or the remote serves is not said here.
            private func flapping() throws {
                for _ in 0..<5 {
                    try mesh.a.kill()
                    try works("flapping, dead", .outbound, isV4: true)
                    try mesh.a.start()
                    try works("flapping, back", .outbound, isV4: false)
                }
            }

            /// Its end changes nothing, and without it the kernel still switches.
            private func guardDies() throws {
                for each in guards { try each.process.signal(SIGKILL) }
                for each in guards { try each.process.wait(atMost: .seconds(5)) }
                try all("guards dead") { _ in Remote() }
                try mesh.a.kill()
                try all("guards dead, A's proxy dead") { _ in Remote(a: 1) }
                try mesh.a.start()
                for each in guards { try each.start() }
                try settle("guards back") { path($0) == "local" }
            }

            private func rulesAreFlushed() throws {
                for command in ["nft flush table inet apus", "nft delete table inet apus", "nft flush ruleset"] {
                    try shell(.b, command)
                    try works(command, .inbound, isV4: true)
                    let isRepaired = try eventually(within: .seconds(1)) {
                        try mesh.lab[.b].run(["nft", "list", "chain", "inet", "apus", "decide"]).output.contains(
                            "@pods4")
                    }
                    #expect(isRepaired, "\(command): \(guards[1].errors.suffix(1000))")
                    try all("after \(command)") { _ in Remote() }
                }
            }

            // MARK: cells

            /// All ways of a state. A remote that is down cannot be asked what it carried.
            private func all(
                _ state: String, isRemoteUp: Bool = true, _ expected: (Way) -> Remote
            ) throws {
                let remote = isRemoteUp ? mesh.c : nil
                for way in Way.allCases {
                    for isV4 in [true, false] {
                        let before = try remote.map(carried)
                        try works(state, way, isV4: isV4)
                        guard let remote, let before else { continue }
                        let after = try carried(by: remote)
                        let delta = Remote(a: after.a - before.a, b: after.b - before.b)
                        #expect(delta == expected(way), "\(state), \(way), \(isV4 ? "v4" : "v6"): by the remote")
                    }
                }
            }

            private func carried(by remote: ProxyHost) throws -> Remote {
                func count(_ host: String) throws -> Int {
                    Int(try remote.admin.metric("apus_protected_connections_total", ["host": host]))
                }
                return Remote(a: try count("node-a"), b: try count("node-b"))
            }

            /// The client reaches the server, which sees the client's own address.
            private func works(_ state: String, _ way: Way, isV4: Bool) throws {
                let cell = "\(state), \(way), \(isV4 ? "v4" : "v6")"
                do {
                    let socket = try mesh.lab[way.client].connect(to: way.target(isV4))
                    defer { socket.close() }
                    let greeting = try socket.exchange()
                    let client = isV4 ? way.client.v4 : way.client.v6
                    #expect(greeting.app == "\(way.server)" && greeting.peer.address == client, "\(cell): \(greeting)")
                } catch {
                    Issue.record("\(cell): \(error)")
                }
            }

            // MARK: waiting

            private func settle(_ state: String, _ condition: (GuardHost) -> Bool) throws {
                let isSettled = eventually(within: .seconds(10)) { guards.allSatisfy(condition) }
                #expect(isSettled, "\(state): \(guards.map(path)): \(guards.map { $0.errors.suffix(1500) })")
            }

            private func path(_ guardian: GuardHost) -> String {
                let paths = ["local", "remote", "direct", "drop"]
                return paths.first { (try? guardian.admin.metric("apus_guard_path", ["path": $0])) == 1 } ?? "unknown"
            }

            private func shell(_ host: HostName, _ command: String) throws {
                try mesh.lab[host].run(["sh", "-c", command]).required()
            }
        }
    }
}
