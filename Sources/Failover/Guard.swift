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
    /// Whether the rules have to be compared with what they should be.
    var needsLook = true
    /// Why new connections are not led as they should be, and why the rules could not be compared.
    var switchProblem: String?
    var lookProblem: String?
    /// What others have that stands in the rules' way.
    var conflicts: [String] = []
    var refusal: String?
    var repairs = 0
    var recent: [GuardStatusView.Event] = []
    let switches = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    let looks = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    var waiting: [CheckedContinuation<Void, Never>] = []
    /// Nobody keeps the rules any more: it ends.
    var isOver = false

    /// The whole set of rules is compared this often, whatever netlink tells.
    static let lookInterval = Duration.seconds(10)
    /// The same where netlink does not tell.
    static let pollInterval = Duration.milliseconds(800)
    /// A burst of changes is looked at once.
    static let settling = Duration.milliseconds(20)
    static let eventsMax = 50

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
            DesiredState(
                isLocalTaken: $0.state.isLocalTaken, refusesProtectedHosts: $0.state.refusesProtectedHosts,
                remotes: $0.state.remotes ?? names, kept: $0.state.kept ?? [])
        }
        let machine = FailoverMachine(
            configuration.failover, inForce: before, forced: forced, fallsThrough: inForce?.fallsThrough ?? true,
            now: Clock.monotonic())
        desired = before ?? machine.desired(now: Clock.monotonic())
        thread = try GuardThread(machine)
    }

    /// Guards until the task is cancelled, or its thread has ended: a guard that does not see is none.
    public func run() async throws {
        try thread.start(keeper.landmarks(configuration), families: families)
        defer { thread.send(.stop) }
        if let inForce { thread.send(.rulesInstalled(fallsThrough: inForce.fallsThrough)) }
        await withDiscardingTaskGroup { group in
            group.addTask { await self.keepSwitching() }
            group.addTask { await self.keepComparing() }
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
                switches.continuation.yield()
            case .rulesChanged: look()
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
