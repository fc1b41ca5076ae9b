import Model
import Testing

@testable import Interception

/// What an installation does and what a status says, from what the kernel has: pure values on both sides.
@Suite struct DifferenceTests {
    let installer = Installer(Redirection(interception: Configuration.Interception(podCIDRs: [])))

    /// A kernel in which `plan` has been installed, and the state that was left.
    func installed(_ plan: RulePlan) -> (KernelState, InstallState) {
        var kernel = emptyKernel
        for sysctl in plan.sysctls { kernel.sysctls[sysctl.name] = "1" }
        for family in plan.routedFamilies { kernel.rules[family] = plan.routingRules.map(foreign) }
        for route in plan.routes { kernel.routes[route.family, default: [:]][route.table] = [foreign(route)] }
        kernel.nexthops = plan.nexthops.map { nexthop in
            KernelState.KernelNexthop(
                id: nexthop.id, gateway: nexthop.gateway, dev: nexthop.device,
                group: nexthop.members.isEmpty ? nil : nexthop.members.map { .init(id: $0) })
        }
        kernel.devices = plan.tunnelDevices.map(foreign)
        if !plan.nftText.isEmpty { kernel.nftListing = "table inet apus {\n  chain decide {\n    accept\n  }\n}\n" }
        for rules in plan.iptables {
            kernel.iptables[rules.set] = XtablesListing(parsing: rules.installText())
        }
        var state = InstallState(plan, emptyKernel, nil)
        state.note(kernel, plan)
        return (kernel, state)
    }

    var emptyKernel: KernelState {
        var kernel = KernelState()
        for sysctl in Sysctl.known { kernel.sysctls[sysctl.name] = "0" }
        return kernel
    }

    func foreign(_ route: Route) -> KernelState.KernelRoute {
        switch route.way {
        case .local: .init(type: "local", dst: "default", dev: "lo")
        case .nexthop(let id): .init(dst: "default", nhid: id)
        case .gateway(let address, let device): .init(dst: "default", gateway: address, dev: device)
        }
    }

    func foreign(_ device: TunnelDevice) -> KernelState.Device {
        KernelState.Device(
            name: device.name, vni: device.vni, port: device.port, local: device.local, link: device.link,
            mtu: device.mtu, isUp: true, addresses: [device.address], neighbors: Set(device.neighbors),
            peers: Set(device.peers),
            sysctls: Dictionary(uniqueKeysWithValues: device.sysctls.map { ($0.name, $0.value) }))
    }

    func foreign(_ rule: RoutingRule) -> KernelState.ForeignRule {
        KernelState.ForeignRule(
            priority: rule.priority, not: nil, src: "all", fwmark: rule.mask == 0 ? nil : rule.mark.hexadecimal,
            fwmask: rule.mask == 0 ? nil : rule.mask.hexadecimal, iif: rule.inputDevice,
            ipproto: rule.udpPort == nil ? nil : "ipproto-17", dport: rule.udpPort, table: "\(rule.table)")
    }

    @Test(arguments: PlanCase.all) func aSecondInstallationDoesNothing(plan: PlanCase) throws {
        let plan = try plan.plan()
        let (kernel, state) = installed(plan)
        #expect(installer.installSteps(plan, kernel, state) == [])
        #expect(state.differences(from: kernel) == [])
        #expect(state.differences(from: plan) == [])
    }

    @Test func routesAndRulesComeBeforeTheTable() throws {
        let plan = try PlanCase(name: "nft").plan()
        let summaries = installer.installSteps(plan, emptyKernel, nil).map(\.summary)
        let table = try #require(summaries.firstIndex { $0.hasPrefix("nft table") })
        #expect(table == summaries.count - 1, "\(summaries)")
        #expect(
            summaries.count { $0.contains("rule pref") } == 6 && summaries.count { $0.contains("route local") } == 2)
    }

    @Test func whatIsMissingIsNamedAndRepaired() throws {
        let plan = try PlanCase(name: "nft").plan()
        var (kernel, state) = installed(plan)
        kernel.rules[.v6]?.removeLast()
        kernel.routes[.v4] = [:]
        kernel.sysctls[Sysctl.migrateRequests.name] = "0"
        kernel.nftListing = kernel.nftListing?.replacing("accept", with: "drop")
        let differences = state.differences(from: kernel)
        #expect(differences.count == 5, "\(differences)")
        #expect(differences.contains("IPv6 rule pref 102 fwmark 0x40/0x70 lookup 1500: missing"))
        #expect(differences.contains("nft table inet apus: not expected: drop"))
        let steps = installer.installSteps(plan, kernel, state).map(\.summary)
        #expect(steps.count == 4, "\(steps)")
        #expect(steps.last == "nft table inet apus: replace")
    }

    @Test func changingTheBackendRemovesTheFormerOneLast() throws {
        let (kernel, state) = installed(try PlanCase(name: "h", backend: .iptables(.nft, decisions: .nft)).plan())
        let steps = installer.installSteps(try PlanCase(name: "nft").plan(), kernel, state).map(\.summary)
        #expect(
            steps == [
                "nft table inet apus: replace", "ip6tables-nft chains APUS_*: delete",
                "iptables-nft chains APUS_*: delete",
            ])
    }

    @Test func formerSysctlValuesSurviveAnUpdate() throws {
        let plan = try PlanCase(name: "nft").plan()
        let (kernel, state) = installed(plan)
        #expect(InstallState(plan, kernel, state).sysctlsBefore == [Sysctl.migrateRequests.name: "0"])
    }

    @Test func replacingChainsRemovesOldJumpsAndStaleChainsInOneTransaction() throws {
        let listing = XtablesListing(
            parsing: """
                *mangle
                :PREROUTING ACCEPT [0:0]
                :APUS_OLD - [0:0]
                :APUS_PRE - [0:0]
                -A PREROUTING -j APUS_PRE
                -A PREROUTING -j OTHER
                -A APUS_PRE -j APUS_OLD
                COMMIT
                """)
        let plan = try PlanCase(name: "h", backend: .iptables(.nft, decisions: .nft)).plan()
        let text = try #require(plan.iptables.first).installText(replacing: listing)
        let lines = text.split(separator: "\n").map(String.init)
        #expect(lines.count { $0 == "COMMIT" } == 1)
        for line in ["-D PREROUTING -j APUS_PRE", "-F APUS_OLD", "-X APUS_OLD", "-I PREROUTING 1 -j APUS_PRE"] {
            #expect(lines.contains(line), "\(line) in \(text)")
        }
        #expect(!text.contains("OTHER"))
    }

    @Test func unusedTablesAreTold() {
        let saved =
            "*nat\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n*filter\n:INPUT DROP [0:0]\nCOMMIT\n*mangle\n:X - [0:0]\n-A X -j Y\n"
        #expect(Uninstaller.isUnused("nat", in: saved))
        #expect(!Uninstaller.isUnused("filter", in: saved))
        #expect(!Uninstaller.isUnused("mangle", in: saved))
    }

    @Test func transparentSocketsAreCounted() {
        let text = """
              sl  local_address rem_address   st
               0: 0B00020A:1F90 0B00010A:A02E 01 00000000:00000000
               1: 0B00020A:1F90 0B00010A:A02F 06 00000000:00000000
               2: 0100007F:3A99 00000000:0000 0A 00000000:00000000
               3: 0B00630A:0016 0B00010A:A02F 01 00000000:00000000
               4: 010000FD000000000000000011000000:1F90 00000000000000000000000000000000:0000 08 0:0
            """
        let own = Set([IPAddress("10.99.0.11")].compactMap { $0 })
        #expect(ProxiedConnections.transparent(in: text, own: own) == 2)
    }
}
