import FoundationEssentials
import Model

#if canImport(Glibc)
    import Glibc
#else
    import Musl
#endif

/// Puts a rule plan into the kernel of this network namespace, compares the two, and takes the plan out again.
///
/// It owns: table `inet apus`, chains `APUS_*`, its preferences of the routing policy, routing table 1500, the sysctls
/// of the plan while it is installed, and its state file. Every change is a difference between what is wanted and what
/// is there, so a second installation does nothing. Order: sysctls, routes, rules, then the tables, which begin to mark
/// packets only when everything the marks lead to is there. Connections that live are not touched: only a SYN is taken.
public struct Installer: Sendable {
    /// What a run did.
    public struct Report: Sendable, Equatable {
        /// What was (or would be) done, in order; empty: everything was as desired.
        public var steps: [String]
        /// The same as commands, for a dry run.
        public var commands: [String]
        /// The backend that was used.
        public var backend: String
        /// What does not work as configured, and what the operator should know.
        public var notes: [String]
        /// What others have that stands in the way; it did not keep the rest from being done.
        public var conflicts: [String] = []
    }

    /// What is done about conflicts.
    enum Manner: Sendable {
        /// An operator asks: nothing is done, they are told.
        case refusing
        /// The guard asks: the host has the rules already, so what can be kept is.
        case insisting
    }

    /// What a look at the host has found.
    private struct Look: Sendable {
        var plan: RulePlan
        var kernel: KernelState
        var before: InstallState?
        var steps: [Step]
        var report: Report
    }

    /// A look that others' changes have overtaken is begun anew this often.
    private static let looksMax = 20

    /// How the backend is chosen.
    public struct Options: Sendable, Equatable, Codable {
        /// See `BackendChoice`.
        public var backend: BackendChoice
        /// nil: what the host uses.
        public var variant: IptablesVariant?
        /// Never use nf_tables for the decisions of the iptables backend, as on a kernel without it.
        public var onlyXtables: Bool

        /// Options with the documented defaults.
        public init(backend: BackendChoice = .auto, variant: IptablesVariant? = nil, onlyXtables: Bool = false) {
            self.backend = backend
            self.variant = variant
            self.onlyXtables = onlyXtables
        }
    }

    /// What of the configuration the rules follow.
    public let redirection: Redirection
    /// See `Options`.
    public let options: Options

    /// The same, with the backend an installation was asked for: `auto` asks for nothing, so what is there is right.
    func following(_ state: InstallState) -> Installer {
        guard options == Options(), let installed = state.options else { return self }
        return Installer(redirection, options: installed)
    }

    /// An installer of the rules for `redirection`.
    public init(_ redirection: Redirection, options: Options = Options()) {
        self.redirection = redirection
        self.options = options
    }

    /// The plan for this host: backend, families, sysctls and ways to other hosts that it has, and the state of failover
    /// that is in force.
    public func plan() async throws(InterceptionError) -> RulePlan {
        let before = try InstallState.load()
        return try await choose(try await readKernel(before), before, before?.failover, .refusing).plan
    }

    /// Brings the kernel to the plan, in the state of failover that is in force.
    /// - Parameter dryRun: only say what would be done.
    /// - Throws: `refused` when the host has a conflict (nothing was changed), `failed` when a step failed (undone).
    public func install(dryRun: Bool = false) async throws(InterceptionError) -> Report {
        try await install(state: nil, dryRun: dryRun)
    }

    /// - Parameter state: nil keeps the one in force.
    func install(state wanted: FailoverState?, dryRun: Bool) async throws(InterceptionError) -> Report {
        try Self.requireRoot()
        return try await settle(.refusing, state: wanted, dryRun: dryRun)
    }

    /// Looks, and does what was found to be done. A look takes seconds on a host with many rules, so it is made without the
    /// lock: a switch must not wait for it.
    func settle(
        _ manner: Manner, state wanted: FailoverState? = nil, dryRun: Bool = false
    ) async throws(InterceptionError) -> Report {
        for _ in 0..<Self.looksMax {
            let before = try InstallState.load()
            if manner == .insisting {
                guard let before else { throw .refused(["the rules are not installed"]) }
                guard before.isLeaving != true else { throw Self.leaving }
            }
            let look = try await look(wanted, before, manner)
            guard !dryRun, !look.steps.isEmpty || before == nil else { return look.report }
            let isDone = try await RuleLock.hold { () async throws(InterceptionError) in
                // What was seen may be another's doing of just now.
                guard try InstallState.load() == before else { return false }
                try await perform(look)
                return true
            }
            if isDone { return look.report }
        }
        throw .failed(step: "look at the rules", cause: "others change them all the time", leftBehind: [])
    }

    /// The same for who holds the lock.
    func change(state wanted: FailoverState?, _ manner: Manner) async throws(InterceptionError) {
        let look = try await look(wanted, try InstallState.load(), manner)
        if !look.steps.isEmpty || look.before == nil { try await perform(look) }
    }

    private func look(
        _ wanted: FailoverState?, _ before: InstallState?, _ manner: Manner
    ) async throws(InterceptionError) -> Look {
        let kernel = try await readKernel(before)
        let (plan, choice) = try await choose(kernel, before, wanted ?? before?.failover, manner)
        let conflicts = try await conflicts(plan, kernel, before)
        guard manner == .insisting || conflicts.isEmpty else { throw .refused(conflicts) }
        let steps = installSteps(plan, kernel, before).filter(\.isPossible)
        let report = Report(
            steps: steps.map(\.summary), commands: steps.map { "\($0.action)" }, backend: "\(plan.backend)",
            notes: choice + plan.limitations + kernel.nft.notes + kernel.bridges.limitations(plan.backend),
            conflicts: conflicts)
        return Look(plan: plan, kernel: kernel, before: before, steps: steps, report: report)
    }

    private func perform(_ look: Look) async throws(InterceptionError) {
        var state = InstallState(look.plan, look.kernel, look.before)
        state.options = options
        state.noteBridges(redirection, look.kernel, look.plan, look.before)
        // The former sysctl values are saved before they are changed: a run that is killed half-way can be taken back.
        try state.save()
        do {
            try await look.steps.perform()
        } catch {
            if let before = look.before { try before.save() } else { try InstallState.remove() }
            throw error
        }
        state.note(try await KernelState.readOwn(state.iptables.map(\.set)), look.plan)
        try state.save()
    }

    /// The kernel with the tables that this configuration or an installation has.
    func readKernel(_ state: InstallState?) async throws(InterceptionError) -> KernelState {
        try await KernelState.read(
            tables: redirection.tables(state?.host?.slots).union(state?.tables ?? []), pods: redirection.ownPrefixes)
    }

    static func requireRoot() throws(InterceptionError) {
        guard geteuid() == 0 else {
            throw .refused(["not root: the rules of a network namespace need root (CAP_NET_ADMIN) in it"])
        }
    }

    // MARK: choosing

    private func choose(
        _ kernel: KernelState, _ before: InstallState?, _ state: FailoverState?, _ manner: Manner
    ) async throws(InterceptionError) -> (plan: RulePlan, notes: [String]) {
        let host = try await HostFacts(kernel, before, redirection)
        func plan(_ backend: Backend) throws(InterceptionError) -> RulePlan {
            try RulePlan(redirection, state: state ?? FailoverState(), backend: backend, host: host)
        }
        let nft = try plan(.nft)
        let complaint = try await Self.check(nft)
        if let complaint, manner == .insisting, before.flatMap({ Backend($0.backend) })?.usesNft == true {
            // What is in force works; another backend in its place would be a guess.
            throw .refused(["nft: the kernel or the tool refuses the table that is in force: \(complaint)"])
        }
        switch options.backend {
        case .nft:
            if let complaint { throw .refused(["nft: the kernel or the tool refuses the table: \(complaint)"]) }
            return (nft, [])
        case .auto where complaint == nil: return (nft, [])
        case .auto, .iptables:
            var variant = options.variant
            if variant == nil { variant = try await kernel.variantInUse() }
            let decisions: Backend.Decisions = complaint == nil && !options.onlyXtables ? .nft : .xtables
            let notes = complaint.map { ["nf_tables is not used: \($0)"] } ?? []
            return (try plan(.iptables(variant ?? .nft, decisions: decisions)), notes)
        }
    }

    /// The complaint of nft and the kernel about the plan's table, found without changing anything.
    private static func check(_ plan: RulePlan) async throws(InterceptionError) -> String? {
        let result = await Tool.run(Command("nft", ["--check", "-f", "-"], input: plan.nftText))
        guard result.ending != .broken else {
            throw .failed(step: "nft --check", cause: result.complaint, leftBehind: [])
        }
        return result.succeeded ? nil : result.complaint
    }

    private func conflicts(
        _ plan: RulePlan, _ kernel: KernelState, _ before: InstallState?
    ) async throws(InterceptionError) -> [String] {
        let conflicts = HostConflicts(
            redirection: redirection, rules: plan.routingRules, former: before)
        var problems = conflicts.routing(kernel) + conflicts.tunnels(plan, kernel) + conflicts.iptablesMarks(kernel)
        problems += conflicts.nftMarks(try await Tool.look(Command("nft", ["-s", "list", "ruleset"])) ?? "")
        problems += kernel.bridges.problems(plan.backend)
        problems += kernel.nft.problems(plan.passage)
        for rules in plan.iptables where Tool.path(of: rules.set.restoreTool) == nil {
            problems.append("\(rules.set.restoreTool): not installed: install iptables")
        }
        return problems
    }
}
