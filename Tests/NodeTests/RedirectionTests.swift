import Foundation
import Lab
import Model
import Testing

/// `apusctl redirect` on a live host.
extension NodeTests {
    @Suite struct RedirectionTests {
        /// What uninstall has to bring back: rules of every kind, routes, links and sysctls.
        func state(of host: Node) throws -> [String] {
            let commands = [
                ["nft", "-s", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"],
                ["ip", "route", "show", "table", "all"],
                ["ip", "-6", "route", "show", "table", "all"], ["ip", "-br", "link"], ["tc", "qdisc", "show"],
                ["iptables-legacy-save"],
                [
                    "sysctl", "-a", "--pattern",
                    "^net\\.ipv[46]\\.(conf\\.[^.]*\\.(rp_filter|src_valid_mark|accept_local|route_localnet|forwarding)|tcp_|ip_|fwmark)",
                ],
            ]
            return try commands.flatMap { command in
                try host.run(command).required().output.split(separator: "\n").map(String.init)
                    .filter { !$0.hasPrefix("#") }.map { "\(command[0]): \($0)" }
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func uninstallLeavesTheHostAsFound(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.isInstalled = false
                $0.prepare = { lab in
                    try ClosedHost(closesOutput: true).close(lab[.a])
                    // A table that is there, without the chains that Apus needs in it.
                    let other = [
                        "iptables-nft", "-w", "5", "-t", "mangle", "-A", "POSTROUTING", "-o", "none", "-j", "ACCEPT",
                    ]
                    try lab[.a].run(other).required()
                    // Makes the nat table and its chains exist, so that only what Apus adds can differ.
                    let service = KubeProxy.Service(nodePort: 30080, endpoint: SocketAddress(PodName.a2.v4, 8080))
                    try KubeProxy([service]).install(on: lab[.a])
                }
            }) { mesh in
                let before = try state(of: mesh.lab[.a])
                try mesh.redirect("install", mesh.a).required()
                #expect(try state(of: mesh.lab[.a]) != before)
                try mesh.a.redirect("uninstall").required()
                let left = try state(of: mesh.lab[.a]).difference(from: before)
                #expect(left.isEmpty, "\(left)")
                let server = try mesh.lab[.b1].echo()
                try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
                #expect(server.accepted == 1)
                #expect(try mesh.a.accessLog().isEmpty)
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func installAndUninstallTouchNoLiveConnection(backend: Mesh.Backend) throws {
            try withMesh({
                $0.backend = backend
                $0.isInstalled = false
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let target = SocketAddress(PodName.b1.v4, 8080)
                let direct = try mesh.lab[.a1].connect(to: target)
                try direct.exchange()
                for proxy in mesh.proxies { try mesh.redirect("install", proxy).required() }
                try echo("installed", over: direct)
                let proxied = try mesh.lab[.a1].connect(to: target)
                try proxied.exchange()
                // It waits for proxied connections, so they must be able to go on, and to end, while it does.
                let uninstall = Background { try mesh.a.redirect("uninstall") }
                // Direct: B's proxy sees the pod's own port, not one of A's proxy.
                let isDirect = try eventually {
                    let socket = try mesh.lab[.a1].connect(to: target)
                    let greeting = try socket.exchange()
                    let local = try socket.localAddress
                    socket.close()
                    return try mesh.b.record { $0.source == "\(greeting.peer)" }.client == "\(local)"
                }
                #expect(isDirect)
                try echo("uninstalling", over: direct)
                try echo("uninstalling", over: proxied)
                proxied.close()
                try uninstall.value().required()
                try echo("uninstalled", over: direct)
                #expect(server.active >= 1)
            }
        }

        private func echo(_ text: String, over socket: LabSocket) throws {
            try socket.send(text + "\n")
            #expect(try socket.receiveLine() == text)
        }

        @Test(arguments: Mesh.Backend.usual)
        func reinstallUnderLoad(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let isDone = Flag()
                let clients = (0..<3).map { _ in
                    Background {
                        var count = 0
                        while !isDone.isSet {
                            try mesh.lab[.a1].connect(to: SocketAddress(PodName.b1.v4, 8080)).exchange()
                            count += 1
                        }
                        return count
                    }
                }
                for _ in 0..<10 { try mesh.redirect("install", mesh.a).required() }
                isDone.set()
                let count = try clients.map { try $0.value() }.reduce(0, +)
                #expect(count > 10)
                #expect(server.accepted == count)
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
            }
        }

        @Test(arguments: Mesh.Backend.usual)
        func statusNamesWhatIsMissing(backend: Mesh.Backend) throws {
            try withMesh({ $0.backend = backend }) { mesh in
                let whole = try mesh.redirect("status", mesh.a)
                #expect(whole.succeeded, "\(whole)")
                let unasked = try mesh.a.redirect("status")
                #expect(unasked.succeeded, "without --backend it means the installed one: \(unasked)")
                try mesh.lab[.a].run(["ip", "rule", "del", "pref", "100"]).required()
                let broken = try mesh.redirect("status", mesh.a)
                #expect(broken.exit == .status(1), "\(broken)")
                #expect(broken.output.contains("100"), "\(broken)")
                try mesh.redirect("install", mesh.a).required()
                let repaired = try mesh.redirect("status", mesh.a)
                #expect(repaired.succeeded, "\(repaired)")
            }
        }

        /// Another mark field is an update like any other: the rules with the old one go when the new ones are there.
        @Test func anotherMarkFieldReplacesTheOldOne() throws {
            try withMesh { mesh in
                try mesh.a.reload(signal: false) { $0.interception = ["mark: {value: 0x100000, mask: 0x700000}"] }
                try mesh.redirect("install", mesh.a).required()
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
                let rules = try mesh.lab[.a].run(["ip", "rule"]).output
                #expect(rules.contains("0x100000") && !rules.contains("0x10/"), "\(rules)")
                try mesh.a.redirect("uninstall").required()
                #expect(try !mesh.lab[.a].run(["ip", "rule"]).output.contains("fwmark"))
            }
        }
    }
}
