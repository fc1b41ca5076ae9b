import Interception
import Model

/// The rules of this network namespace, by `Installer`.
public struct HostRules: RuleKeeper {
    /// Rules.
    public init() {}

    /// See `RuleKeeper`.
    public func inForce() async throws -> RulesInForce? {
        guard let found = try Installer.inForce() else { return nil }
        // What netlink tells of legacy iptables is nothing.
        return RulesInForce(
            state: found.state, fallsThrough: found.fallsThrough, mustBePolled: found.backend.contains("legacy"))
    }

    /// See `RuleKeeper`.
    public func apply(_ state: FailoverState, _ configuration: Configuration) async throws {
        try await installer(configuration).apply(state)
    }

    /// See `RuleKeeper`.
    public func repair(_ configuration: Configuration) async throws -> RuleRepair {
        let report = try await installer(configuration).repair()
        return RuleRepair(steps: report.steps, conflicts: report.conflicts)
    }

    /// See `RuleKeeper`.
    public func landmarks(_ configuration: Configuration) -> Landmarks {
        guard let redirection = Redirection(configuration) else { return Landmarks() }
        let paths = Installer.remoteChecks(redirection).map { check in
            RemotePath(
                name: check.remote, destination: check.destination, source: SocketAddress(check.source, 0),
                mark: check.mark)
        }
        var admin = configuration.admin
        if admin.address.isUnspecified { admin.address = admin.address.isV4 ? .loopbackV4 : .loopbackV6 }
        return Landmarks(
            paths: paths, tables: Installer.tables(redirection), admin: admin.port == 0 ? nil : admin)
    }

    /// See `RuleKeeper`.
    public func loadForced() -> ForcedMode { GuardMemory.load().flatMap(ForcedMode.init) ?? .auto }

    /// See `RuleKeeper`.
    public func save(_ forced: ForcedMode) throws { try GuardMemory.save(forced == .auto ? nil : forced.rawValue) }

    private struct NoInterception: Error, CustomStringConvertible {
        let description = "interception: missing: there is nothing to keep"
    }

    private func installer(_ configuration: Configuration) throws -> Installer {
        guard let redirection = Redirection(configuration) else { throw NoInterception() }
        return Installer(redirection)
    }
}
