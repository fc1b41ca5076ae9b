import FoundationEssentials
import Model

/// What the guard needs: the rules follow the state of failover, are compared and repaired.
extension Installer {
    /// What an installation has in force.
    public struct InForce: Sendable, Equatable {
        /// The backend, as `redirect status` names it.
        public var backend: String
        /// Whether new connections go past a proxy that does not listen by the kernel's own decision. False with iptables
        /// alone: there `apply` has to be called when the proxy is gone, and again when it is back.
        public var fallsThrough: Bool
        /// The state it was rendered from.
        public var state: FailoverState
    }

    /// What is in force in this network namespace; nil: nothing is installed.
    public static func inForce() throws(InterceptionError) -> InForce? {
        guard let state = try InstallState.load(), state.isLeaving != true else { return nil }
        return InForce(
            backend: state.backend, fallsThrough: Backend(state.backend)?.usesNft ?? true,
            state: state.failover ?? FailoverState())
    }

    /// Whether a next hop with this id is one of the rules'.
    public static func isOwnNexthop(_ id: Int) -> Bool { Nexthop.isOwn(id) }

    /// How a remote is tested: a connection through the tunnel that one of its workers answers as it does
    /// `RuleProbe.destination`.
    public struct RemoteCheck: Sendable, Equatable {
        /// The remote's name.
        public var remote: String
        /// Where the connection has to be bound to.
        public var source: IPAddress
        /// What is dialled.
        public var destination: SocketAddress
        /// `SO_MARK` of its socket: it tells which remote is meant.
        public var mark: UInt32
    }

    /// Routing tables that the rules have, or will have.
    public static func tables(_ redirection: Redirection) -> Set<Int> { redirection.tables(slots) }

    private static var slots: [String: Int]? { (try? InstallState.load())?.host?.slots }

    /// The tests of the remotes, in the order of their slots; empty without a tunnel. They work while the rules are
    /// installed, whatever the state.
    public static func remoteChecks(_ redirection: Redirection) -> [RemoteCheck] {
        guard redirection.needsOwnTunnel else { return [] }
        let failover = redirection.failover
        return OwnTunnel.slotted(failover, known: slots ?? [:]).map { remote in
            RemoteCheck(
                remote: remote.name, source: TunnelAddress.protected(failover.tunnel),
                destination: SocketAddress(TunnelAddress.remote(failover.tunnel), RuleProbe.port),
                mark: remote.mark(.hostReply, redirection.interception.mark, failover.hostMarkMask))
        }
    }

    /// Brings the installed rules to another state of failover: one transaction of nft (or one of iptables for each
    /// family) and the group of next hops. The rest of the host is not looked at. Connections that live are not touched.
    /// Does nothing when this state, with this configuration, is in force already.
    /// Pods' own policies may be others as well; when the configuration asks for more, all of it is installed.
    /// - Throws: `refused` when nothing is installed, or as `install` does.
    public func apply(_ state: FailoverState) async throws(InterceptionError) {
        try Self.requireRoot()
        try await RuleLock.hold { () async throws(InterceptionError) in try await follow(state) }
    }

    private func follow(_ state: FailoverState) async throws(InterceptionError) {
        guard var installed = try InstallState.load(), let host = installed.host,
            let backend = Backend(installed.backend)
        else { throw .refused(["the rules are not installed by this version: run redirect install"]) }
        guard installed.isLeaving != true else { throw Self.leaving }
        // What was known of the host then may not be enough: a remote that is new has no route yet.
        guard let plan = try? RulePlan(redirection, state: state, backend: backend, host: host),
            plan.isSwitchOf(installed)
        else {
            // The configuration asks for more than another state.
            return try await following(installed).change(state: state, .insisting)
        }
        guard !plan.isInForce(installed) else { return try note(state, &installed) }
        for step in plan.switchSteps(from: installed) where await step.action.perform() != nil {
            // Somebody has taken it away meanwhile.
            return try await following(installed).change(state: state, .insisting)
        }
        try await installed.follow(plan)
    }

    private func note(_ state: FailoverState, _ installed: inout InstallState) throws(InterceptionError) {
        guard installed.failover != state else { return }
        installed.failover = state
        try installed.save()
    }

    /// Brings the kernel back to what is to be in force: as `install`, with the backend and the state of failover that the
    /// last installation had. Only what differs is written. Conflicts are told and refuse nothing: a host whose rules
    /// carry its traffic is not left alone with half of them.
    /// - Throws: `refused` when nothing is installed, or what is there is being taken out.
    public func repair() async throws(InterceptionError) -> Report {
        try Self.requireRoot()
        guard let installed = try InstallState.load() else { throw .refused(["the rules are not installed"]) }
        return try await following(installed).settle(.insisting)
    }

    static var leaving: InterceptionError { .refused(["the rules are being taken out by redirect uninstall"]) }

    /// What the kernel has otherwise than it was installed, and the configuration otherwise than the installation.
    public func differences() async throws(InterceptionError) -> [String] {
        try Self.requireRoot()
        return try await RedirectStatus.differences(desired: self).differences
    }
}

extension RulePlan {
    /// Whether a switch leads from the installed plan to this one.
    func isSwitchOf(_ installed: InstallState) -> Bool {
        fixedText == installed.fixedText && routingRules == installed.rules && routes == installed.routes
            && tunnelDevices == installed.devices && sysctls == installed.sysctls
            && iptables.map(\.set) == installed.iptables.map(\.set)
            && (backend.usesNft || iptables.map(\.chainNames) == installed.iptables.map(\.chainNames))
    }

    func isInForce(_ installed: InstallState) -> Bool {
        nftText == installed.nftText && iptables.map { $0.installText() } == installed.iptables.map(\.text)
            && nexthops == installed.nexthops
    }

    /// What has to be written when only the state of failover or the pods' own answers are others.
    func switchSteps(from installed: InstallState) -> [Step] {
        var steps: [Step] = []
        if nftText != installed.nftText, !nftText.isEmpty {
            steps.append(
                Step("nft table inet \(Self.tableName): switch", .run(Command("nft", ["-f", "-"], input: switchText))))
        }
        for rules in iptables {
            guard installed.iptables.first(where: { $0.set == rules.set })?.text != rules.installText() else {
                continue
            }
            steps.append(
                Step(
                    "\(rules.set) chains \(XtablesRules.chainPrefix)*: switch",
                    .run(rules.set.restore(rules.switchText))))
        }
        for nexthop in nexthops where !(installed.nexthops ?? []).contains(nexthop) { steps.append(.nexthop(nexthop)) }
        return steps
    }
}

extension InstallState {
    /// Remembers that `plan` is in force now.
    mutating func follow(_ plan: RulePlan) async throws(InterceptionError) {
        failover = plan.state
        answer = "\(plan.answer)"
        limitations = plan.limitations
        nexthops = plan.nexthops
        nftText = plan.nftText
        // It is in force, whether or not its spelling can be read: one that is not known is written once more.
        if !nftText.isEmpty { nftListing = (try? await KernelState.ownTable()) ?? "" }
        for rules in plan.iptables {
            guard let index = iptables.firstIndex(where: { $0.set == rules.set }) else { continue }
            guard iptables[index].text != rules.installText() else { continue }
            iptables[index].text = rules.installText()
            let saved = try? await rules.set.saved()
            iptables[index].listing = XtablesListing(parsing: (saved ?? nil) ?? "")
        }
        try save()
    }
}
