import Buffers
import EventLoop
import HTTP
import Model
import Patterns
import Routing
import Synchronization
import Syscalls
import Upstream

/// One data-plane thread: an event loop and everything it owns. Nothing here is shared but what `WorkerContext` names;
/// nothing here blocks but the poller's wait.
///
/// A turn: wait, take in events (mark what became ready, queue the connection), fire timers, read messages, serve queued
/// connections fairly by pod until that share of the turn's time is used up, then accept connections until this one is.
/// Whatever is left over stays queued and the next wait does not sleep.
struct Worker: ~Copyable {
    /// Keeps the worker where it is. A struct that could be loaded as a whole is copied, all 2 KiB, for each call that
    /// only reads it: 21 times a request, a sixth of its instructions. One with an atomic has an address, and is lent.
    private let anchor = Atomic<UInt8>(0)
    let context: WorkerContext
    /// Its own counters, and those of its turns: blocks of `context.statistics`.
    let counters: CounterBlock, turns: CounterBlock
    var generation: Generation
    /// The snapshot in force, without a reference: `generation` has it.
    var snapshot: SnapshotView
    var picker: EndpointPicker
    var outliers: OutlierDetector
    var random: SmallRandom

    var poller: Poller
    var timers: TimerWheel
    var tunnels = Slab<Tunnel>()
    var listeners = Slab<Listener>()
    var probes = Slab<HealthProbe>()
    var ready = FairQueue()

    /// Connections whose first bytes are awaited, and what was learned from others.
    var arrivals = Slab<Arrival>()
    var protocols = SpokenProtocols()

    /// HTTP: connections, requests, idle upstream connections.
    var clients = Slab<ClientSession>()
    var servers = Slab<ServerSession>()
    var exchanges = Slab<Exchange>()
    var idle: ConnectionPool
    /// Heads without an exchange, for their memory.
    var heads = Slab<MessageHeads>()
    var spareHeads: [LentHeads] = []
    /// What is to be sent to one client, one server; see `Worker+Output`.
    var toClient = OutputBuffer()
    var toClientHandle = SlabHandle.none
    var toServer = OutputBuffer()
    var toServerHandle = SlabHandle.none
    /// Connections of many streams: their codecs, by key those upstream that are in use, the head that was decoded last,
    /// and whose output waits for the end of the turn.
    var multiplexes = Slab<Multiplex>()
    var shared: [PoolKey: SlabHandle] = [:]
    var streamHead = MessageHead()
    var collected: [UInt64] = []
    /// Tags of streams whose windows have opened in this turn of their connection; memory for the tags of those that go on.
    var opened: [UInt64] = []
    var resumed: [UInt64] = []
    /// Busy ones are looked at together: how often, when the next time is, which ones, and the output of theirs that waits
    /// for it; see `Worker+Gather`.
    var gatherPace: GatherPace
    var nextGather = Int64.max
    var gathered: [UInt64] = []
    var gatheredOutput: [UInt64] = []
    var isGatherTurn = false
    /// The route tables in force, and memory for their patterns.
    var routes: RouteView
    var patterns = PatternScratch()
    /// A text in the making.
    var text = OutputBuffer(capacity: 1 << 10)
    var retryBudgets = RetryBudgets()
    var abandoned: AbandonedRequests
    /// Exchanges that wait until their cluster may have another connection.
    var waiting: [SlabHandle] = []
    /// The wall clock minus the monotonic one, nanoseconds.
    var wallOffset: Int64 = 0
    var nextWaiting: Int64 = 0
    /// When other workers are asked for connections again, and what this one has promised.
    var nextAsk: Int64 = 0
    var yields: [Yield] = []

    var pool = ChunkPool()
    let scratch = Scratch()
    var ports: SourcePorts

    /// Connections that are charged for memory, unordered; the place among them that is looked at next, and when.
    var held: [Held] = []
    var tendPlace = Int.max
    var nextTend = Int64.max
    /// A limit of memory is more than half used; is exceeded.
    var isMemoryShort = false
    var isOverMemory = false
    /// What a nanosecond of this thread's work is in CPU time.
    var cpu: CPUScale

    /// Listeners whose queue may not be empty yet, served in turn.
    var accepting: [SlabHandle] = []
    /// Series slots of pod x cluster pairs this worker has met.
    var pairSlots: [UInt64: Int] = [:]
    /// Health checks this worker owns, by endpoint slot.
    var checks: [SlabHandle] = []
    /// By pod slot: the generation with which the pod left last.
    var podsGone: [UInt64] = []
    /// By endpoint slot: the number of the generation, or of the replacement, with which it left last; and the newest number.
    var endpointsGone: [UInt64] = []
    var published: UInt64 = 0
    /// What is left to do to take up the generation in force; `inbox` holds messages that wait for that, or for the end
    /// of a sweep.
    var adoption: Adoption?
    /// What is being done with all connections.
    var sweep: Sweep?
    var inbox: [WorkerMessage] = []
    /// Connections that are leaving, and requests for the next batches.
    var departure: Departure?
    var departuresWaiting: [(limit: Int, done: @Sendable (_ parcels: [TunnelParcel], _ left: Int) -> Void)] = []
    var isDraining = false
    /// Who asks through a tunnel is told to go elsewhere.
    var announcesEnd = false
    /// Where its listening sockets go at the end of a drain.
    var closing: ClosingListeners?
    var isRunning = true

    /// When `everySecond` is due again.
    private var nextSecond: Int64 = 0
    /// When outliers are looked for again.
    private var nextOutliers: Int64 = 0

    /// Monotonic nanoseconds, read once per turn.
    var now: Int64
    /// This turn does nothing that takes time but serving connections: then the clock need not be read around the rest,
    /// which costs as much as a hundredth of a request each time.
    private var isOnlyServing = false

    /// So many events are taken in before the clock shows it.
    private static let eventsUntimedMax = 16
    /// Timers that fire in one turn: a health check that is due costs a connect.
    private static let turnTimersMax = 128
    /// A worker with its first generation. `poller` has the mailbox registered already.
    init(context: WorkerContext, generation: Generation, poller: consuming Poller) {
        self.context = context
        counters = context.statistics.worker.block(slot: 0)
        turns = context.statistics.turns.block(slot: 0)
        self.generation = generation
        snapshot = generation.snapshot.view
        routes = generation.routes.view
        now = Clock.monotonic()
        self.poller = poller
        gatherPace = GatherPace(delayMax: context.settings.gatherNanoseconds, now: now)
        cpu = CPUScale(now: now, cpu: Clock.threadCPU())
        timers = TimerWheel(now: now)
        random = SmallRandom(seed: UInt64(truncatingIfNeeded: now) &+ UInt64(context.index) &* 0x9e37_79b9_7f4a_7c15)
        abandoned = AbandonedRequests(seed: UInt64.random(in: 0...UInt64.max))
        picker = EndpointPicker(shared: context.shared, outcomes: context.statistics.endpoints)
        outliers = OutlierDetector(
            shared: context.shared, worker: context.index, outcomes: context.group.statistics.map(\.endpoints))
        idle = ConnectionPool(idleMax: max(16, context.settings.connectionsMax / 2 / context.workerCount))
        ports = SourcePorts(
            context.settings, worker: context.index, workers: context.workerCount, seed: random.next())
        takeUp(generation)
        adoption = Adoption(old: nil)
    }

    /// Runs until told to exit.
    mutating func run() {
        while isRunning {
            let count = wait()
            isOnlyServing =
                count <= Self.eventsUntimedMax && accepting.isEmpty && waiting.isEmpty && adoption == nil
                && sweep == nil && now < nextTend
            heartbeat()
            for index in 0..<count { takeIn(poller.event(index)) }
            fireTimers()
            let served = serveReady(from: isOnlyServing ? now : Clock.monotonic())
            tendMemory()
            acceptPending()
            serveWaiting()
            continueAdoption()
            continueSweep()
            isOnlyServing = isOnlyServing && collected.isEmpty && gatheredOutput.isEmpty
            flushCollected()
            if cpu.isDue(now) { cpu.measure(now: now, cpu: Clock.threadCPU()) }
            turns.addTurn(nanoseconds: (isOnlyServing ? served : Clock.monotonic()) - now)
        }
        closeEverything()
    }

    /// Waits for events, and returns how many there are.
    private mutating func wait() -> Int {
        isGatherTurn = false
        let delay = waitNanoseconds()
        guard poller.holdsGathered else {
            let count = poller.wait(milliseconds: Int32((delay + 999_999) / 1_000_000))
            now = Clock.monotonic()
            return count
        }
        let count = poller.wait(nanoseconds: max(0, min(delay, nextGather - now)))
        now = Clock.monotonic()
        return now < nextGather ? count : gather(behind: count)
    }

    private mutating func waitNanoseconds() -> Int64 {
        guard ready.isEmpty, accepting.isEmpty, !isOverMemory, adoption == nil, sweep == nil else { return 0 }
        var delay = context.settings.heartbeatNanoseconds
        if let due = timers.delay(from: now) { delay = min(delay, due) }
        if let due = tendDelay { delay = min(delay, due) }
        if !waiting.isEmpty { delay = min(delay, Self.waitingNanoseconds) }
        return delay
    }

    private mutating func heartbeat() {
        count(.turns)
        let overLimit = patterns.takeOverLimitCount()
        if overLimit > 0 { count(.patternsOverLimit, overLimit) }
        if now >= nextSecond {
            isOnlyServing = false
            nextSecond = now + 1_000_000_000
            rebalance()
            tendSessions()
        }
        if now >= nextOutliers {
            nextOutliers = now + Self.outlierNanoseconds
            isOnlyServing = false
            tendOutliers()
        }
        if gatherPace.measure(now: now) { paceChanged() }
        counters.set(Int(now / 1_000_000), WorkerCounter.heartbeatMilliseconds.rawValue)
    }

    private mutating func takeIn(_ event: Poller.Event) {
        guard let token = Token(event.token) else { return bug() }
        if !token.kind.isConnection { isOnlyServing = false }
        switch token.kind {
        case .downstream, .upstream: takeIn(event.readiness, for: token)
        case .listener: listenerReady(token.handle)
        case .mailbox:
            inbox += context.mailbox.takeAll()
            obeyInbox()
        case .probe: probeAnswered(token.handle)
        case .client: takeInClient(event.readiness, token.handle)
        case .server: takeInServer(event.readiness, token.handle)
        case .arrival: takeInArrival(event.readiness, token.handle)
        case .tunnelTimer, .acceptResume, .checkDue, .drainDue, .clientTimer, .serverTimer, .exchangeTimer,
            .arrivalTimer, .restTimer:
            bug()
        }
    }

    private mutating func takeIn(_ readiness: Poller.Readiness, for token: Token) {
        // A stale handle: the connection was closed earlier in this batch of events.
        guard let tunnel = tunnels.find(token.handle) else { return }
        if token.kind == .downstream {
            tunnel.value.up.sourceEvent(readiness)
            tunnel.value.down.sinkEvent(readiness)
            if readiness.contains(.error) { tunnel.value.downstreamBroken = true }
        } else {
            tunnel.value.down.sourceEvent(readiness)
            tunnel.value.up.sinkEvent(readiness)
            if !readiness.isDisjoint(with: [.writable, .hangup, .error]) { tunnel.value.upstreamAnswered = true }
            if readiness.contains(.error) { tunnel.value.upstreamBroken = true }
        }
        enqueue(tunnel, token.handle)
    }

    mutating func enqueue(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        guard !tunnel.value.queued, tunnel.value.hasWork else { return }
        tunnel.value.queued = true
        ready.add(WorkItem(.tunnel, handle.index), pod: tunnel.value.fairnessSlot)
    }

    /// What is left is due at once: the wheel says so when it is asked for the next wait.
    private mutating func fireTimers() {
        for _ in 0..<Self.turnTimersMax {
            guard let payload = timers.expire(now) else { return }
            fire(payload)
        }
    }

    private mutating func fire(_ payload: UInt64) {
        isOnlyServing = false
        guard let token = Token(payload) else { return bug() }
        switch token.kind {
        case .tunnelTimer: tunnelTimerFired(token.handle)
        case .acceptResume: acceptResumes(token.handle)
        case .checkDue: checkTimerFired(token.handle)
        case .drainDue: leaveListeners()
        case .clientTimer: clientTimerFired(token.handle)
        case .serverTimer: serverTimerFired(token.handle)
        case .exchangeTimer: exchangeTimerFired(token.handle)
        case .arrivalTimer: arrivalTimerFired(token.handle)
        case .restTimer: restTimerFired(token.handle)
        case .downstream, .upstream, .listener, .mailbox, .probe, .client, .server, .arrival: bug()
        }
    }

    private mutating func closeEverything() {
        for index in 0..<tunnels.indexEnd {
            guard let handle = tunnels.handle(at: index) else { continue }
            close(handle, .drainTimeout, by: .proxy)
        }
        for index in 0..<arrivals.indexEnd {
            if let handle = arrivals.handle(at: index) { end(handle, .drainTimeout, by: .proxy) }
        }
        closeSessions()
    }
}

extension Worker {
    /// Adds to one of the worker's own counters.
    func count(_ counter: WorkerCounter, _ delta: Int = 1) {
        counters.add(delta, counter.rawValue)
    }

    /// Something that cannot be, and was survived: counted, so that it is seen.
    func bug() {
        assertionFailure("event loop: an event without a meaning")
        count(.bugs)
    }
}
