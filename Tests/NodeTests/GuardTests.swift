import Foundation
import Glibc
import Lab
import Model
import Testing

/// The guard of host A beside a real proxy and real rules.
extension NodeTests {
    @Suite struct GuardTests {
        private let target = SocketAddress(PodName.b1.v4, 8080)

        /// A mesh whose host A has a guard, after its probes have found every worker.
        private func withGuard(
            policy: String = "direct", _ change: (inout MeshPlan) -> Void = { _ in },
            _ body: (Mesh, GuardHost, EchoServer) throws -> Void
        ) throws {
            try withMesh({
                $0.a.policy = policy
                change(&$0)
            }) { mesh in
                let server = try mesh.lab[.b1].echo()
                let guardian = GuardHost(mesh.a)
                do {
                    try guardian.start()
                    let isComplete = eventually { guardian.workers == 2 }
                    #expect(isComplete, "both workers are found")
                    try body(mesh, guardian, server)
                } catch {
                    throw LabError("\(error)\napus-guard:\n\(guardian.errors.suffix(4000))")
                }
            }
        }

        /// Whether new connections are the proxy's.
        private func isLocal(_ mesh: Mesh) throws -> Bool {
            try mesh.a.carries(from: mesh.lab[.a1], to: target)
        }

        // MARK: hang

        @Test(arguments: [Mesh.Backend.nft, .iptables, .xtablesOnly])
        func aHungProxyIsTakenOutAndComesBack(backend: Mesh.Backend) throws {
            try withGuard({ $0.backend = backend }) { mesh, guardian, _ in
                #expect(try isLocal(mesh))
                try mesh.a.process.signal(SIGSTOP)
                let target6 = SocketAddress(PodName.b1.v6, 8080)
                let time = mesh.lab[.a1].timeUntilServed(target) + mesh.lab[.a1].timeUntilServed(target6)
                #expect(time < .seconds(1), "\(time)\n\(guardian.errors)")
                for _ in 0..<50 { #expect(mesh.lab[.a1].reaches(target) && mesh.lab[.a1].reaches(target6)) }
                try mesh.a.process.signal(SIGCONT)
                let isBack = try eventually(within: .seconds(10)) { try isLocal(mesh) }
                #expect(isBack, "\(guardian.errors)")
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
            }
        }

        /// Without nf_tables nothing falls through by itself: the guard switches, in both directions.
        @Test func withoutNfTablesTheGuardSwitches() throws {
            try withGuard({ $0.backend = .xtablesOnly }) { mesh, guardian, _ in
                try mesh.a.kill()
                let time = mesh.lab[.a1].timeUntilServed(target)
                #expect(time < .seconds(1), "\(time)\n\(guardian.errors)")
                let isSeen = eventually { guardian.isState("absent") && guardian.isTaken }
                #expect(isSeen, "\(guardian.errors)")
                for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                try mesh.a.start()
                let isBack = try eventually(within: .seconds(10)) { try isLocal(mesh) }
                #expect(isBack, "\(guardian.errors)")
            }
        }

        /// It goes to the rules in force when it starts anew.
        @Test func theGuardsEndChangesNothing() throws {
            try withGuard { mesh, guardian, _ in
                try guardian.kill()
                #expect(try isLocal(mesh))
                try guardian.start()
                try mesh.a.process.signal(SIGSTOP)
                let isTakenOut = eventually { guardian.isTaken }
                #expect(isTakenOut)
                try guardian.kill()
                for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                try guardian.start()
                for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                #expect(guardian.isTaken)
                try mesh.a.process.signal(SIGCONT)
                let isBack = try eventually(within: .seconds(10)) { try isLocal(mesh) }
                #expect(isBack, "\(guardian.errors)")
            }
        }

        /// Whether the guard hears of the proxy's admin API.
        private func mute(_ isMute: Bool, _ host: Node) throws {
            let text =
                isMute
                ? "table inet mute { chain in { type filter hook input priority 0; tcp dport 15000 drop; }; }"
                : "delete table inet mute"
            try host.run(["nft", text]).required()
        }

        @Test(arguments: [false, true]) func onlyWithoutAnyProgressItIsKilled(isSilent: Bool) throws {
            try withGuard({ $0.a.failover = ["probe: {killAfter: 1s}"] }) { mesh, guardian, _ in
                if isSilent { try mute(true, mesh.lab[.a]) }
                // Starved: 20 ms of every 400.
                for _ in 0..<10 {
                    try mesh.a.process.signal(SIGSTOP)
                    usleep(380_000)
                    try mesh.a.process.signal(SIGCONT)
                    usleep(20_000)
                }
                #expect(try mesh.a.process.isRunning, "\(guardian.errors)")
                try mesh.a.process.signal(SIGSTOP)
                let exit = try mesh.a.process.wait(atMost: .seconds(10))
                #expect(exit == .signal(SIGKILL))
                #expect(guardian.errors.contains("killed: no progress"))
                for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                if isSilent { try mute(false, mesh.lab[.a]) }
                try mesh.a.start()
                let isBack = try eventually(within: .seconds(10)) { try isLocal(mesh) }
                #expect(isBack, "\(guardian.errors)")
            }
        }

        /// It uses CPU time, and its admin API answers or does not, but one worker makes no turn.
        @Test(arguments: [false, true]) func aProxyWithAWorkerThatSpinsIsKilled(isSilent: Bool) throws {
            try withGuard({ $0.a.failover = ["probe: {killAfter: 1s}"] }) { mesh, guardian, _ in
                if isSilent { try mute(true, mesh.lab[.a]) }
                try mesh.a.process.spin(thread: "worker-0")
                let isTakenOut = eventually { guardian.isTaken }
                #expect(isTakenOut, "\(guardian.errors)")
                for _ in 0..<20 { #expect(mesh.lab[.a1].reaches(target)) }
                let exit = try mesh.a.process.wait(atMost: .seconds(20))
                #expect(exit == .signal(SIGKILL))
                #expect(guardian.errors.contains("killed: no progress"))
                if isSilent { try mute(false, mesh.lab[.a]) }
                try mesh.a.start()
                let isBack = try eventually(within: .seconds(10)) { try isLocal(mesh) }
                #expect(isBack, "\(guardian.errors)")
            }
        }

        /// New connections would end with each of its short lives.
        @Test func aProxyThatKeepsDyingIsLeftAlone() throws {
            try withGuard { mesh, guardian, _ in
                for round in 1...3 {
                    try mesh.a.kill()
                    let isSeen = eventually { guardian.isState("absent") }
                    #expect(isSeen, "round \(round)")
                    try mesh.a.start()
                    let isBack = eventually { guardian.isState("serving") }
                    #expect(isBack, "round \(round)")
                    if round < 3 { #expect(try isLocal(mesh), "round \(round)") }
                }
                let isTakenOut = eventually { guardian.isTaken }
                #expect(isTakenOut, "\(guardian.errors)")
                #expect(try !isLocal(mesh))
                #expect(mesh.lab[.a1].reaches(target))
                #expect(try guardian.control(["status"]).output.contains("back-off"))
            }
        }

        // MARK: rules

        @Test func driftIsRepairedWithinASecond() throws {
            try withGuard { mesh, guardian, _ in
                let host = mesh.lab[.a]
                func rules() throws -> String {
                    try host.run([
                        "sh", "-c", "nft -s list table inet apus; ip rule; ip -6 rule; ip route show table 1500",
                    ]).output
                }
                let before = try rules()
                let damages = [
                    "nft delete table inet apus", "nft flush ruleset", "nft flush chain inet apus decide",
                    "ip rule del pref 100", "ip -6 rule del pref 99", "ip route flush table 1500",
                    "nft add rule inet apus decide tcp dport 8080 return",
                ]
                for damage in damages {
                    try host.run(["sh", "-c", damage]).required()
                    var isRepaired = false
                    let time = try ContinuousClock().measure {
                        isRepaired = try eventually(within: .seconds(5)) { try rules() == before }
                    }
                    #expect(isRepaired && time < .seconds(1), "\(damage): \(time)\n\(guardian.errors.suffix(1000))")
                    #expect(try isLocal(mesh), "\(damage)")
                }
                #expect(guardian.isState("serving"), "missing rules are not the proxy's fault")
                // A repair counts once the guard has read what it wrote.
                let areCounted = try eventually {
                    try guardian.admin.metric("apus_guard_rule_repairs_total") >= Double(damages.count)
                }
                #expect(areCounted, "\(guardian.errors)")
            }
        }

        @Test func rulesThatAreTakenOutStayOut() throws {
            try withGuard { mesh, guardian, _ in
                try mesh.a.redirect("uninstall").required()
                let isSaid = eventually {
                    (try? guardian.admin.request("/ready"))?.body.contains("redirect install") == true
                }
                #expect(isSaid)
                #expect(try !mesh.lab[.a].run(["nft", "list", "tables"]).output.contains("apus"))
                try mesh.redirect("install", mesh.a).required()
                let isReady = eventually(within: .seconds(15)) {
                    (try? guardian.admin.request("/ready"))?.status == 200
                }
                #expect(isReady, "\(guardian.errors)")
            }
        }

        @Test func theFileIsFollowedAndABadOneChangesNothing() throws {
            try withGuard { mesh, guardian, _ in
                try mesh.a.reload(signal: false) { $0.policy = "sideways" }
                let isRefused = eventually { guardian.errors.contains("configuration refused") }
                #expect(isRefused)
                #expect(try mesh.redirect("status", mesh.a).exit != .status(0), "the file is bad")
                try mesh.a.reload(signal: false) { $0.policy = "drop" }
                let isFollowed = eventually {
                    (try? mesh.lab[.a].run(["nft", "list", "table", "inet", "apus"]).output.contains("refused")) == true
                        && (try? mesh.redirect("status", mesh.a).succeeded) == true
                }
                #expect(isFollowed, "\(guardian.errors)")
                try mesh.a.process.signal(SIGSTOP)
                let isTakenOut = eventually { guardian.isTaken }
                #expect(isTakenOut)
                mesh.expectReset(from: mesh.lab[.a1], to: target)
                try mesh.a.process.signal(SIGCONT)
            }
        }

        // MARK: operators

        @Test func anOperatorIsObeyed() throws {
            try withGuard { mesh, guardian, _ in
                try guardian.control(["force", "remote"]).required()
                #expect(try !isLocal(mesh))
                #expect(mesh.lab[.a1].reaches(target))
                // Its word holds over a restart.
                try guardian.kill()
                try guardian.start()
                #expect(try !isLocal(mesh))
                try guardian.control(["force", "local"]).required()
                #expect(try isLocal(mesh))
                try mesh.a.process.signal(SIGSTOP)
                let isHung = eventually { guardian.isState("hung") }
                #expect(isHung && !guardian.isTaken)
                try guardian.control(["force", "auto"]).required()
                #expect(guardian.isTaken)
                try mesh.a.process.signal(SIGCONT)
                let wrong = try guardian.control(["force", "sideways"])
                #expect(wrong.exit == .status(64))
            }
        }

        @Test func aDrillProvesTheFallbackOfOnePod() throws {
            try withGuard { mesh, guardian, _ in
                let pod = ProxyConfiguration.name(of: .a1)
                let drill = try guardian.control(["drill", "--pod", pod, "--to", "\(target)"])
                #expect(drill.succeeded && drill.output.contains("fallback works"), "\(drill)")
                #expect(try isLocal(mesh), "as before")
                let synthetic = try guardian.control(["drill", "--to", "\(target)"])
                #expect(synthetic.output.contains("direct"), "\(synthetic)")
                let unknown = try guardian.control(["drill", "--pod", "shop/nobody", "--to", "\(target)"])
                #expect(unknown.exit == .status(1) && unknown.errors.contains("no pod of this host"), "\(unknown)")
                let status = try mesh.redirect("status", mesh.a)
                #expect(status.succeeded, "\(status)")
            }
        }

        @Test func aDrillWithPolicyDropExpectsResets() throws {
            try withGuard(policy: "drop") { mesh, guardian, _ in
                let drill = try guardian.control(["drill"])
                #expect(drill.succeeded && drill.output.contains("refused"), "\(drill)")
                #expect(try isLocal(mesh))
            }
        }
    }
}
