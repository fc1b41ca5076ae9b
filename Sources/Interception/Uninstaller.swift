import FoundationEssentials
import Model

/// Takes an installed plan out of this network namespace, knowing only the state file, or without it only the own names.
///
/// Two steps: first nothing new is taken any more and proxied connections go on; when they have ended, or the patience
/// has, everything else goes and the host is as it was found.
public struct Uninstaller: Sendable {
    /// What a run did.
    public struct Report: Sendable, Equatable {
        /// What was done, in order; empty: nothing of ours was there.
        public var steps: [String]
        /// Proxied connections that were still alive when the rules went.
        public var connectionsCut: Int
    }

    /// How long proxied connections may take to end between the two steps.
    public let patience: Duration

    /// An uninstaller.
    public init(patience: Duration) { self.patience = patience }

    /// Removes the plan. Running it again does nothing.
    /// - Throws: `failed` with the first step that failed; the others have been tried.
    public func uninstall() async throws(InterceptionError) -> Report {
        try Installer.requireRoot()
        let stopped = try await RuleLock.hold { () async throws(InterceptionError) in try await stop() }
        // Nobody is kept from the rules for as long as connections may take: somebody may even install them again.
        let cut = stopped.isEmpty ? 0 : await waitForConnections()
        let removed = try await RuleLock.hold { () async throws(InterceptionError) in try await remove() }
        return Report(steps: stopped + removed, connectionsCut: cut)
    }

    private static func read(_ state: InstallState?) async throws(InterceptionError) -> KernelState {
        try await KernelState.read(tables: state?.tables ?? [RulePlan.localTable, RulePlan.tunnelTable])
    }

    /// Takes no new connections any more; what was done.
    private func stop() async throws(InterceptionError) -> [String] {
        var state = try InstallState.load()
        // A guard would take what is missing for damage.
        state?.isLeaving = true
        try state?.save()
        let steps = stopSteps(try await Self.read(state), state)
        try await steps.perform()
        return steps.map(\.summary)
    }

    /// Removes the rest; what was done.
    private func remove() async throws(InterceptionError) -> [String] {
        let state = try InstallState.load()
        if let state, state.isLeaving != true {
            throw .refused(["the rules were installed again meanwhile: they stay"])
        }
        let steps = removalSteps(try await Self.read(state), state)
        var done: [String] = []
        var complaints: [String] = []
        for step in steps {
            if let complaint = await step.perform() {
                complaints.append("\(step.summary): \(complaint)")
            } else {
                done.append(step.summary)
            }
        }
        complaints += try await removeCreatedTables(state)
        complaints += try await removeCreatedChains(state)
        guard complaints.isEmpty else {
            throw .failed(step: "uninstall", cause: complaints.joined(separator: "; "), leftBehind: [])
        }
        try InstallState.remove()
        return done
    }

    // MARK: steps

    /// Empties the chains that take new connections.
    private func stopSteps(_ kernel: KernelState, _ state: InstallState?) -> [Step] {
        var steps: [Step] = []
        if let listing = kernel.nftListing {
            let chains = RulePlan.chainsOfNewConnections.filter { listing.contains("chain \($0) {") }
            let own = chains.map { "flush chain inet \(RulePlan.tableName) \($0)\n" }
            let text = (own + Self.refusals(listing)).joined()
            steps.append(
                Step("take no new connections (nft)", .run(Command("nft", ["-f", "-"], input: text))))
        }
        for (set, listing) in kernel.iptables.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            let chain = XtablesRules.chainPrefix + "DECIDE"
            guard listing.chains(in: "mangle").contains(chain) else { continue }
            let text = "*mangle\n-F \(chain)\nCOMMIT\n"
            steps.append(Step("take no new connections (\(set))", .run(set.restore(text))))
        }
        return steps
    }

    /// What makes a remote refuse new connections of protected hosts: without an answer they would be forwarded unproxied.
    static func refusals(_ listing: String) -> [String] {
        listing.lines.compactMap { line in
            guard line.hasPrefix("chain take_") else { return nil }
            let id = line.dropFirst("chain take_".count).prefix(while: \.isNumber)
            let table = "inet \(RulePlan.tableName)"
            return "flush chain \(table) take_\(id)\nadd rule \(table) take_\(id) goto reset_\(id)\n"
        }
    }

    private func removalSteps(_ kernel: KernelState, _ state: InstallState?) -> [Step] {
        var steps: [Step] = []
        if kernel.nftListing != nil {
            steps.append(
                Step(
                    "nft table inet \(RulePlan.tableName): delete",
                    .run(Command("nft", ["delete", "table", "inet", RulePlan.tableName]))))
        }
        for (set, present) in kernel.iptables.sorted(by: { "\($0.key)" < "\($1.key)" }) {
            steps.append(.removal(of: present, set: set))
        }
        for family in [IPAddress.Family.v4, .v6] {
            for rule in ownRules(kernel, family, state) { steps.append(.rule(family, rule, add: false)) }
        }
        steps += kernel.bridges.removalSteps(made: state.map { $0.portsPrepared ?? [] })
        steps += tunnelSteps(kernel, state)
        steps += state.map { state in state.sysctls.compactMap { state.restoration(of: $0, kernel) } } ?? []
        return steps
    }

    /// Routes, next hops, devices: each may go only when what stands on it has gone. Without a state own ids and names
    /// tell what is ours.
    private func tunnelSteps(_ kernel: KernelState, _ state: InstallState?) -> [Step] {
        let local = [IPAddress.Family.v4, .v6].map { Route($0, table: RulePlan.localTable, .local) }
        var steps = (state?.ownRoutes ?? local).filter(kernel.has).map { Step.route($0, add: false) }
        let nexthops = kernel.nexthops.map(\.id).filter { id in
            state.map { $0.nexthops?.contains { $0.id == id } ?? false } ?? Nexthop.isOwn(id)
        }
        // A group goes before its members: its id is smaller.
        steps += nexthops.sorted().map(Step.removal(ofNexthop:))
        let devices = kernel.devices.filter { device in
            guard TunnelDevice.isOwn(device.name), device.vni != nil else { return false }
            return state.map { $0.devices?.contains { $0.name == device.name } ?? false } ?? true
        }
        return steps + devices.map { Step.removal(ofDevice: $0.name) }
    }

    /// Rules that are ours: those of the state, or without one those under our preferences that have their shape.
    private func ownRules(_ kernel: KernelState, _ family: IPAddress.Family, _ state: InstallState?) -> [RoutingRule] {
        let present = (kernel.rules[family] ?? []).compactMap(\.ours)
        if let state { return present.filter { state.rules.contains($0) } }
        let guide = present.first { $0.priority == 100 && $0.table == RulePlan.localTable && $0.inputDevice == nil }
        return present.filter { rule in
            switch rule.priority {
            case 90: rule.udpPort != nil && rule.mask == 0 && rule.table == RoutingRule.mainTable
            case 91: rule.inputDevice == "lo" && rule.table > HostTunnel.tableBase
            case 98: rule.inputDevice == OwnTunnel.deviceName
            case 101, 103: rule.table == RulePlan.tunnelTable
            case 99:
                rule.inputDevice == "lo" && rule.table == RoutingRule.mainTable && rule.mark == rule.mask
                    && rule.mark == guide?.mark
            case 100, 102:
                rule.inputDevice == nil
                    && (rule.table == RulePlan.localTable || OwnTunnel.tables.contains(rule.table))
            default: false
            }
        }
    }

    /// iptables-nft makes the tables it is asked to write to. Those that we made and nobody uses are taken away again;
    /// the legacy tables cannot be.
    private func removeCreatedTables(_ state: InstallState?) async throws(InterceptionError) -> [String] {
        var complaints: [String] = []
        for set in Xtables.all where set.variant == .nft {
            let created = (state?.tablesCreated ?? []).filter { $0.hasPrefix("\(set)/") }
            guard !created.isEmpty, let saved = try await set.saved() else { continue }
            for table in created.compactMap({ $0.split(separator: "/").last.map(String.init) }) {
                guard Self.isUnused(table, in: saved) else { continue }
                let family = set.family == .v4 ? "ip" : "ip6"
                let result = await Tool.run(Command("nft", ["delete", "table", family, table]))
                if !result.succeeded { complaints.append("nft table \(family) \(table): \(result.complaint)") }
            }
        }
        return complaints
    }

    /// The same for chains in tables that were there.
    private func removeCreatedChains(_ state: InstallState?) async throws(InterceptionError) -> [String] {
        var complaints: [String] = []
        for set in Xtables.all where set.variant == .nft {
            let created = (state?.chainsCreated ?? []).filter { $0.hasPrefix("\(set)/") }
            guard !created.isEmpty, let saved = try await set.saved() else { continue }
            let family = set.family == .v4 ? "ip" : "ip6"
            for name in created {
                let parts = name.split(separator: "/").map(String.init)
                guard parts.count == 3, Self.isUnused(parts[1], chain: parts[2], in: saved) else { continue }
                let result = await Tool.run(Command("nft", ["delete", "chain", family, parts[1], parts[2]]))
                if !result.succeeded {
                    complaints.append("nft chain \(family) \(parts[1]) \(parts[2]): \(result.complaint)")
                }
            }
        }
        return complaints
    }

    /// Whether a built-in chain of `iptables-save` has policy ACCEPT and no rule.
    static func isUnused(_ table: String, chain: String, in saved: String) -> Bool {
        var current: Substring = ""
        for line in saved.split(separator: "\n") {
            if line.first == "*" { current = line.dropFirst() }
            guard current == table else { continue }
            if line.hasPrefix("-A \(chain) ") { return false }
            if line.hasPrefix(":\(chain) "), !line.contains(" ACCEPT ") { return false }
        }
        return true
    }

    /// Whether a table of `iptables-save` has built-in chains with policy ACCEPT and nothing else.
    static func isUnused(_ table: String, in saved: String) -> Bool {
        var current: Substring = ""
        for line in saved.split(separator: "\n") {
            if line.first == "*" { current = line.dropFirst() }
            guard current == table else { continue }
            if line.first == "-" { return false }
            if line.first == ":", !line.contains(" ACCEPT ") { return false }
        }
        return true
    }

    // MARK: waiting

    /// Waits until no proxied connection is left, at most `patience`; how many are left then.
    private func waitForConnections() async -> Int {
        let clock = ContinuousClock()
        let deadline = clock.now.advanced(by: patience)
        var count = 0
        while true {
            // Connections that nobody could count are not at their end.
            let found = try? await ProxiedConnections.count()
            count = found ?? max(count, 1)
            if count == 0 || clock.now >= deadline { return count }
            do { try await clock.sleep(for: .milliseconds(200)) } catch { return count }
        }
    }
}
