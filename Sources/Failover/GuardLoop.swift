import Interception
import Logging
import Model
import Syscalls

/// What runs on the guard's thread: rounds of probes, their outcomes into the machine, the machine's wishes out as
/// events. Owns the synthetic pod, its connections, and the handles of the processes that listen.
final class GuardLoop {
    let thread: GuardThread
    var machine: FailoverMachine
    var view: GuardView
    var poller: Poller
    var pod: SyntheticPod?
    var ports: ProbePorts
    /// Connections under way by token. Those in `excused` prove nothing: the rules, or the guard, were not as they should.
    var probes: [UInt64: Probe] = [:]
    var excused: Set<UInt64> = []
    var landmarks: Landmarks
    var listeners: [Parcel<ProcessHandle>] = []
    var workerTimes: [WorkerTime] = []
    var progress = ProxyProgress()
    var heartbeat: HeartbeatProbe?
    var trust = RuleTrust()
    var nextRound: Int64
    private var isStopped = false
    private var desired: DesiredState?
    private let tables: KernelEvents
    private let routing: KernelEvents
    private var nextToken = GuardLoop.firstProbe
    private var lastOverrun = Int64.min / 2
    /// Sockets with news that have not been read to their end.
    private var unread: Set<UInt64> = []
    let families: [IPAddress.Family]

    /// Tokens of the poller; probes have those from `firstProbe`, listeners' processes those from `firstProcess`.
    private static let orders: UInt64 = 1, tableNews: UInt64 = 2, routingNews: UInt64 = 3
    private static let firstProcess: UInt64 = 16, firstProbe: UInt64 = 1 << 16
    static let probesMax = 4096
    private static let readsMax = 256
    private static let overrunInterval: Int64 = 10_000_000_000

    init(
        _ thread: GuardThread, _ machine: FailoverMachine, _ landmarks: Landmarks, _ families: [IPAddress.Family]
    ) throws(Errno) {
        self.thread = thread
        self.machine = machine
        self.landmarks = landmarks
        self.families = families
        view = GuardView(machine: machine)
        poller = try Poller()
        tables = try KernelEvents(.tables)
        routing = try KernelEvents(.routing)
        ports = ProbePorts(portsPerWorker: Self.portsPerWorker(machine.settings))
        nextRound = Clock.monotonic()
        try thread.register(with: poller, token: Self.orders)
        try poller.add(tables.descriptor, token: Self.tableNews, writing: false)
        try poller.add(routing.descriptor, token: Self.routingNews, writing: false)
    }

    /// Until it is told to stop.
    func run() {
        while !isStopped {
            let count = poller.wait(milliseconds: unread.isEmpty ? rest() : 0)
            let now = Clock.monotonic()
            noteLateness(now)
            for index in 0..<count { handle(poller.event(index), now) }
            readNews(now)
            expire(now)
            if now >= nextRound { round(now) }
            publish(now)
        }
    }

    /// A port is busy until its probe has ended: more probes may be under way than one.
    static func portsPerWorker(_ settings: Configuration.Probe) -> Int {
        let interval = max(1, settings.interval.nanoseconds)
        return min(32, Int(settings.timeout.nanoseconds / interval) + 2)
    }

    // MARK: time

    private func rest() -> Int32 {
        let timeout = machine.settings.timeout.nanoseconds
        let first = probes.values.map { $0.started + timeout }.min() ?? .max
        let rest = min(first, nextRound) - Clock.monotonic()
        return Int32(clamping: max(0, (rest + 999_999) / 1_000_000))
    }

    /// When the guard itself did not run, what was not answered meanwhile may lie there unread, or the whole host stood
    /// still.
    private func noteLateness(_ now: Int64) {
        guard now - nextRound > machine.settings.interval.nanoseconds else { return }
        view.lateRounds += 1
        excused.formUnion(probes.keys)
    }

    // MARK: events

    private func handle(_ event: Poller.Event, _ now: Int64) {
        switch event.token {
        case Self.orders: for order in thread.takeOrders() { obey(order, now) }
        case Self.tableNews, Self.routingNews: unread.insert(event.token)
        case Self.firstProcess..<Self.firstProbe: listenerEnded()
        default: advance(event, now)
        }
    }

    private func readNews(_ now: Int64) {
        var news: Set<RuleNews> = []
        if unread.contains(Self.tableNews), read(tables, now, &news, RuleNews.tables) {
            unread.remove(Self.tableNews)
        }
        if unread.contains(Self.routingNews) {
            let own = RuleNews.Own(
                tables: landmarks.tables, podDevice: Array(SyntheticPod.device(.guard).utf8) + [0],
                podAddresses: families.map { RuleProbe.client($0, .guard).bytes })
            if read(routing, now, &news, { RuleNews.routing($0, own) }) { unread.remove(Self.routingNews) }
        }
        if news.contains(.pod) { losePod() }
        if news.contains(.ours) { unsettle(now) }
        if !news.isDisjoint(with: [.ours, .port]) { thread.report(.rulesChanged) }
    }

    /// False: there is more. A flood must not keep the rounds waiting.
    private func read(
        _ source: borrowing KernelEvents, _ now: Int64, _ news: inout Set<RuleNews>,
        _ judge: (KernelEvents.Message) -> RuleNews
    ) -> Bool {
        for _ in 0..<Self.readsMax {
            switch source.next() {
            case .none: return true
            case .overrun: noteOverrun(now, &news)
            case .messages(let messages): news.formUnion(messages.map(judge))
            }
        }
        return false
    }

    /// Any message may have been among those that got lost.
    private func noteOverrun(_ now: Int64, _ news: inout Set<RuleNews>) {
        view.overruns += 1
        news.insert(.ours)
        // A pod that is made anew with each overrun of a flood would never be there.
        guard now - lastOverrun > Self.overrunInterval else { return }
        lastOverrun = now
        news.insert(.pod)
    }

    /// What is not answered while the rules may be wrong is not the proxy's fault.
    private func unsettle(_ now: Int64) {
        trust.doubt(now: now)
        if trust.isExcusing(now: now) { excused.formUnion(probes.keys) }
    }

    func losePod() {
        guard pod != nil else { return }
        pod = nil
        drop { if case .local = $0 { true } else { false } }
        // Whoever hears of it looks here whether there is one.
        view.hasPod = false
        thread.publish(view)
        thread.report(.podLost)
    }

    private func drop(_ isDropped: (Probe.Purpose) -> Bool) {
        for (token, probe) in probes where isDropped(probe.purpose) { end(token) }
    }

    func end(_ token: UInt64) {
        probes[token] = nil
        excused.remove(token)
    }

    private func listenerEnded() {
        listeners = []
        workerTimes = []
        thread.report(.listenersUnknown)
    }

    // MARK: orders

    private func obey(_ order: GuardOrder, _ now: Int64) {
        switch order {
        case .configure(let failover, let landmarks):
            machine.configure(failover, now: now)
            // What is known of ports goes, so what is known of lanes does: nobody would ask those again. And the rules do
            // not know a new remote yet.
            forgetLocal()
            unsettle(now)
            self.landmarks = landmarks
            ports = ProbePorts(portsPerWorker: Self.portsPerWorker(failover.probe))
            ports.workerCount = view.socketCount
        case .force(let forced):
            machine.forced = forced
        case .rulesSettled(let fallsThrough):
            if trust.isExcusing(now: now) { excused.formUnion(probes.keys) }
            trust.settled(now: now)
            machine.fallsThrough = fallsThrough
        case .rulesInstalled(let fallsThrough):
            trust.installed(now: now)
            machine.fallsThrough = fallsThrough
        case .rulesGone: trust.gone()
        case .pod(let parcel): pod = parcel.take()
        case .listeners(let handles, let socketCount): adopt(handles, socketCount, now)
        case .stop: isStopped = true
        }
    }

    private func adopt(_ handles: [Parcel<ProcessHandle>], _ socketCount: Int?, _ now: Int64) {
        // It could not be told: what was known holds.
        // Where the rules fall through, a refused probe tells, which is better than a look into /proc.
        guard let socketCount else { return }
        if socketCount == 0, !machine.fallsThrough, let change = machine.localGone(now: now) { note(change) }
        let numbers = handles.compactMap { $0.inspect { $0.number } }
        if numbers != view.processes || socketCount != view.socketCount {
            ports.forget()
            forgetLocal()
        }
        listeners = handles
        view.processes = numbers
        view.socketCount = socketCount
        ports.workerCount = socketCount
        workerTimes = numbers.map(WorkerTime.init)
        for (index, handle) in handles.enumerated() {
            let token = Self.firstProcess + UInt64(index)
            _ = handle.inspect { handle in try? poller.add(handle.descriptor, token: token, writing: false) }
        }
    }

    /// Other workers, or other ports to reach them by: probes under way would tell of those that were.
    func forgetLocal() {
        machine.localChanged()
        for (token, probe) in probes {
            if case .local = probe.purpose { excused.insert(token) }
        }
    }

    // MARK: out

    func token() -> UInt64 {
        nextToken += 1
        return nextToken
    }

    func note(_ level: Logger.Level, _ message: String, _ metadata: Logger.Metadata = [:]) {
        thread.report(.note(level, message, metadata))
    }

    private func publish(_ now: Int64) {
        let wish = machine.desired(now: now)
        if wish != desired {
            desired = wish
            thread.report(.desired(wish))
        }
        view.machine = machine
        view.workers = ports.workers
        view.hasPod = pod != nil
        view.isSettled = trust.isSettled
        view.now = now
        thread.publish(view)
    }
}

extension IPAddress.Family {
    /// Those that this network namespace has.
    static var present: [IPAddress.Family] {
        [IPAddress.Family.v4, .v6].filter { (try? Socket(family: $0)) != nil }
    }
}

extension IPAddress {
    /// In network order, as a packet has it.
    var bytes: [UInt8] {
        let all = [high, low].flatMap { word in (0..<8).map { UInt8(truncatingIfNeeded: word >> (56 - 8 * $0)) } }
        return isV4 ? Array(all.suffix(4)) : all
    }
}
