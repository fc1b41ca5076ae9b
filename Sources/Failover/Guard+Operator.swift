import Admin
import Interception
import Logging
import Model
import Syscalls

/// What operators and the configuration file say to the guard, and what it tells them.
extension Guard: ConfigurationSink {
    /// The file has changed.
    public func apply(_ configuration: Configuration, restartNeeded: [String]) async {
        refusal = nil
        guard restartNeeded.isEmpty else {
            // Rules made anew by the old values would lead past a proxy that has been started with the new ones.
            note(.warning, "ends, to start anew: restart needed for: \(restartNeeded.joined(separator: ", "))")
            return thread.finish()
        }
        self.configuration = configuration
        thread.send(.configure(configuration.failover, keeper.landmarks(configuration)))
        note(.notice, "configuration applied")
        switches.continuation.yield()
        look()
    }

    /// The file has problems.
    public func refused(_ problems: ConfigurationProblems, at unixSeconds: Int64) async {
        refusal = "configuration refused, the one before stays: \(problems)"
        note(.error, "configuration refused, the one before stays:\n\(problems)")
    }

    /// Forces a mode; returns when the rules follow it, or cannot.
    func force(_ mode: ForcedMode) async throws -> GuardStatusView {
        try keeper.save(mode)
        if mode != forced { note(.notice, "forced: \(mode.rawValue)", ["before": "\(forced.rawValue)"]) }
        forced = mode
        thread.send(.force(mode))
        for _ in 0..<100 where view.machine.forced != mode { try await Task.sleep(for: .milliseconds(5)) }
        desired = view.machine.desired(now: Clock.monotonic())
        await settled()
        return status()
    }

    /// Whether it can do its work.
    func readiness() -> GuardAPI.Ready {
        let view = view
        var reasons: [String] = []
        if !view.hasPod { reasons.append("the synthetic pod that probes are made from is missing") }
        if let problem {
            reasons.append("rules: \(problem)")
        } else if !view.isSettled {
            reasons.append("rules: being compared with what they should be")
        }
        reasons += conflicts.map { "rules: in their way: \($0)" }
        return GuardAPI.Ready(ready: reasons.isEmpty, reasons: reasons, warnings: refusal.map { [$0] } ?? [])
    }

    /// Everything at a glance.
    func status() -> GuardStatusView {
        let view = view
        let local = view.machine.local
        let now = Clock.monotonic()
        return GuardStatusView(
            version: BuildVersion.text, node: configuration.node.name, forced: forced,
            policy: configuration.failover.policy.map(\.rawValue), path: path(view),
            local: GuardStatusView.Local(
                state: local.state, milliseconds: (now - local.since) / 1_000_000,
                isTaken: inForce?.state.isLocalTaken ?? false, processes: view.processes, workers: view.workers,
                latestAnswerMilliseconds: view.latestAnswer.map { Double($0 / 10_000) / 100 },
                failures: local.backOff.failures,
                backOffMilliseconds: max(0, local.backOff.isActive(now: now) ? local.backOff.until - now : 0)
                    / 1_000_000),
            remotes: view.machine.remotes.map { remote in
                GuardStatusView.Remote(
                    name: remote.remote.name, address: "\(remote.remote.address)", isHealthy: remote.isHealthy,
                    milliseconds: (now - remote.since) / 1_000_000)
            },
            rules: GuardStatusView.Rules(
                areAsDesired: problem == nil && conflicts.isEmpty && view.isSettled, repairs: repairs,
                problem: problem, conflicts: conflicts),
            events: recent)
    }

    /// Where new connections of pods without a policy of their own go now.
    private func path(_ view: GuardView) -> String {
        guard let inForce else { return Configuration.Failover.Answer.direct.rawValue }
        let isAbsent = view.machine.local.state == .absent
        guard inForce.state.isLocalTaken || isAbsent else { return "local" }
        return Self.answer(inForce.state, configuration.failover).rawValue
    }

    static func answer(_ state: FailoverState, _ failover: Configuration.Failover) -> Configuration.Failover.Answer {
        DesiredState(isLocalTaken: true, remotes: state.remotes ?? failover.remotes.map(\.name))
            .answer(failover.policy)
    }

    static func words(_ state: FailoverState, _ failover: Configuration.Failover) -> String {
        let answer = answer(state, failover)
        let remotes = answer == .remote ? " (\(state.remotes?.joined(separator: ", ") ?? "all"))" : ""
        let path = state.isLocalTaken ? "\(answer.rawValue)\(remotes)" : "local, else \(answer.rawValue)\(remotes)"
        return state.drilledPods.isEmpty ? path : path + "; drill of \(state.drilledPods.joined(separator: ", "))"
    }

    static func time() -> String { Timestamp.milliseconds(unixNanoseconds: Clock.wall()) }
}
