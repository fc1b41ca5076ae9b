import EventLoop
import HTTP
import Model
import Syscalls
import Upstream

/// One endpoint's active check, on the worker that owns it: waiting for its time, or under way.
struct HealthProbe: ~Copyable {
    let endpointSlot: Int
    var clusterSlot: Int
    var address: SocketAddress
    var check: HealthCheckRecord
    var machine: HealthMachine
    /// The check under way; nil between checks.
    var socket: Socket?
    /// The request has been sent; what has been read of the response.
    var isAsked = false
    var answer = HealthAnswer()
    /// The same of a gRPC check.
    var call: HealthCall?
    var startedAt: Int64 = 0
    /// The next check, or the end of patience with this one.
    var timer = TimerWheel.Timer.none
}

extension Worker {
    /// Begins to check an endpoint, or goes on in another way: the verdict of one that stays is kept.
    mutating func changeCheck(of endpoint: EndpointRecord, _ cluster: ClusterRecord) {
        guard let check = cluster.healthCheck else { return bug() }
        if let probe = checkHandle(endpointSlot: endpoint.slot).flatMap({ probes.find($0) }) {
            probe.value.clusterSlot = cluster.slot
            probe.value.check = check
            if probe.value.address == endpoint.address { return probe.value.machine.adopt(check) }
            // The slot was given to another endpoint: nothing of the old one's past is true of it.
            probe.value.address = endpoint.address
            probe.value.machine = HealthMachine(check)
            return
        }
        let machine = HealthMachine(check)
        let handle = probes.insert(
            HealthProbe(
                endpointSlot: endpoint.slot, clusterSlot: cluster.slot, address: endpoint.address, check: check,
                machine: machine))
        if endpoint.slot >= checks.count {
            checks += repeatElement(Self.noCheck, count: endpoint.slot + 1 - checks.count)
        }
        checks[endpoint.slot] = handle
        setTimer(handle, after: machine.firstCheckDelay(random: &random))
    }

    /// Ends the check of an endpoint.
    mutating func removeCheck(endpointSlot slot: Int) {
        guard let handle = checkHandle(endpointSlot: slot), let probe = probes.find(handle) else { return }
        timers.cancel(probe.value.timer)
        _ = probes.remove(handle)
        checks[slot] = Self.noCheck
    }

    /// A handle that finds nothing.
    private static let noCheck = SlabHandle(index: 0, generation: 0)

    private func checkHandle(endpointSlot slot: Int) -> SlabHandle? { slot < checks.count ? checks[slot] : nil }

    private mutating func setTimer(_ handle: SlabHandle, after delay: Int64) {
        guard let probe = probes.find(handle) else { return }
        timers.cancel(probe.value.timer)
        probe.value.timer = timers.set(now + delay, payload: Token(.checkDue, handle).bits)
    }

    /// Time for the next check, or this one has taken too long.
    mutating func checkTimerFired(_ handle: SlabHandle) {
        guard let probe = probes.find(handle) else { return }
        probe.value.timer = .none
        if probe.value.socket == nil { startCheck(probe, handle) } else { endCheck(handle, .timeout) }
    }

    private mutating func startCheck(_ probe: SlabReference<HealthProbe>, _ handle: SlabHandle) {
        probe.value.startedAt = now
        do throws(Errno) {
            // From the host's own address and without the mark: as any process of the host would connect.
            let socket = try Socket(family: probe.value.address.address.family)
            try socket.connect(to: probe.value.address)
            try poller.add(socket.descriptor, token: Token(.probe, handle).bits)
            probe.value.socket = consume socket
            setTimer(handle, after: probe.value.check.timeout)
        } catch {
            // Our own shortage says nothing about the endpoint.
            if error.isResourceShortage {
                setTimer(handle, after: probe.value.check.interval)
            } else {
                endCheck(handle, .connect)
            }
        }
    }

    /// `failure`: why it has failed; nil: it has passed.
    mutating func endCheck(_ handle: SlabHandle, _ failure: HealthFailure?) {
        guard let probe = probes.find(handle) else { return }
        // A reset: no TIME_WAIT is left on a host that is checked often.
        probe.value.socket?.resetOnClose()
        probe.value.socket = nil
        probe.value.isAsked = false
        probe.value.answer = HealthAnswer()
        probe.value.call = nil
        countCluster(probe.value.clusterSlot, failure == nil ? .healthChecksPassed : .healthChecksFailed)
        if let failure { countCluster(probe.value.clusterSlot, failure.counter) }
        context.shared.setCheckFailure(failure, endpointSlot: probe.value.endpointSlot)
        _ = failure == nil ? probe.value.machine.passed() : probe.value.machine.failed()
        publishVerdict(probe)
        let delay = probe.value.machine.nextCheckDelay(elapsed: now - probe.value.startedAt, random: &random)
        setTimer(handle, after: delay)
    }

    /// How often a piece of outlier detection is done: 1,024 endpoints each, about 30 us.
    static let outlierNanoseconds: Int64 = 50_000_000

    /// This turn's piece of outlier detection.
    mutating func tendOutliers() {
        for slot in outliers.tick(picker, now: now) { countCluster(slot, .ejectionsSuccessRate) }
    }

    /// Tells outlier detection how an attempt with an endpoint fared.
    func report(endpointSlot: Int, clusterSlot: Int, _ outcome: EndpointOutcome) {
        if picker.report(endpointSlot: endpointSlot, clusterSlot: clusterSlot, outcome, now: now) {
            countCluster(clusterSlot, .ejectionsConsecutive)
        }
    }

    /// Compared with what is published, not with the verdict before: a slot starts with what an earlier configuration
    /// left, and the compiler of one that was refused in the end may have touched it.
    private func publishVerdict(_ probe: SlabReference<HealthProbe>) {
        let isHealthy = probe.value.machine.isHealthy
        let slot = probe.value.endpointSlot
        let isPassing = context.shared.endpointHealth.load(slot) & SharedState.failedCheck == 0
        guard isPassing != isHealthy else { return }
        // Before it is picked again.
        if isHealthy, let cluster = snapshot.cluster(slot: probe.value.clusterSlot) {
            context.shared.beginRamp(endpointSlot: slot, snapshot.clusters[cluster], now: now)
        }
        context.shared.setHealth(isHealthy: isHealthy, endpointSlot: slot, clusterSlot: probe.value.clusterSlot)
    }
}
