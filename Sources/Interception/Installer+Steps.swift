import Model

extension Installer {
    /// What leads from `kernel` to `plan`, in the order that never marks a packet that has nowhere to go.
    func installSteps(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState?) -> [Step] {
        var steps: [Step] = []
        for sysctl in plan.sysctls {
            guard let value = kernel.sysctls[sysctl.name], value != sysctl.value else { continue }
            steps.append(
                Step(
                    "sysctl \(sysctl.name) \(value) -> \(sysctl.value)", .write(path: sysctl.path, value: sysctl.value),
                    undo: .write(path: sysctl.path, value: value)))
        }
        for device in plan.tunnelDevices { steps += Step.device(device, present: kernel.device(device.name)) }
        // With a device its next hops and routes go.
        let anew = Set(plan.devicesToMake(kernel).map(\.name))
        // What somebody else has put under an id of ours stays, and nothing of ours leads to it.
        let taken = Set(plan.nexthops.map(\.id).filter { kernel.nexthop($0).map { !$0.isOwn } ?? false })
        for nexthop in plan.nexthops where !taken.contains(nexthop.id) {
            if anew.contains(OwnTunnel.deviceName) || !(kernel.nexthop(nexthop.id).map(nexthop.is) ?? false) {
                steps.append(.nexthop(nexthop))
            }
        }
        for route in plan.routes where !kernel.has(route) || plan.leads(route, through: anew) {
            if case .nexthop(let id) = route.way, taken.contains(id) { continue }
            steps.append(.route(route, add: true))
        }
        for family in plan.routedFamilies {
            for rule in plan.routingRules where !kernel.has(rule, family) {
                steps.append(.rule(family, rule, add: true))
            }
        }
        // TCP of bridged pods is routed before it is taken.
        steps += kernel.bridges.steps(plan.families, plan.backend)
        // Loosening first: the accept in the host's firewall must be there when the first packet is taken.
        steps += iptablesSteps(plan, kernel, before)
        steps += nftSteps(plan, kernel, before)
        // A former backend goes when the new one is in place: both at once do the same.
        for (set, present) in kernel.iptables.sorted(by: { "\($0.key)" < "\($1.key)" })
        where !plan.iptables.contains(where: { $0.set == set }) {
            steps.append(.removal(of: present, set: set))
        }
        if let before { steps += staleSteps(plan, kernel, before) }
        return steps
    }

    private func nftSteps(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState?) -> [Step] {
        let text = plan.nftText
        let delete = Step.Action.run(Command("nft", ["delete", "table", "inet", RulePlan.tableName]))
        if text.isEmpty {
            return kernel.nftListing == nil ? [] : [Step("nft table inet \(RulePlan.tableName): delete", delete)]
        }
        if let before, before.nftText == text, kernel.nftListing == before.nftListing { return [] }
        var undo: Step.Action? = delete
        if kernel.nftListing != nil {
            undo = (before?.nftText).flatMap { $0.isEmpty ? nil : .run(Command("nft", ["-f", "-"], input: $0)) }
        }
        let verb = kernel.nftListing == nil ? "create" : "replace"
        let input = kernel.nftListing.flatMap { listing in
            before.flatMap { plan.textInPlace(of: listing, installed: ($0.nftText, $0.nftListing)) }
        }
        return [
            Step(
                "nft table inet \(RulePlan.tableName): \(verb)",
                .run(Command("nft", ["-f", "-"], input: input ?? text)), undo: undo)
        ]
    }

    private func iptablesSteps(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState?) -> [Step] {
        var steps: [Step] = []
        for rules in plan.iptables {
            let present = kernel.iptables[rules.set]
            let part = before?.iptables.first { $0.set == rules.set }
            if let part, part.text == rules.installText(), present == part.listing,
                !kernel.lateJumps.contains(where: { $0.set == rules.set })
            {
                continue
            }
            let text = rules.installText(replacing: present ?? XtablesListing())
            // What was there before cannot be read back into one text when only the listing is known, so an update that
            // fails leaves the old chains, which the kernel keeps: a table is restored as a whole or not at all.
            let undo = present == nil ? Step.Action.run(rules.set.restore(rules.removalText())) : nil
            steps.append(
                Step(
                    "\(rules.set) chains \(XtablesRules.chainPrefix)*: \(present == nil ? "create" : "replace")",
                    .run(rules.set.restore(text)), undo: undo))
        }
        return steps
    }

    /// What the former plan had and the new one has not, in the order that never leads a packet astray.
    private func staleSteps(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState) -> [Step] {
        var steps: [Step] = []
        for family in before.routedFamilies {
            let isGone = !plan.routedFamilies.contains(family)
            for rule in before.rules where isGone || !plan.routingRules.contains(rule) {
                if kernel.has(rule, family) { steps.append(.rule(family, rule, add: false)) }
            }
        }
        for route in before.ownRoutes where !plan.routes.contains(route) && kernel.has(route) {
            // One that was replaced in its table is gone already.
            guard !plan.routes.contains(where: { $0.family == route.family && $0.table == route.table }) else {
                continue
            }
            steps.append(.route(route, add: false))
        }
        for nexthop in (before.nexthops ?? []).reversed()
        where !plan.nexthops.contains(where: { $0.id == nexthop.id }) && kernel.nexthop(nexthop.id) != nil {
            steps.append(.removal(ofNexthop: nexthop.id))
        }
        for device in before.devices ?? []
        where !plan.tunnelDevices.contains(where: { $0.name == device.name }) && kernel.device(device.name) != nil {
            steps.append(.removal(ofDevice: device.name))
        }
        return steps + staleSysctls(plan, kernel, before)
    }

    private func staleSysctls(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState) -> [Step] {
        before.sysctls.filter { !plan.sysctls.contains($0) }.compactMap { before.restoration(of: $0, kernel) }
    }
}

extension RulePlan {
    /// Devices that are not there or are of another make.
    func devicesToMake(_ kernel: KernelState) -> [TunnelDevice] {
        tunnelDevices.filter { device in kernel.device(device.name).map { !device.isMade(as: $0) } ?? true }
    }

    /// Whether a route is lost with one of these devices.
    func leads(_ route: Route, through devices: Set<String>) -> Bool {
        switch route.way {
        case .local: false
        case .nexthop: devices.contains(OwnTunnel.deviceName)
        case .gateway(_, let device): devices.contains(device)
        }
    }
}

extension KernelState {
    func has(_ rule: RoutingRule, _ family: IPAddress.Family) -> Bool {
        rules[family]?.contains { $0.ours == rule } ?? false
    }
}

extension Xtables {
    /// The command that restores `text`; it waits for the xtables lock, which the nft variant does not have.
    func restore(_ text: String) -> Command {
        Command(restoreTool, ["-w", "5", "--noflush"], input: text)
    }
}

extension XtablesRules {
    /// What takes these rules out again right after they were put in.
    func removalText() -> String {
        var listing = XtablesListing()
        listing.tables = tables.map { table in
            XtablesListing.NamedLines(
                name: table.name,
                lines: table.chains.map { ":\($0.name) - [0:0]" } + table.jumps.map { "-A \($0.from) -j \($0.to)" })
        }
        return Self.removalText(of: listing, set: set)
    }
}

extension Step {
    static func rule(_ family: IPAddress.Family, _ rule: RoutingRule, add: Bool) -> Step {
        func command(_ verb: String) -> Action {
            .run(Command("ip", [family.ipOption, "rule", verb] + rule.arguments))
        }
        let verb = add ? "add" : "del"
        return Step("\(family.name) rule \(rule): \(verb)", command(verb), undo: command(add ? "del" : "add"))
    }

    static func removal(of present: XtablesListing, set: Xtables) -> Step {
        Step(
            "\(set) chains \(XtablesRules.chainPrefix)*: delete",
            .run(set.restore(XtablesRules.removalText(of: present, set: set))))
    }
}

extension InstallState {
    /// The state to be while `plan` is installed. Former values of an earlier installation are kept: they are the host's.
    init(_ plan: RulePlan, _ kernel: KernelState, _ before: InstallState?) {
        let created = plan.iptables.flatMap { rules in rules.tables.map { "\(rules.set)/\($0.name)" } }
        let jumps = plan.iptables.filter { $0.set.variant == .nft }.flatMap { rules in
            rules.tables.flatMap { table in table.jumps.map { (rules.set, table.name, $0.from) } }
        }
        let chains = jumps.filter { set, table, chain in
            kernel.xtablesTables.contains("\(set)/\(table)") && !kernel.nft.has(chain, table: table, set.family)
        }
        var saved = before?.sysctlsBefore ?? [:]
        for sysctl in plan.sysctls where saved[sysctl.name] == nil { saved[sysctl.name] = kernel.sysctls[sysctl.name] }
        self.init(
            backend: "\(plan.backend)", mark: plan.interception.mark.value, mask: plan.interception.mark.mask,
            isV4: plan.families.contains(.v4), isV6: plan.families.contains(.v6), rules: plan.routingRules,
            nftText: plan.nftText, nftListing: "",
            iptables: plan.iptables.map {
                XtablesPart(
                    variant: $0.set.variant, isV6: $0.set.family == .v6, text: $0.installText(),
                    listing: XtablesListing())
            },
            sysctlsBefore: saved, sysctls: plan.sysctls,
            tablesCreated: (before?.tablesCreated ?? []) + created.filter { !kernel.xtablesTables.contains($0) },
            chainsCreated: (before?.chainsCreated ?? []) + chains.map { "\($0)/\($1)/\($2)" },
            limitations: plan.limitations, outboundPort: plan.interception.outboundPort, answer: "\(plan.answer)",
            host: plan.host, failover: plan.state, fixedText: plan.fixedText, routes: plan.routes,
            nexthops: plan.nexthops,
            devices: plan.tunnelDevices)
    }

    /// What gives a sysctl its former value. A value that somebody has changed since is theirs.
    func restoration(of sysctl: Sysctl, _ kernel: KernelState) -> Step? {
        guard let former = sysctlsBefore[sysctl.name], kernel.sysctls[sysctl.name] == sysctl.value,
            former != sysctl.value
        else { return nil }
        return Step("sysctl \(sysctl.name) -> \(former)", .write(path: sysctl.path, value: former))
    }

    /// Whether the filter table of a set exists only because of us: it is no firewall then.
    func hasCreatedFilter(of set: Xtables) -> Bool { tablesCreated.contains("\(set)/filter") }

    /// Remembers the kernel's own spelling of what has just been installed.
    mutating func note(_ kernel: KernelState, _ plan: RulePlan) {
        nftListing = plan.nftText.isEmpty ? "" : kernel.nftListing ?? ""
        for index in iptables.indices {
            iptables[index].listing = kernel.iptables[iptables[index].set] ?? XtablesListing()
        }
    }
}
