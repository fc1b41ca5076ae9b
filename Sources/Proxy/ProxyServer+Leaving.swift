import Model

// The end in order. Own pods' connections go past a process at the kernel's hand, the moment it closes its gate. Those of
// protected hosts do not: there the hosts' guards have to switch, so they are told first, and served until they have.

extension ProxyServer {
    /// What a guard has for its switch, beyond the time in which it finds out: one takes 40 to 90 ms, several times that on
    /// a host without CPU time to spare.
    static let switchTime = Duration.seconds(1)
    /// Whatever the probes of the configuration say.
    static let graceMax = Duration.seconds(10)

    /// New connections go past this process; what waits is accepted, live connections go on. At once, or where it stands in
    /// for other hosts after the time that their guards need to lead connections elsewhere.
    public func drain() {
        guard let grace = beginToLeave() else { return }
        guard grace > .zero else { return drain(gated: true) }
        for context in contexts { context.mailbox.send(.leave) }
        Task {
            try? await Task.sleep(for: grace)
            // The next generation may have taken the listeners over meanwhile.
            if phase == .leaving { drain(gated: true) }
        }
    }

    /// nil: it is leaving already.
    private func beginToLeave() -> Duration? {
        state.withLock { state in
            state.isEnding = true
            if state.phase == .leaving { return nil }
            let snapshot = state.generation.snapshot
            guard state.phase == .serving, snapshot.hosts.count > 0 else { return .zero }
            let grace = Self.grace(snapshot.configuration)
            if grace > .zero { state.phase = .leaving }
            return grace
        }
    }

    /// Hosts that probe as this one does have gone elsewhere by then, also those whose guards only see that the answer is
    /// none. At most half of what the whole end may take.
    static func grace(_ configuration: Configuration) -> Duration {
        let probe = configuration.failover.probe
        let wanted = probe.interval * probe.unhealthyAfter + probe.timeout + switchTime
        return min(wanted, graceMax, configuration.drainTimeout / 2)
    }
}
