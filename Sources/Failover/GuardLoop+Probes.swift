import Interception
import Logging
import Model
import Syscalls

extension GuardLoop {
    /// Starts the probes of a round, and looks at what the local proxy does meanwhile.
    func round(_ now: Int64) {
        let interval = machine.settings.interval.nanoseconds
        nextRound += interval
        if nextRound <= now { nextRound = now + interval }
        noteProgress(now)
        guard probes.count < Self.probesMax else { return }
        if pod != nil { probeLocal(now) }
        for path in landmarks.paths { probe(path, now) }
    }

    private func probeLocal(_ now: Int64) {
        guard let family = families.first else { return }
        var busy: Set<UInt16> = []
        for probe in probes.values {
            if case .local(family, let choice) = probe.purpose { busy.insert(choice.port) }
        }
        for choice in ports.round(busy: busy) { connect(family, choice, now) }
        // Workers are the same for both families: of the other one it is the rules and the way that are tested.
        for other in families.dropFirst() {
            let port = ProbePorts.first + UInt16(truncatingIfNeeded: now / 1_000_000 % Int64(ProbePorts.count))
            connect(other, ProbePorts.Choice(port: port, worker: nil, isLead: true), now)
        }
    }

    private func connect(_ family: IPAddress.Family, _ choice: ProbePorts.Choice, _ now: Int64) {
        let token = token()
        do throws(Errno) {
            guard let socket = try pod?.socket(family) else { return }
            try socket.bind(to: SocketAddress(RuleProbe.client(family, .guard), choice.port))
            probes[token] = try Probe(
                .local(family, choice), socket, to: RuleProbe.destination(family), poller, token: token, now: now)
            if trust.isExcusing(now: now) { excused.insert(token) }
        } catch {
            view.excused += 1
            // Its address or its way out is gone.
            if error.isVanishedPeer || error == .addressNotAvailable { losePod() }
        }
    }

    private func probe(_ path: RemotePath, _ now: Int64) {
        let token = token()
        do throws(Errno) {
            let socket = try Socket(family: path.destination.address.family)
            if let mark = path.mark { try socket.set(.mark(mark)) }
            try socket.bind(to: path.source)
            probes[token] = try Probe(
                .remote(path.name), socket, to: path.destination, poller, token: token, now: now)
            if trust.isExcusing(now: now) { excused.insert(token) }
        } catch {
            guard !trust.isExcusing(now: now) else { return }
            remoteProbed(path.name, .unanswered, now)
        }
    }

    // MARK: outcomes

    func advance(_ event: Poller.Event, _ now: Int64) {
        if let heartbeat, heartbeat.token == event.token { return advance(heartbeat, event.readiness, now) }
        guard let probe = probes[event.token], let result = probe.advance(event.readiness) else { return }
        let isExcused = excused.contains(event.token)
        end(event.token)
        switch probe.purpose {
        case .remote(let name):
            switch result {
            case .answered(let answer): remoteProbed(name, answer.isLeaving ? .leaving : .answered, now)
            case .refused, .reset, .foreign: if !isExcused { remoteProbed(name, .refused, now) }
            case .inconclusive: if !isExcused { remoteProbed(name, .unanswered, now) }
            }
        case .local(let family, let choice): localProbed(family, choice, probe, result, isExcused: isExcused, now)
        }
    }

    private func localProbed(
        _ family: IPAddress.Family, _ choice: ProbePorts.Choice, _ probe: Probe, _ result: Probe.Result,
        isExcused: Bool, _ now: Int64
    ) {
        switch result {
        case .answered(let answer):
            view.answered += 1
            view.generation = answer.generation
            view.latestAnswer = now - probe.started
            learn(family, choice, answer)
            record(family, choice, .answered, now)
        case .refused where !isExcused:
            view.refused += 1
            record(family, choice, .refused, now)
        case .foreign where !isExcused, .reset where !isExcused:
            view.unanswered += 1
            record(family, choice, .unanswered, now)
        case .refused, .reset, .foreign, .inconclusive: view.excused += 1
        }
    }

    /// Answers are counted by who gave them, also where another worker was expected.
    private func learn(_ family: IPAddress.Family, _ choice: ProbePorts.Choice, _ answer: RuleProbe.Answer) {
        guard family == families.first, !ports.answered(choice.port, worker: answer.worker) else { return }
        forgetLocal()
        thread.report(.listenersUnknown)
    }

    /// Probes that were not answered in time.
    func expire(_ now: Int64) {
        let timeout = machine.settings.timeout.nanoseconds
        for (token, probe) in probes where now - probe.started >= timeout {
            let isExcused = excused.contains(token)
            end(token)
            guard !isExcused else {
                view.excused += 1
                continue
            }
            switch probe.purpose {
            case .remote(let name): remoteProbed(name, .unanswered, now)
            case .local(let family, let choice):
                view.unanswered += 1
                record(family, choice, .unanswered, now)
                if family == families.first { ports.unanswered(choice.port) }
            }
        }
    }

    private func record(
        _ family: IPAddress.Family, _ choice: ProbePorts.Choice, _ outcome: LocalProxy.Outcome, _ now: Int64
    ) {
        guard let lane = Self.lane(family, choice, outcome) else { return }
        // With xt TPROXY a probe is dropped while nobody listens, which is no hang.
        if outcome == .unanswered, !machine.fallsThrough, view.socketCount == 0, machine.local.state == .absent {
            return thread.report(.listenersUnknown)
        }
        guard let change = machine.probed(lane, family, outcome, now: now) else { return }
        note(change)
        if change.from == .absent || listeners.isEmpty { thread.report(.listenersUnknown) }
    }

    func note(_ change: LocalProxy.Change) {
        view.changes += 1
        let milliseconds = (change.after + 500_000) / 1_000_000
        note(
            change.to == .serving ? .notice : .warning, "local proxy: \(change.to.rawValue): \(change.reason)",
            ["from": "\(change.from.rawValue)", "after": "\(milliseconds) ms"])
    }

    /// What a probe's outcome says something about; nil: nothing, it was a try.
    private static func lane(
        _ family: IPAddress.Family, _ choice: ProbePorts.Choice, _ outcome: LocalProxy.Outcome
    ) -> LocalProxy.Lane? {
        if let worker = choice.worker { return .worker(worker) }
        if choice.isSuspect { return .port(choice.port) }
        return choice.isLead || outcome == .refused ? .any(family) : nil
    }

    private func remoteProbed(_ name: String, _ outcome: RemoteProxy.Outcome, _ now: Int64) {
        guard let remote = machine.probed(remote: name, outcome, now: now) else { return }
        view.changes += 1
        let words =
            switch outcome {
            case .answered: "healthy: it answers"
            case .leaving: "leaving: it says so; what it has stays with it"
            case .refused: "unhealthy: it refuses"
            case .unanswered: "unhealthy: no answer through the tunnel"
            }
        note(outcome == .answered ? .notice : .warning, "remote \(remote.remote.name): \(words)")
    }

    // MARK: hang

    private func noteProgress(_ now: Int64) {
        guard machine.local.state == .hung || machine.local.state == .returning else {
            heartbeat = nil
            progress = ProxyProgress()
            return
        }
        askForHeartbeats(now)
        let used = workerTimes.reduce(into: [:]) { $0.merge($1.read()) { first, _ in first } }
        if let latest = progress.latest(used: used, now: now) { machine.progressed(now: latest) }
        // Without an admin API nothing but CPU time tells.
        if machine.mustKill(spun: landmarks.admin == nil ? 0 : progress.spun, now: now) { killListeners(now) }
    }

    /// One question at a time: who does not answer is not asked the more. One that is starved may take seconds to answer.
    private func askForHeartbeats(_ now: Int64) {
        let patience = max(ProxyProgress.freshness, machine.settings.killAfter.nanoseconds / 2)
        if let heartbeat, now - heartbeat.started < patience { return }
        guard let admin = landmarks.admin else { return }
        let token = token()
        heartbeat = try? HeartbeatProbe(to: admin, poller, token: token, now: now)
    }

    private func advance(_ probe: HeartbeatProbe, _ readiness: Poller.Readiness, _ now: Int64) {
        guard let result = probe.advance(readiness) else { return }
        heartbeat = nil
        if case .turns(let turns) = result { progress.heard(turns, now: now) }
    }

    private func killListeners(_ now: Int64) {
        machine.killed(now: now)
        progress = ProxyProgress()
        guard !listeners.isEmpty else {
            note(.error, "local proxy: hangs and is to be killed, but its process is not seen: same PID namespace?")
            thread.report(.listenersUnknown)
            return
        }
        for handle in listeners {
            _ = handle.inspect { process in
                try? process.kill()
                note(.error, "local proxy: killed: no progress for killAfter", ["pid": "\(process.number)"])
            }
        }
        view.kills += 1
    }
}
