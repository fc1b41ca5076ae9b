import EventLoop
import Model
import Syscalls
import Upstream

/// Connections that are leaving a worker, as one batch. Each leaves at its own next turn: while it is queued its place
/// in the slab is taken.
struct Departure {
    /// Marked, and neither gone nor ended yet.
    var outstanding = 0
    var parcels: [TunnelParcel] = []
    /// Told when the last one has left, with what left and how many connections the worker has besides.
    let done: @Sendable (_ parcels: [TunnelParcel], _ left: Int) -> Void
}

/// A connection just accepted, on its way to a worker with fewer connections.
final class FreshConnection: Sendable {
    let socket: Descriptor.Parcel
    let peer: SocketAddress
    let spec: ListenerSpec

    init(_ socket: consuming Socket, from peer: SocketAddress, _ spec: ListenerSpec) {
        self.socket = Descriptor.Parcel(socket.release())
        self.peer = peer
        self.spec = spec
    }
}

// MARK: leaving

extension Worker {
    /// Lets up to `limit` open connections leave.
    mutating func depart(
        limit: Int, _ done: @escaping @Sendable (_ parcels: [TunnelParcel], _ left: Int) -> Void
    ) {
        guard departure == nil else { return departuresWaiting.append((limit, done)) }
        var next = Departure(done: done)
        for index in 0..<tunnels.indexEnd where next.outstanding < limit {
            guard let handle = tunnels.handle(at: index), let tunnel = tunnels.find(handle),
                tunnel.value.state == .open, !tunnel.value.isStaying, tunnel.value.abortReason == nil
            else { continue }
            tunnel.value.isDeparting = true
            next.outstanding += 1
            enqueue(tunnel, handle)
        }
        departure = next
        settleDeparture()
    }

    /// The turn of a connection that is to leave.
    mutating func depart(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        tunnel.value.isDeparting = false
        let parcel = detach(tunnel, handle)
        departure?.outstanding -= 1
        if let parcel { departure?.parcels.append(parcel) }
        settleDeparture()
    }

    /// A connection that was to leave has ended.
    mutating func departedByEnding() {
        departure?.outstanding -= 1
        settleDeparture()
    }

    private mutating func settleDeparture() {
        guard let finished = departure, finished.outstanding == 0 else { return }
        departure = nil
        finished.done(finished.parcels, tunnels.count)
        guard !departuresWaiting.isEmpty else { return }
        let (limit, done) = departuresWaiting.removeFirst()
        depart(limit: limit, done)
    }

    /// Takes everything of a connection off this worker. It must not be queued.
    private mutating func detach(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> TunnelParcel? {
        countBytes(tunnel)
        uncharge(tunnel)
        if tunnel.value.halfOpenSince != 0 { count(.halfOpen, -1) }
        timers.cancel(tunnel.value.timer)
        tunnel.value.timer = .none
        tunnel.value.downstream.unregister(from: poller)
        tunnel.value.upstream.unregister(from: poller)
        let holdsPort = tunnel.value.plan.lease != nil
        let endpointSlot = tunnel.value.plan.endpointSlot
        release(&tunnel.value.plan, SourcePorts.Leg(tunnel.value.record))
        count(.bufferedBytes, -tunnel.value.bufferCapacity)
        count(.connectionsActive, -1)
        countHost(tunnel.value.record.host, .connectionsActive, -1)
        guard let taken = tunnels.remove(handle) else { return nil }
        // While a generation is being taken up, this connection may not have been asked yet.
        let generation = adoption?.old?.snapshot.generation ?? snapshot.generation
        return TunnelParcel(
            DetachedTunnel(taken, holdsPort: holdsPort, endpointSlot: endpointSlot, generation: generation))
    }
}

// MARK: arriving

extension Worker {
    /// Goes on with a connection that another worker, or another process, has let go of.
    mutating func arrive(_ parcel: TunnelParcel) {
        guard var detached = parcel.take() else { return }
        let (holdsPort, endpointSlot) = (detached.holdsPort, detached.endpointSlot)
        detached.tunnel.record.worker = UInt16(context.index)
        // What became ready meanwhile has made no edge here.
        detached.tunnel.up.tryAll()
        detached.tunnel.down.tryAll()
        detached.tunnel.up.hold.arrive()
        detached.tunnel.down.hold.arrive()
        let hasLeft = hasLeft(detached.tunnel.record, since: detached.generation)
        if detached.tunnel.halfOpenSince != 0 { count(.halfOpen) }
        count(.connectionsActive)
        countHost(detached.tunnel.record.host, .connectionsActive)
        count(.bufferedBytes, detached.tunnel.bufferCapacity)

        let handle = tunnels.insert(detached.tunnel)
        guard let tunnel = tunnels.find(handle) else { return bug() }
        takeBack(&tunnel.value.plan, tunnel.value.record, holdsPort: holdsPort, endpointSlot: endpointSlot)
        let deadline = tunnel.value.lastActivity + tunnel.value.idleTimeout
        tunnel.value.timer = timers.set(deadline, payload: Token(.tunnelTimer, handle).bits)
        register(tunnel, handle)
        guard let tunnel = tunnels.find(handle) else { return }
        charge(tunnel, handle)
        if hasLeft { tunnel.value.abortReason = .podGone }
        enqueue(tunnel, handle)
    }

    /// Counts the connection for its endpoint and leases its source port here.
    private mutating func takeBack(
        _ plan: inout ConnectPlan, _ record: ConnectionRecord, holdsPort: Bool, endpointSlot: Int
    ) {
        if endpointSlot >= 0 {
            plan.endpointSlot = endpointSlot
            plan.lastEndpointSlot = endpointSlot
            picker.connectionOpened(endpointSlot: endpointSlot)
            context.shared.endpointConnections.add(1, at: endpointSlot)
        }
        guard holdsPort else { return }
        plan.lease = ports.claim(
            SourcePorts.Leg(record), source: record.source, destination: record.endpoint)
    }

    /// Whether one of its pods has left while it was under way. What its addresses mean today does not matter: a connection
    /// that was admitted before its pod was listed goes on as one of the unlisted.
    private func hasLeft(_ record: ConnectionRecord, since generation: UInt64) -> Bool {
        hasLeft(record.pod, since: generation) || hasLeft(record.destinationPod, since: generation)
    }

    func hasLeft(_ pod: Int32, since generation: UInt64) -> Bool {
        pod >= 0 && Int(pod) < podsGone.count && podsGone[Int(pod)] > generation
    }
}

// MARK: balance between workers

extension Worker {
    /// More connections than the mean by a quarter, and by this many: few connections are not worth moving.
    private static let imbalanceMin = 16
    /// Live connections moved at a time, once a second.
    private static let movesMax = 64

    /// The worker with the fewest connections, if this one has too many.
    func lessLoadedWorker() -> Int? {
        let workers = context.workerCount
        guard workers > 1, !isDraining else { return nil }
        let own = connections(of: context.index)
        let total = context.shared.connections.load(0)
        guard (own - Self.imbalanceMin) * workers * 4 > total * 5 else { return nil }
        return (0..<workers).min { connections(of: $0) < connections(of: $1) }
    }

    private func connections(of worker: Int) -> Int {
        context.group.statistics[worker].worker.value(slot: 0, counter: WorkerCounter.connectionsActive.rawValue)
    }

    /// Fresh connections even a group out only while there are enough of them: once a second a worker that still has too
    /// many passes live ones on.
    mutating func rebalance() {
        guard departure == nil, let target = lessLoadedWorker() else { return }
        let surplus = connections(of: context.index) - connections(of: target)
        let group = context.group
        depart(limit: min(Self.movesMax, surplus / 2)) { parcels, _ in
            for parcel in parcels { group.mailboxes[target].send(.arrive(parcel)) }
        }
        count(.rebalances)
    }
}
