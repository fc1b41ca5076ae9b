import EventLoop
import Model
import Synchronization
import Syscalls
import Upstream

/// The data plane as the rest of the process sees it: starts workers, publishes snapshots to them, opens and closes
/// listeners, drains, stops. All of it off the data path; one caller at a time (`apusd`'s control loop).
public final class ProxyServer: Sendable {
    let contexts: [WorkerContext]
    let threads: Mutex<[Thread]>
    let pairs: PairRegistry
    let state: Mutex<State>
    /// See `ProxyInspecting`.
    public let shared: SharedState
    /// See `ProxyInspecting`.
    public let names: SlotNames

    struct State {
        var phase = ProxyPhase.starting
        /// A drain was asked for: no hand-over that fails takes it back.
        var isEnding = false
        var generation: Generation
        var listeners: [OpenListener] = []
    }

    struct OpenListener {
        let spec: ListenerSpec
        let bound: SocketAddress
    }

    /// Descriptors kept for everything but proxied connections: epoll, listeners, logs, the admin API, health checks.
    public static func descriptorReserve(workers: Int, listeners: Int) -> Int {
        // 96 for the process; a worker has its poller, its mailbox, four interception sockets and a few checks.
        max(128, 96 + workers * (8 + listeners))
    }

    /// Starts the workers with their first snapshot. They listen only when `open` is called: listening means ready.
    /// `descriptorLimit` bounds the connections: each takes two descriptors.
    public convenience init(
        _ snapshot: Snapshot, workers: Int, descriptorLimit: Int, shared: SharedState, names: SlotNames
    ) throws(Errno) {
        try self.init(
            snapshot, workers: workers, descriptorLimit: descriptorLimit, shared: shared, names: names,
            options: ConnectionOptions())
    }

    init(
        _ snapshot: Snapshot, workers: Int, descriptorLimit: Int, shared: SharedState, names: SlotNames,
        options: ConnectionOptions
    ) throws(Errno) {
        self.shared = shared
        self.names = names
        let reserve = Self.descriptorReserve(workers: workers, listeners: snapshot.listeners.count)
        let connectionsMax = max(1, (descriptorLimit - reserve) / 2)
        let settings = WorkerSettings(snapshot.configuration, connectionsMax: connectionsMax, options: options)
        pairs = PairRegistry(limit: snapshot.configuration.statisticsSeriesMax)
        let (group, pairs) = (try WorkerGroup(workers: workers), pairs)
        contexts = (0..<workers).map { index in
            WorkerContext(index: index, group: group, settings: settings, shared: shared, pairs: pairs)
        }
        let generation = Generation(snapshot, after: nil, workers: workers)
        state = Mutex(State(generation: generation))
        threads = Mutex([])
        for context in contexts {
            let thread = try Thread(name: "worker-\(context.index)") { Self.run(context, generation) }
            threads.withLock { $0.append(thread) }
        }
    }

    private static func run(_ context: WorkerContext, _ generation: Generation) {
        do throws(Errno) {
            let poller = try Poller()
            try poller.add(context.mailbox.wakeup.descriptor, token: Token(.mailbox).bits, writing: false)
            var worker = Worker(context: context, generation: generation, poller: poller)
            worker.run()
        } catch {
            // epoll or eventfd at start: without them there is nothing to run, and the process says so at once.
            fatalError("worker \(context.index): cannot start its event loop: \(error)")
        }
    }

    /// Goes over to a snapshot: opens the listeners it adds, closes those it no longer has, hands it to every worker.
    /// Closing comes before: what waits in such a listener's queue is served as the old snapshot says. A listener that cannot be opened changes nothing. Returns when all workers have it (or after a second: a
    /// hung worker must not stop configuration), having released what they returned.
    public func apply(_ snapshot: Snapshot) async throws(ListenFailure) {
        let opened = try open(missing: snapshot)
        closeListeners(missingIn: snapshot)
        await publish(snapshot)
        start(opened)
    }

    private func publish(_ snapshot: Snapshot) async {
        pairs.setLimit(snapshot.configuration.statisticsSeriesMax)
        let previous = state.withLock { $0.generation }
        let next = Generation(snapshot, after: previous, workers: contexts.count)
        clearCounters(of: snapshot.freshSlots)
        state.withLock { $0.generation = next }
        for context in contexts { context.mailbox.send(.adopt(next)) }
        await untilInUse(snapshot.generation)
    }

    /// Goes over to other endpoints of one cluster of the newest snapshot, in time that depends on their number only.
    /// Returns when all workers have them (or after a second).
    public func replaceEndpoints(_ update: EndpointUpdate) async {
        let generation = state.withLock { $0.generation }
        let replacement = Replacement(update, of: generation, workers: contexts.count)
        generation.snapshot.apply(update)
        for context in contexts { context.mailbox.send(.replaceEndpoints(replacement)) }
        await untilInUse(update.generation)
    }

    private func untilInUse(_ number: UInt64) async {
        for _ in 0..<500 where oldestGenerationInUse < number { try? await Task.sleep(for: .milliseconds(2)) }
        releaseReturned()
    }

    /// Frees what workers have let go of, after the lock that they take too.
    private func releaseReturned() {
        for context in contexts {
            withExtendedLifetime(context.returned.withLock { Self.takeAll(&$0) }) {}
            withExtendedLifetime(context.replaced.withLock { Self.takeAll(&$0) }) {}
        }
    }

    private static func takeAll<Thing>(_ things: inout [Thing]) -> [Thing] {
        defer { things = [] }
        return things
    }

    /// Slots that mean something else now start at zero. No worker writes to their counters meanwhile: no snapshot that
    /// a worker has names them, and nothing is connected through them (`SlotTable`).
    private func clearCounters(of fresh: FreshSlots) {
        let stalePairs = pairs.slots(pods: fresh.pods, clusters: fresh.clusters)
        for statistics in workerStatistics {
            for slot in fresh.pods { statistics.clear(pod: slot) }
            for slot in fresh.clusters { statistics.clear(cluster: slot) }
            for slot in fresh.routes { statistics.clear(route: slot) }
            for slot in fresh.hosts { statistics.hosts.clear(slot: slot) }
            for slot in stalePairs { statistics.pairs.clear(slot: slot) }
        }
    }

    /// The oldest generation that a worker works with.
    public var oldestGenerationInUse: UInt64 {
        contexts.map { $0.adopted.load(ordering: .acquiring) }.min() ?? 0
    }

    /// The workers' access log records, in worker order. One consumer.
    public var recordRings: [RecordRing] { contexts.map(\.records) }

    /// The workers' access log records of requests, in worker order. One consumer.
    public var requestRings: [RequestRing] { contexts.map(\.requests) }

    /// Live connections of the process.
    public var connectionCount: Int { shared.connections.load(0) }

    /// Stops accepting, waits until all connections have ended or `timeout` is over, resets what is left and ends the
    /// workers. Returns how many connections had to be reset.
    public func stop(within timeout: Duration) async -> Int {
        drain()
        let deadline = ContinuousClock.now + timeout
        while !isDrained, ContinuousClock.now < deadline, !Task.isCancelled {
            try? await Task.sleep(for: .milliseconds(10))
        }
        let left = connectionCount
        for context in contexts { context.mailbox.send(.exit) }
        for thread in threads.withLock({ $0 }) { thread.join() }
        threads.withLock { $0.removeAll() }
        state.withLock { $0.phase = .stopped }
        return left
    }
}

extension ProxyServer {
    /// Whether all connections have ended. Obeying the drain comes first: it takes in what was still queued.
    private var isDrained: Bool {
        contexts.allSatisfy { $0.drained.load(ordering: .acquiring) } && connectionCount == 0
    }
}
