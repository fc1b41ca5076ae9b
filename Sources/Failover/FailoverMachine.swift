import Model

/// The guard's judgement of a host: its own proxy, its remotes, and what an operator has forced. A pure value; the time
/// (nanoseconds of any monotonic clock) is passed in.
public struct FailoverMachine: Sendable, Equatable {
    /// See `ForcedMode`.
    public var forced: ForcedMode
    /// The proxy of this host.
    public private(set) var local: LocalProxy
    /// Those that stand in for it, in the configuration's order.
    public private(set) var remotes: [RemoteProxy]
    /// Whether the rules lead past the local proxy by themselves while nobody listens (not with xt TPROXY).
    public var fallsThrough: Bool
    /// How probes are counted.
    public private(set) var settings: Configuration.Probe

    /// Goes on from the state in force: what the rules do now stays until there is a reason against it.
    public init(
        _ failover: Configuration.Failover, inForce: DesiredState?, forced: ForcedMode = .auto,
        fallsThrough: Bool = true, now: Int64
    ) {
        settings = failover.probe
        self.forced = forced
        self.fallsThrough = fallsThrough
        local = LocalProxy(failover.probe, isTaken: inForce?.isLocalTaken == true && forced == .auto, now: now)
        remotes = failover.remotes.map { remote in
            RemoteProxy(
                remote, isHealthy: inForce.map { $0.remotes.contains(remote.name) },
                isReachable: inForce.map { ($0.remotes + $0.kept).contains(remote.name) } ?? true, now: now)
        }
    }

    /// Another configuration. Remotes that it names as before keep what is known of them.
    public mutating func configure(_ failover: Configuration.Failover, now: Int64) {
        settings = failover.probe
        local.set(failover.probe)
        let known = remotes
        remotes = failover.remotes.map { remote in
            known.first { $0.remote == remote } ?? RemoteProxy(remote, isHealthy: nil, now: now)
        }
    }

    /// A probe of the local proxy has ended.
    public mutating func probed(
        _ lane: LocalProxy.Lane, _ family: IPAddress.Family, _ outcome: LocalProxy.Outcome, now: Int64
    ) -> LocalProxy.Change? {
        local.probed(lane, family, outcome, now: now)
    }

    /// A probe of a remote has ended; the remote when it is thought of otherwise now.
    public mutating func probed(remote name: String, _ outcome: RemoteProxy.Outcome, now: Int64) -> RemoteProxy? {
        guard let index = remotes.firstIndex(where: { $0.remote.name == name }) else { return nil }
        return remotes[index].probed(outcome, settings, now: now) ? remotes[index] : nil
    }

    /// The local proxy got on at this time.
    public mutating func progressed(now: Int64) { local.progressed(now: now) }

    /// Nobody listens, as another source than a probe tells.
    public mutating func localGone(now: Int64) -> LocalProxy.Change? { local.gone(now: now) }

    /// The local proxy is another process now, or has other workers.
    public mutating func localChanged() { local.changed() }

    /// The local proxy has been sent SIGKILL.
    public mutating func killed(now: Int64) { local.killed(now: now) }

    /// Whether the local proxy is to be killed now. Never against an operator's word.
    public func mustKill(spun: Int64 = 0, now: Int64) -> Bool {
        forced == .auto && local.mustBeKilled(spun: spun, now: now)
    }

    /// What the rules are to do.
    public func desired(now: Int64) -> DesiredState {
        let isTaken =
            switch forced {
            case .auto: local.isTaken(fallsThrough: fallsThrough, now: now)
            case .local: false
            case .remote: true
            }
        // A remote that was never asked is given the benefit of the doubt: a fresh host must be protected at once.
        let hangs = local.state == .hung || local.state == .returning
        return DesiredState(
            isLocalTaken: isTaken, refusesProtectedHosts: isTaken && hangs,
            remotes: remotes.filter { $0.isHealthy != false }.map(\.remote.name),
            // What the only one has is nobody else's anyway.
            kept: remotes.count < 2
                ? [] : remotes.filter { $0.isHealthy == false && $0.isReachable }.map(\.remote.name))
    }
}
