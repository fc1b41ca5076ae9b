import Foundation
import Glibc
import Lab
import Model
import Testing

/// The cells of a failure matrix: every way of a connection in one state of the proxies, guards and rules of hosts A and B,
/// and what its client sees.
struct FailureCells {
    /// Kernel settings that break naive interception.
    struct Settings: Sendable, CustomTestStringConvertible {
        var reversePathFilter: Int
        var sourceValidMark: Int
        var testDescription: String { "rp_filter=\(reversePathFilter) src_valid_mark=\(sourceValidMark)" }

        /// Before anything is installed; a cluster address on host A that leads to B1 as well.
        func prepare(_ lab: Lab) throws {
            for host in lab.topology.hosts {
                try lab[host].run([
                    "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=\(reversePathFilter)",
                    "net.ipv4.conf.default.rp_filter=\(reversePathFilter)",
                    "net.ipv4.conf.all.src_valid_mark=\(sourceValidMark)",
                ]).required()
            }
            try KubeProxy([
                .init(clusterIP: service4, port: 80, endpoint: SocketAddress(PodName.b1.v4, 8080)),
                .init(clusterIP: service6, port: 80, endpoint: SocketAddress(PodName.b1.v6, 8080)),
            ]).install(on: lab[.a])
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
            return SocketAddress(isV4 ? service4 : service6, 80)
        }
    }

    /// Which hosts' connections somebody else carries.
    struct Remote: Equatable {
        var a = 0
        var b = 0
    }

    private static let service4 = IPAddress(v4: 0x0a60_000a)
    private static let service6 = IPAddress(high: 0xfd96 << 48, low: 10)

    /// Promised is a second; a busy machine has more.
    private static let isStrict = ProcessInfo.processInfo.environment["APUS_STRICT_TIMES"] != nil
    private static let repairMax = Duration.seconds(isStrict ? 1 : 10)

    let lab: Lab
    let guards: [GuardHost]
    /// Who stands in for A, and for B.
    let standIns: (a: ProxyHost, b: ProxyHost)

    // MARK: cells

    /// All ways of a state but those that are reset.
    func all(_ state: String, reset: [Way] = [], _ expected: (Way) -> Remote) throws {
        for way in Way.allCases {
            for isV4 in [true, false] {
                guard !reset.contains(way) else {
                    isReset(state, way, isV4: isV4)
                    continue
                }
                let before = try carried()
                try works(state, way, isV4: isV4)
                let after = try carried()
                let delta = Remote(a: after.a - before.a, b: after.b - before.b)
                #expect(delta == expected(way), "\(state), \(way), \(isV4 ? "v4" : "v6"): by the remote")
            }
        }
    }

    /// A proxy that is down cannot be asked what it carried.
    private func carried() throws -> Remote {
        func count(_ proxy: ProxyHost, _ host: String) throws -> Int {
            guard try proxy.process.isRunning else { return 0 }
            return Int(try proxy.admin.metric("apus_protected_connections_total", ["host": host]))
        }
        return Remote(a: try count(standIns.a, "node-a"), b: try count(standIns.b, "node-b"))
    }

    /// The client reaches the server, which sees the client's own address.
    func works(_ state: String, _ way: Way, isV4: Bool) throws {
        let cell = "\(state), \(way), \(isV4 ? "v4" : "v6")"
        do {
            let socket = try lab[way.client].connect(to: way.target(isV4))
            defer { socket.close() }
            let greeting = try socket.exchange()
            let client = isV4 ? way.client.v4 : way.client.v6
            #expect(greeting.app == "\(way.server)" && greeting.peer.address == client, "\(cell): \(greeting)")
        } catch {
            Issue.record("\(cell): \(error)")
        }
    }

    /// The client hears of it at once.
    private func isReset(_ state: String, _ way: Way, isV4: Bool) {
        let error = #expect(throws: LabError.self, "\(state), \(way), \(isV4 ? "v4" : "v6")") {
            let socket = try lab[way.client].connect(to: way.target(isV4))
            _ = try socket.exchange()
        }
        #expect(error?.isReset == true, "\(state), \(way), \(isV4 ? "v4" : "v6"): \(String(describing: error))")
    }

    // MARK: states that do not depend on who stands in

    /// Takes away the way of tunnels' packets to a host, or gives it back.
    func cut(_ host: HostName, _ isCut: Bool) throws {
        let cutting =
            "nft add table inet cut; nft add chain inet cut in '{ type filter hook prerouting priority raw; }'; "
            + "nft add rule inet cut in udp dport 4799 drop"
        try shell(host, isCut ? cutting : "nft delete table inet cut")
    }

    /// Its end changes nothing, and without it the kernel still switches.
    func guardsDie(_ proxy: ProxyHost, reset: [Way] = [], _ expected: (Way) -> Remote) throws {
        for each in guards { try each.process.signal(SIGKILL) }
        for each in guards { try each.process.wait(atMost: .seconds(5)) }
        try all("guards dead") { _ in Remote() }
        try proxy.kill()
        try all("guards dead, \(proxy.host.name)'s proxy dead", reset: reset, expected)
        try proxy.start()
        for each in guards { try each.start() }
        try settle("guards back") { path($0) == "local" }
    }

    func rulesAreFlushed(_ commands: [String]) throws {
        for command in commands {
            try shell(.b, command)
            try works(command, .inbound, isV4: true)
            let isRepaired = try eventually(within: Self.repairMax) {
                try lab[.b].run(["nft", "list", "chain", "inet", "apus", "decide"]).output.contains("@pods4")
            }
            #expect(isRepaired, "\(command): \(guards[1].errors.suffix(1000))")
            try all("after \(command)") { _ in Remote() }
        }
    }

    /// A proxy that dies again and again hurts nobody for longer than its own death. It is last: the guard leaves such a
    /// proxy alone for a while, so whether it or the remote serves is not said here.
    func flapping(_ proxy: ProxyHost) throws {
        for _ in 0..<5 {
            try proxy.kill()
            try works("flapping, dead", .outbound, isV4: true)
            try proxy.start()
            try works("flapping, back", .outbound, isV4: false)
        }
    }

    // MARK: waiting

    func settle(_ state: String, _ condition: (GuardHost) -> Bool) throws {
        let isSettled = eventually(within: .seconds(10)) { guards.allSatisfy(condition) }
        #expect(isSettled, "\(state): \(guards.map(path)): \(guards.map { $0.errors.suffix(1500) })")
    }

    func path(_ guardian: GuardHost) -> String { guardian.path ?? "unknown" }

    private func shell(_ host: HostName, _ command: String) throws {
        try lab[host].run(["sh", "-c", command]).required()
    }

    /// Servers, and the guards started; `body` is in their life.
    static func run(
        _ lab: Lab, _ a: ProxyHost, _ b: ProxyHost, standIns: (a: ProxyHost, b: ProxyHost),
        _ body: (FailureCells) throws -> Void
    ) throws {
        let servers = try [PodName.a1, .a2, .b1].map { try lab[$0].echo() }
        let guards = [GuardHost(a), GuardHost(b)]
        for each in guards { try each.start() }
        do {
            try body(FailureCells(lab: lab, guards: guards, standIns: standIns))
        } catch {
            throw LabError("\(error)\n\(guards.map { $0.errors.suffix(3000) }.joined(separator: "\n---\n"))")
        }
        #expect(servers.allSatisfy { $0.accepted > 0 })
    }
}
