import Interception
import Logging
import Model
import Syscalls

/// The guard of a host: keeps the rules as they should be, and leads new connections past a proxy that hangs.
///
/// Its thread (`GuardThread`) probes and judges; this actor does what takes time: it writes rules, looks for processes,
/// makes the synthetic pod. It is the only one that changes the rules while it runs. Its own end changes nothing: the
/// rules stay, and the next guard goes on from them.
public actor Guard {
    /// What it guards by. Replaced by reloads.
    public internal(set) var configuration: Configuration
    nonisolated let thread: GuardThread
    nonisolated let logger: Logger
    let keeper: any RuleKeeper
    private let claim: GuardClaim?
    /// Families of the pods it guards: others have no rules, so nothing that is asked would be answered.
    let families: [IPAddress.Family]
    var desired: DesiredState
    var forced: ForcedMode
    var inForce: RulesInForce?
    var drilled: [String] = []
    /// Whether the rules have to be compared with what they should be, and why they are not.
    var needsLook = true
    var problem: String?
    var refusal: String?
    var repairs = 0
    /// Changes of our own, which netlink tells us of as well.
    var lastRepair: ContinuousClock.Instant?
    var recent: [GuardStatusView.Event] = []
    private let work = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    private var retryMilliseconds = Guard.firstRetryMilliseconds
    private var waiting: [CheckedContinuation<Void, Never>] = []
    /// Nobody keeps the rules any more: it ends.
    private var isOver = false

    /// The whole set of rules is compared this often, whatever netlink tells.
    static let lookInterval = Duration.seconds(10)
    /// The same where netlink does not tell.
    static let pollInterval = Duration.milliseconds(800)
    /// A burst of changes is looked at once.
    static let settling = Duration.milliseconds(20)
    static let eventsMax = 50
    private static let firstRetryMilliseconds = 50

    /// A guard that goes on from the rules in force.
    public init(
        _ configuration: Configuration, keeper: any RuleKeeper, claim: GuardClaim? = nil, logger: Logger
    ) async throws {
        self.configuration = configuration
        self.claim = claim
        families = Self.families(of: configuration)
        self.keeper = keeper
        self.logger = logger
        forced = keeper.loadForced()
        inForce = try await keeper.inForce()
        let names = configuration.failover.remotes.map(\.name)
        let before = inForce.map {
            DesiredState(isLocalTaken: $0.state.isLocalTaken, remotes: $0.state.remotes ?? names)
        }
        let machine = FailoverMachine(
            configuration.failover, inForce: before, forced: forced, fallsThrough: inForce?.fallsThrough ?? true,
            now: Clock.monotonic())
        desired = before ?? machine.desired(now: Clock.monotonic())
        thread = try GuardThread(machine)
    }

    /// Guards until the task is cancelled, or its thread has ended: a guard that does not see is none.
    public func run() async throws {
        try thread.start(paths: keeper.paths(configuration), families: families)
        defer { thread.send(.stop) }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepRules() }
            group.addTask { await self.keepLooking() }
            group.addTask { await self.makePod() }
            group.addTask { await self.findListeners() }
            await self.listen()
            group.cancelAll()
        }
    }

    static func families(of configuration: Configuration) -> [IPAddress.Family] {
        let prefixes =
            (configuration.interception?.podCIDRs ?? []) + configuration.failover.protects.flatMap(\.podCIDRs)
        return IPAddress.Family.present.filter { family in prefixes.contains { $0.family == family } }
    }

    /// What the thread knows, now.
    nonisolated var view: GuardView { thread.view }

    // MARK: events

    private func listen() async {
        for await event in thread.events {
            guard !Task.isCancelled else { return }
            switch event {
            case .desired(let wish):
                desired = wish
                work.continuation.yield()
            case .rulesChanged(let isOurs):
                needsLook = needsLook || isOurs
                if isOurs { work.continuation.yield() }
            case .podLost: Task { await makePod() }
            case .listenersUnknown: Task { await findListeners() }
            case .note(let level, let text, let metadata): note(level, text, metadata)
            }
        }
    }

    /// For the log and the status.
    func note(_ level: Logger.Level, _ text: String, _ metadata: Logger.Metadata = [:]) {
        logger.log(level: level, "\(text)", metadata: metadata)
        let details = metadata.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
        recent.insert(GuardStatusView.Event(time: Self.time(), text: text + details), at: 0)
        if recent.count > Self.eventsMax { recent.removeLast() }
    }

    // MARK: rules

    /// What the rules are to do, drill included.
    var wish: FailoverState {
        let state = view.machine.local.state
        return FailoverState(
            isLocalTaken: desired.isLocalTaken,
            refusesProtectedHosts: desired.isLocalTaken && (state == .hung || state == .returning),
            remotes: configuration.failover.remotes.isEmpty ? nil : desired.remotes, drilledPods: drilled)
    }

    private func keepRules() async {
        work.continuation.yield()
        for await _ in work.stream {
            guard !Task.isCancelled else { return }
            await settle()
            guard problem != nil, inForce != nil else {
                retryMilliseconds = Self.firstRetryMilliseconds
                continue
            }
            // A device on its way out is in nobody's way a moment later; what stays in the way need not be asked often.
            try? await Task.sleep(for: .milliseconds(retryMilliseconds))
            retryMilliseconds = min(2 * retryMilliseconds, 1000)
            work.continuation.yield()
        }
        resumeWaiting()
    }

    private func resumeWaiting() {
        if Task.isCancelled { isOver = true }
        let waiters = waiting
        waiting = []
        for waiter in waiters { waiter.resume() }
    }

    private func keepLooking() async {
        while !Task.isCancelled {
            let interval = inForce?.mustBePolled == true || problem != nil ? Self.pollInterval : Self.lookInterval
            do { try await Task.sleep(for: interval) } catch { break }
            look()
        }
        work.continuation.finish()
    }

    /// Asks for the rules to be compared.
    func look() {
        needsLook = true
        work.continuation.yield()
    }

    /// Makes the rules what they should be, as often as it takes: a wish may change meanwhile.
    private func settle() async {
        do {
            if inForce == nil { inForce = try await keeper.inForce() }
            if let inForce, inForce.state != wish { try await apply(wish) }
            if needsLook {
                needsLook = false
                try? await Task.sleep(for: Self.settling)
                try await repair()
            }
            problem = inForce == nil ? "not installed: run apusctl redirect install" : nil
        } catch {
            needsLook = true
            if problem != "\(error)" { note(.error, "rules: \(error)") }
            problem = "\(error)"
        }
        if problem == nil, let inForce {
            if inForce.state != wish || needsLook {
                work.continuation.yield()
            } else {
                thread.send(.rulesSettled(fallsThrough: inForce.fallsThrough))
            }
        }
        // A wish that came meanwhile is not in force yet.
        if problem != nil || inForce?.state == wish { resumeWaiting() }
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

    private func repair() async throws {
        guard let found = try await keeper.inForce() else {
            inForce = nil
            return
        }
        inForce = found
        let start = ContinuousClock.now
        let steps = try await keeper.repair(wish, configuration)
        inForce = try await keeper.inForce()
        guard !steps.isEmpty else { return }
        repairs += 1
        note(
            .warning, "rules: repaired: \(steps.prefix(5).joined(separator: "; "))",
            ["steps": "\(steps.count)", "took": "\((ContinuousClock.now - start).text)"])
    }

    /// Waits until the rules have been made (or tried to be made) what they should be.
    func settled() async {
        guard !isOver else { return }
        await withCheckedContinuation { continuation in
            waiting.append(continuation)
            work.continuation.yield()
        }
    }

    // MARK: slow work for the thread

    private func makePod() async {
        while !Task.isCancelled, !view.hasPod {
            do {
                let pod = try await SyntheticPod.make(families, for: .guard)
                return thread.send(.pod(Parcel(pod)))
            } catch {
                note(.error, "the synthetic pod that probes are made from: \(error.cause)")
                try? await Task.sleep(for: .seconds(1))
            }
        }
    }

    private func findListeners() async {
        guard let port = configuration.interception?.outboundPort else { return }
        let owners = await ListenerOwners.find(port: port, IPAddress.Family.present)
        thread.send(.listeners(owners.processes.compactMap(Self.handle), socketCount: owners.socketCount))
    }

    private static func handle(_ process: Int32) -> Parcel<ProcessHandle>? {
        do throws(Errno) { return Parcel(try ProcessHandle(process)) } catch { return nil }
    }
}

extension Duration {
    /// `12 ms`.
    var text: String { "\((nanoseconds + 500_000) / 1_000_000) ms" }
}
