import Foundation
import Glibc
import Lab
import Model
import Testing

/// The guard of host A where its host gives it trouble.
extension NodeTests {
    @Suite struct GuardTroubleTests {
        private let target = SocketAddress(PodName.b1.v4, 8080)

        /// Programs that are killed, each time they are started, while a file is there.
        private struct FailingTools {
            let path: String
            /// What starts a program that finds these first.
            var words: [String] { ["env", "PATH=\(path):\(ProcessInfo.processInfo.environment["PATH"] ?? "")"] }
            private var switchPath: String { path + "/broken" }

            init(_ lab: Lab, _ names: [String]) throws {
                path = lab.workspace.path + "/tools"
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                for name in names {
                    let text = """
                        #!/bin/sh
                        [ -e \(path)/broken ] && kill -9 $$
                        for folder in /usr/sbin /sbin /usr/bin /bin; do
                            [ -x $folder/\(name) ] && exec $folder/\(name) "$@"
                        done
                        exit 127

                        """
                    try text.write(toFile: "\(path)/\(name)", atomically: true, encoding: .utf8)
                    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(path)/\(name)")
                }
            }

            func fail(_ isFailing: Bool) throws {
                if isFailing { return try Data().write(to: URL(filePath: switchPath)) }
                try FileManager.default.removeItem(atPath: switchPath)
            }
        }

        private func withGuard(
            tools: [String]? = nil, words: [String] = [], _ change: (inout MeshPlan) -> Void = { _ in },
            _ body: (Mesh, GuardHost, FailingTools?) throws -> Void
        ) throws {
            try withMesh(change) { mesh in
                let server = try mesh.lab[.b1].echo()
                let failing = try tools.map { try FailingTools(mesh.lab, $0) }
                let guardian = GuardHost(mesh.a)
                do {
                    try guardian.start(failing?.words ?? words)
                    let isComplete = eventually { guardian.workers == 2 }
                    #expect(isComplete, "both workers are found")
                    try withExtendedLifetime(server) { try body(mesh, guardian, failing) }
                } catch {
                    throw LabError("\(error)\napus-guard:\n\(guardian.errors.suffix(4000))")
                }
            }
        }

        /// Makes the guard look at its rules; what is there is as before.
        private func stir(_ host: Node) throws {
            let rule = ["pref", "110", "fwmark", "0x100000/0x100000", "lookup", "9"]
            for verb in ["add", "del"] { try host.run(["ip", "rule", verb] + rule).required() }
        }

        // MARK: looks that fail

        @Test(arguments: [["nft"], ["ip"], ["nft", "ip", "iptables-nft-save", "bridge", "tc"]])
        func whatNobodyCouldSeeIsNotRepaired(tools: [String]) throws {
            try withGuard(tools: tools) { mesh, guardian, failing in
                let host = mesh.lab[.a]
                func rules() throws -> String {
                    try host.run([
                        "sh", "-c", "nft -s -a list table inet apus; ip rule; ip -6 rule; ip route show table 1500",
                    ]).output
                }
                let before = try rules()
                let repairs = try guardian.admin.metric("apus_guard_rule_repairs_total")
                try failing?.fail(true)
                try stir(host)
                let isSaid = eventually {
                    guardian.ready.map { $0.status == 503 && $0.body.contains("killed by signal 9") } == true
                }
                #expect(isSaid, "\(guardian.errors)")
                #expect(try mesh.a.carries(from: mesh.lab[.a1], to: target))
                try failing?.fail(false)
                let isOver = eventually { guardian.ready?.status == 200 }
                #expect(isOver, "\(guardian.errors)")
                #expect(try rules() == before, "not one handle is another")
                #expect(try guardian.admin.metric("apus_guard_rule_repairs_total") == repairs, "\(guardian.errors)")
            }
        }

        // MARK: what others put in the way

        /// Somebody else's rule, route, table or device: the guard keeps what it can, judges the proxy and switches.
        @Test(arguments: [
            ("ip rule add pref 100 fwmark 0x200000/0x200000 lookup 9", "ip rule del pref 100 fwmark 0x200000/0x200000"),
            ("ip rule add pref 4000 fwmark 0x10/0x10 lookup 9", "ip rule del pref 4000"),
            ("ip route add 192.0.2.0/24 dev lo table 1500", "ip route del 192.0.2.0/24 table 1500"),
            (
                "nft 'add table ip other; add chain ip other pre { type filter hook prerouting priority 0; }; "
                    + "add rule ip other pre ip daddr 192.0.2.1 meta mark set 0x30'",
                "nft delete table ip other"
            ),
        ]) func aConflictBlindsNobody(making: String, ending: String) throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                try host.run(["sh", "-c", making]).required()
                try stir(host)
                let isSaid = eventually {
                    guardian.ready.map { $0.status == 503 && $0.body.contains("in their way") } == true
                        && (try? guardian.admin.metric("apus_guard_rule_conflicts")) == 1
                }
                #expect(isSaid, "\(guardian.errors)")
                // What is ours is repaired beside it.
                try host.run(["ip", "rule", "del", "pref", "99"]).required()
                let isRepaired = try eventually {
                    try host.run(["ip", "rule", "show", "pref", "99"]).output.contains("lo")
                }
                #expect(isRepaired, "\(guardian.errors)")
                try mesh.a.process.signal(SIGSTOP)
                let time = mesh.lab[.a1].timeUntilServed(target)
                #expect(time < .seconds(3), "\(time)\n\(guardian.errors)")
                let isTaken = eventually { guardian.isTaken && guardian.isState("hung") }
                #expect(isTaken, "\(guardian.errors)")
                try mesh.a.process.signal(SIGCONT)
                let isBack = try eventually(within: .seconds(10)) {
                    try mesh.a.carries(from: mesh.lab[.a1], to: target)
                }
                #expect(isBack, "\(guardian.errors)")
                try host.run(["sh", "-c", ending]).required()
                let isOver = eventually { guardian.ready?.status == 200 }
                #expect(isOver, "\(guardian.errors)")
            }
        }

        // MARK: many rules

        /// So long a look has to take for the test to show anything.
        private static let longLook = Duration.seconds(5)

        /// Rules of somebody else, as many as make a look that long on this machine. Returns how long it is.
        private func crowd(_ mesh: Mesh) throws -> Duration {
            let host = mesh.lab[.a]
            let chains = (0..<400).map { "add chain ip crowd c\($0)\n" }
            let bases = (0..<40).map { base in
                let jumps = (0..<10).map { "add rule ip crowd b\(base) jump c\(base * 10 + $0)\n" }
                return "add chain ip crowd b\(base) { type filter hook prerouting priority \(base); }\n"
                    + jumps.joined()
            }
            var text = "add table ip crowd\n" + (chains + bases).joined()
            var (look, count, more) = (Duration.zero, 0, 6000)
            while look < Self.longLook, count < 100_000 {
                for index in 0..<more {
                    text += "add rule ip crowd c\(index % 400) ip daddr 203.0.113.\(index % 250) counter\n"
                }
                let file = try host.workspace.write(text, to: "crowd-\(count).nft")
                try host.run(["nft", "-f", file]).required()
                look = try ContinuousClock().measure { try mesh.redirect("install", mesh.a).required() }
                (text, count, more) = ("", count + more, count + more)
            }
            return look
        }

        /// A look at these takes seconds; the switch does not wait for one.
        @Test func aSwitchDoesNotWaitForALook() throws {
            try withGuard { mesh, guardian, _ in
                let look = try crowd(mesh)
                let isSettled = eventually(within: .seconds(60)) { guardian.ready?.status == 200 }
                #expect(isSettled, "\(guardian.errors)")
                try stir(mesh.lab[.a])
                let isLooking = eventually { guardian.ready?.body.contains("being compared") == true }
                #expect(isLooking, "\(guardian.errors)")
                // For two seconds of it what happens to probes is put down to the rules.
                let isOver = eventually(within: .milliseconds(2200)) { guardian.ready?.status == 200 }
                try #require(!isOver, "the crowd is too small to show anything: a look takes \(look)")
                try mesh.a.process.signal(SIGSTOP)
                let time = mesh.lab[.a1].timeUntilServed(target)
                #expect(guardian.ready?.status == 503, "the look is over: it takes \(look)")
                #expect(time < .seconds(1), "\(time); a look takes \(look)\n\(guardian.errors)")
                try mesh.a.process.signal(SIGCONT)
            }
        }

        // MARK: a flood of news

        /// A routing daemon's next hops and routes, as many as a large one has in a moment.
        private func flood(_ host: Node, _ count: Int) throws -> String {
            let lines = (0..<count).flatMap { index in
                [
                    "nexthop add id \(200_000 + index) blackhole",
                    "route add 100.\(64 + index / 65536).\(index / 256 % 256).\(index % 256)/32 dev lo proto 186",
                ]
            }
            return try host.workspace.write(lines.joined(separator: "\n") + "\n", to: "flood-\(host.name)")
        }

        @Test func othersRoutesAndNextHopsDisturbNobody() throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                let file = try flood(host, 20_000)
                let flood = try host.start(["ip", "-batch", file])
                defer { flood.signal(SIGKILL) }
                var wasDisturbed = false
                let isOver = eventually(within: .seconds(20)) {
                    wasDisturbed = wasDisturbed || guardian.ready?.status != 200
                    return !flood.isRunning
                }
                #expect(isOver && !wasDisturbed, "\(guardian.errors)")
                #expect(try guardian.admin.metric("apus_guard_news_lost_total") == 0)
                #expect(guardian.isState("serving"))
            }
        }

        /// It did not run while more happened than its sockets hold, and among that its rule went.
        @Test func newsThatGotLostLeadToALook() throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                try guardian.process.signal(SIGSTOP)
                let file = try flood(host, 40_000)
                try host.run(["ip", "-batch", file]).required()
                try host.run(["ip", "rule", "del", "pref", "100"]).required()
                try guardian.process.signal(SIGCONT)
                let time = try ContinuousClock().measure {
                    let isBack = try eventually {
                        try host.run(["ip", "rule", "show", "pref", "100"]).output.contains("1500")
                    }
                    #expect(isBack, "\(guardian.errors)")
                }
                #expect(time < .seconds(3), "\(time)")
                #expect(try guardian.admin.metric("apus_guard_news_lost_total") > 0)
                let isWell = eventually { guardian.ready?.status == 200 && guardian.isState("serving") }
                #expect(isWell, "\(guardian.ready?.body ?? "-")\n\(guardian.errors)")
            }
        }

        // MARK: who may do what

        @Test func ordersAreRoots() throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                for path in ["/force?mode=remote", "/drill"] {
                    #expect(try guardian.admin.request(path, method: "POST").status == 403, "\(path)")
                }
                let folder = "/run/apus/\(host.namespace.inode)"
                let modes = try host.run(["stat", "-c", "%a", folder, folder + "/guard.sock", folder + "/rules.lock"])
                #expect(modes.output == "700\n600\n600\n", "\(modes)")
                let nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
                let force = try host.run(nobody + [Programs.path("apusctl"), "failover", "force", "remote"])
                #expect(force.exit == .status(1) && force.errors.contains("permission denied"), "\(force)")
                let lock = try host.run(nobody + ["flock", "-n", folder + "/rules.lock", "true"])
                #expect(!lock.succeeded, "\(lock)")
                #expect(try guardian.admin.metric("apus_guard_forced", ["mode": "auto"]) == 1)
                try guardian.control(["force", "remote"]).required()
                try guardian.control(["force", "auto"]).required()
            }
        }

        @Test func aSecondGuardIsRefusedAndTheFirstOnesEndGivesTheHostFree() throws {
            try withGuard { mesh, guardian, _ in
                let second = try mesh.lab[.a].run([
                    Programs.path("apus-guard"), "--config", mesh.a.configurationPath,
                ])
                #expect(second.exit == .status(1) && second.errors.contains("another apus-guard"), "\(second)")
                try guardian.kill()
                try guardian.start()
            }
        }

        // MARK: uninstall, and programs that are not there

        /// Between its two steps a guard must not repair what is missing; rules that are installed again stay.
        @Test func anUninstallThatWaitsIsLeftAlone() throws {
            try withGuard { mesh, guardian, _ in
                let held = try mesh.lab[.a1].connect(to: target)
                try held.exchange()
                let repairs = try guardian.admin.metric("apus_guard_rule_repairs_total")
                let control = try Programs.path("apusctl")
                let leaving = try mesh.lab[.a].start([control, "redirect", "uninstall", "--wait", "20s"])
                let hasStopped = try eventually { try !mesh.a.carries(from: mesh.lab[.a1], to: target) }
                #expect(hasStopped)
                try stir(mesh.lab[.a])
                let isUndone = try eventually(within: .milliseconds(1500)) {
                    try mesh.a.carries(from: mesh.lab[.a1], to: target)
                }
                #expect(!isUndone, "\(guardian.errors)")
                #expect(try guardian.admin.metric("apus_guard_rule_repairs_total") == repairs, "\(guardian.errors)")
                try held.echo("still there")
                try mesh.redirect("install", mesh.a).required()
                held.close()
                let exit = try leaving.wait(atMost: .seconds(30))
                #expect(exit == .status(1) && leaving.errors.contains("installed again"), "\(leaving.errors)")
                let isBack = try eventually { try mesh.a.carries(from: mesh.lab[.a1], to: target) }
                #expect(isBack)
                let isReady = eventually(within: .seconds(15)) { guardian.ready?.status == 200 }
                #expect(isReady, "\(guardian.errors)")
            }
        }

        /// nft alone is enough.
        @Test func withoutTheProgramsOfIptablesItKeepsTheRules() throws {
            let hiding = "for f in /usr/sbin/xtables-*-multi; do mount --bind /dev/null $f; done; exec \"$@\""
            try withGuard(words: ["unshare", "--mount", "sh", "-c", hiding, "sh"]) { mesh, guardian, _ in
                let host = mesh.lab[.a]
                try host.run(["nft", "delete", "table", "inet", "apus"]).required()
                let isBack = try eventually { try mesh.a.carries(from: mesh.lab[.a1], to: target) }
                #expect(isBack, "\(guardian.errors)")
                let isReady = eventually { guardian.ready?.status == 200 }
                #expect(isReady, "\(guardian.errors)")
                try mesh.a.process.signal(SIGSTOP)
                let time = mesh.lab[.a1].timeUntilServed(target)
                #expect(time < .seconds(1), "\(time)\n\(guardian.errors)")
                try mesh.a.process.signal(SIGCONT)
            }
        }
    }
}
