import Interception
import Model

/// The rules: they follow wishes at once, and are compared with what they should be. These are two loops, because a look at
/// a host with many rules takes seconds, and a switch has none to lose.
extension Guard {
    private static let firstRetryMilliseconds = 50, lastRetryMilliseconds = 1000

    /// What the rules are to do, drill included.
    var wish: FailoverState {
        FailoverState(
            isLocalTaken: desired.isLocalTaken, refusesProtectedHosts: desired.refusesProtectedHosts,
            remotes: configuration.failover.remotes.isEmpty ? nil : desired.remotes,
            kept: desired.kept.isEmpty ? nil : desired.kept, drilledPods: drilled)
    }

    /// Why the rules are not kept; nil: they are, beside what `conflicts` says.
    var problem: String? {
        if let problem = switchProblem ?? lookProblem { return problem }
        return inForce == nil ? "not installed: run apusctl redirect install" : nil
    }

    // MARK: wishes

    func keepSwitching() async {
        var retry = Self.firstRetryMilliseconds
        switches.continuation.yield()
        for await _ in switches.stream {
            guard !Task.isCancelled else { break }
            await follow()
            ask(switches.continuation, again: switchProblem != nil, &retry)
        }
        isOver = true
        resumeWaiting()
    }

    private func follow() async {
        do {
            if let inForce, inForce.state != wish { try await apply(wish) }
            switchProblem = nil
        } catch {
            if switchProblem != "\(error)" { note(.error, "rules: \(error)") }
            switchProblem = "\(error)"
            look()
        }
        conclude()
    }

    private func apply(_ wish: FailoverState) async throws {
        let start = ContinuousClock.now
        try await keeper.apply(wish, configuration)
        let spent = ContinuousClock.now - start
        let before = inForce?.state
        inForce?.state = wish
        note(
            .notice, "rules: new connections: \(Self.words(wish, configuration.failover))",
            ["before": "\(before.map { Self.words($0, configuration.failover) } ?? "-")", "took": "\(spent.text)"])
    }

    /// Waits until the rules have been made (or tried to be made) what they should be.
    func settled() async {
        guard !isOver else { return }
        await withCheckedContinuation { continuation in
            waiting.append(continuation)
            switches.continuation.yield()
        }
    }

    private func resumeWaiting() {
        let waiters = waiting
        waiting = []
        for waiter in waiters { waiter.resume() }
    }

    // MARK: looks

    /// Asks for the rules to be compared, again and again.
    func keepLooking() async {
        while !Task.isCancelled {
            let isTrouble = problem != nil || !conflicts.isEmpty
            let interval = inForce?.mustBePolled == true || isTrouble ? Self.pollInterval : Self.lookInterval
            do { try await Task.sleep(for: interval) } catch { return }
            look()
        }
    }

    /// Asks for the rules to be compared.
    func look() {
        needsLook = true
        looks.continuation.yield()
    }

    func keepComparing() async {
        var retry = Self.firstRetryMilliseconds
        looks.continuation.yield()
        for await _ in looks.stream {
            try? await Task.sleep(for: Self.settling)
            guard !Task.isCancelled else { return }
            needsLook = false
            await compare()
            conclude()
            // A device on its way out is in nobody's way a moment later; what stays in the way need not be asked often.
            ask(looks.continuation, again: lookProblem != nil, &retry)
        }
    }

    private func compare() async {
        do {
            guard let found = try await keeper.inForce() else { return forget() }
            if inForce == nil { thread.send(.rulesInstalled(fallsThrough: found.fallsThrough)) }
            inForce = found
            let start = ContinuousClock.now
            let repair = try await keeper.repair(configuration)
            inForce = try await keeper.inForce()
            lookProblem = nil
            tell(repair.conflicts)
            guard !repair.steps.isEmpty else { return }
            repairs += 1
            note(
                .warning, "rules: repaired: \(repair.steps.prefix(5).joined(separator: "; "))",
                ["steps": "\(repair.steps.count)", "took": "\((ContinuousClock.now - start).text)"])
        } catch {
            needsLook = true
            if lookProblem != "\(error)" { note(.error, "rules: \(error)") }
            lookProblem = "\(error)"
        }
    }

    private func forget() {
        inForce = nil
        switchProblem = nil
        lookProblem = nil
        conflicts = []
        thread.send(.rulesGone)
    }

    private func tell(_ found: [String]) {
        for conflict in found where !conflicts.contains(conflict) { note(.error, "rules: in their way: \(conflict)") }
        if found.isEmpty, !conflicts.isEmpty { note(.notice, "rules: nothing is in their way any more") }
        conflicts = found
    }

    // MARK: both

    /// What follows from a switch or a look.
    private func conclude() {
        if let inForce {
            if inForce.state != wish {
                if switchProblem == nil { switches.continuation.yield() }
            } else if !needsLook, lookProblem == nil {
                thread.send(.rulesSettled(fallsThrough: inForce.fallsThrough))
            }
        }
        // A wish that came meanwhile is not in force yet.
        if inForce == nil || switchProblem != nil || inForce?.state == wish { resumeWaiting() }
    }

    /// Without keeping anybody waiting who comes meanwhile.
    private func ask(_ loop: AsyncStream<Void>.Continuation, again: Bool, _ milliseconds: inout Int) {
        guard again else {
            milliseconds = Self.firstRetryMilliseconds
            return
        }
        let delay = Duration.milliseconds(milliseconds)
        milliseconds = min(2 * milliseconds, Self.lastRetryMilliseconds)
        Task {
            try? await Task.sleep(for: delay)
            loop.yield()
        }
    }
}
