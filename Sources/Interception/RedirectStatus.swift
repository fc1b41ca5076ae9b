import Model

/// How the kernel compares with what was installed, and that with a configuration.
public struct RedirectStatus: Sendable, Equatable, Codable {
    /// Whether an installation left its state.
    public var installed: Bool
    /// Its backend.
    public var backend: String?
    /// Each difference, one line; empty: everything is as desired.
    public var differences: [String]
    /// What the installed rules do not honour.
    public var limitations: [String]
    /// The state of failover that the rules were rendered from.
    public var failover: FailoverState?
    /// One real connection per family with pods, through the rules; empty when nothing is installed.
    public var connections: [ConnectionCheck] = []

    /// Whether everything is as desired: a connection that was not tried is no failure, one that failed is.
    public var matches: Bool { installed && differences.isEmpty && !connections.contains { $0.outcome == .failed } }

    /// Reads the kernel and compares, then connects. Blocks for some seconds when connections are not answered.
    /// - Parameter desired: with a configuration, its installer: what it would install is compared as well.
    public static func read(desired: Installer? = nil) async throws(InterceptionError) -> RedirectStatus {
        try Installer.requireRoot()
        var status = try await differences(desired: desired)
        if status.installed, let state = try InstallState.load() {
            status.connections = await ConnectionCheck.all(state)
        }
        return status
    }

    /// The same without a connection.
    static func differences(desired: Installer?) async throws(InterceptionError) -> RedirectStatus {
        let state = try InstallState.load()
        let kernel = try await KernelState.read(tables: state?.tables ?? [], pods: state?.pods ?? [])
        guard let state else {
            var differences = ["not installed: run redirect install"]
            if kernel.nftListing != nil || !kernel.iptables.isEmpty {
                differences = ["rules are there but their state is not: run redirect install or uninstall"]
            }
            return RedirectStatus(installed: false, backend: nil, differences: differences, limitations: [])
        }
        var differences = state.differences(from: kernel)
        differences += kernel.nft.problems(state.passage)
        let backend = Backend(state.backend)
        differences += kernel.bridges.differences(state.families, backend)
        if let desired {
            let plan = try await desired.following(state).plan()
            differences += state.differences(from: plan)
        }
        return RedirectStatus(
            installed: true, backend: state.backend, differences: differences,
            limitations: state.limitations + kernel.bridges.limitations(backend),
            failover: state.failover)
    }
}

extension InstallState {
    /// What the kernel has otherwise than it was installed.
    func differences(from kernel: KernelState) -> [String] {
        var lines: [String] = []
        for family in routedFamilies {
            for rule in rules where !kernel.has(rule, family) { lines.append("\(family.name) rule \(rule): missing") }
            for rule in kernel.rules[family] ?? [] where rules.contains(where: { $0.priority == rule.priority }) {
                if rule.ours.map({ !rules.contains($0) }) ?? true {
                    lines.append("\(family.name) rule pref \(rule.priority): not ours")
                }
            }
        }
        for route in ownRoutes where !kernel.has(route) { lines.append("\(route.family.name) route \(route): missing") }
        for nexthop in nexthops ?? [] where !(kernel.nexthop(nexthop.id).map(nexthop.is) ?? false) {
            lines.append("nexthop \(nexthop): missing or another")
        }
        // What would have to be done is what is missing.
        for device in devices ?? [] {
            lines += Step.device(device, present: kernel.device(device.name)).map { "\($0.summary): missing" }
        }
        for sysctl in sysctls where kernel.sysctls[sysctl.name] != sysctl.value {
            lines.append("sysctl \(sysctl.name): \(kernel.sysctls[sysctl.name] ?? "absent"), expected \(sysctl.value)")
        }
        let table = "nft table inet \(RulePlan.tableName)"
        switch (nftText.isEmpty, kernel.nftListing) {
        case (false, nil): lines.append("\(table): missing")
        case (true, .some): lines.append("\(table): not expected")
        case (false, .some(let listing)): lines += Self.compare(nftListing.lines, listing.lines, table)
        case (true, nil): break
        }
        for part in iptables {
            let present = kernel.iptables[part.set] ?? XtablesListing()
            lines += Self.compare(part.listing.lines, present.lines, "\(part.set)")
        }
        lines += firewallDifferences(from: kernel)
        for (set, _) in kernel.iptables where !iptables.contains(where: { $0.set == set }) {
            lines.append("\(set): chains \(XtablesRules.chainPrefix)*: not expected")
        }
        return lines
    }

    /// Accepts that do not come first, and firewalls of iptables that were not there.
    private func firewallDifferences(from kernel: KernelState) -> [String] {
        var lines: [String] = []
        for jump in kernel.lateJumps where iptables.contains(where: { $0.set == jump.set }) {
            let harm = jump.table == "nat" ? "and translate what was taken" : "and may drop proxied packets"
            lines.append(
                "\(jump.set): \(jump.table) \(jump.chain): rules of others stand before ours \(harm): run redirect install"
            )
        }
        let opened = [("INPUT", kernel.inputFirewalls), ("OUTPUT", kernel.closedOutputs)]
        for (chain, sets) in opened {
            for set in sets where families.contains(set.family) && !hasCreatedFilter(of: set) {
                let own = XtablesRules.chainPrefix + chain
                let part = iptables.first { $0.set == set }
                guard part?.listing.chains(in: "filter").contains(own) != true else { continue }
                lines.append(
                    "\(set): filter \(chain): has come since the installation and may drop proxied packets: "
                        + "run redirect install")
            }
        }
        return lines
    }

    /// What a configuration asks for otherwise than it was installed.
    func differences(from plan: RulePlan) -> [String] {
        var lines: [String] = []
        if families != plan.families || rules != plan.routingRules || Set(ownRoutes) != Set(plan.routes) {
            lines.append("configuration: routing rules differ: run redirect install")
        }
        if devices ?? [] != plan.tunnelDevices || nexthops ?? [] != plan.nexthops {
            lines.append("configuration: tunnels differ: run redirect install")
        }
        let table = "configuration: nft table"
        lines += Self.compare(plan.nftText.lines, nftText.lines, table)
        for rules in plan.iptables {
            let text = iptables.first { $0.set == rules.set }?.text ?? ""
            lines += Self.compare(rules.installText().lines, text.lines, "configuration: \(rules.set)")
        }
        return lines
    }

    /// The lines only one side has, in order.
    static func compare(_ expected: [String], _ present: [String], _ subject: String) -> [String] {
        let changes = present.difference(from: expected)
        return changes.map { change in
            switch change {
            case .insert(_, let line, _): "\(subject): not expected: \(line)"
            case .remove(_, let line, _): "\(subject): missing: \(line)"
            }
        }
    }
}

extension String {
    /// Lines without the indentation.
    var lines: [String] {
        split(separator: "\n").map { String($0.trimmingPrefix(while: \.isWhitespace)) }
    }
}
