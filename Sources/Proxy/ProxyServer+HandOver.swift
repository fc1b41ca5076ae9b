import Buffers
import Model
import Syscalls

// What a hand-over to (or from) another generation of the process needs of the data plane. The talking is done
// elsewhere; called on a thread of its own.

extension ProxyServer {
    /// Sockets that each SO_REUSEPORT group of this process has: where the next generation's begin.
    public var listenersPerGroup: Int {
        // A drain adds its gate, and ends with nothing at all.
        state.withLock { $0.phase == .draining || $0.phase == .stopped ? 0 : contexts.count }
    }

    /// Connections of this process at most.
    public var connectionsMax: Int { contexts[0].settings.connectionsMax }

    /// Workers by number.
    public var workerCount: Int { contexts.count }

    /// The new connections of every listener go to the socket of this process that is `index`-th in its group.
    public func directGroups(to index: Int) { contexts.first?.mailbox.send(.direct(index)) }

    /// The kernel spreads new connections over all sockets of a group again.
    public func undirectGroups() { contexts.first?.mailbox.send(.direct(nil)) }

    /// Lets up to `limit` open connections leave a worker, and tells `done` (on the worker's thread) which, and how many
    /// connections the worker has besides.
    public func depart(
        worker: Int, limit: Int, _ done: @escaping @Sendable (_ parcels: [TunnelParcel], _ left: Int) -> Void
    ) {
        contexts[worker].mailbox.send(.depart(limit: limit, done: done))
    }

    /// Describes a connection that has departed; nil: it has to end here.
    public func describe(_ parcel: TunnelParcel, _ names: TunnelNames) -> TunnelDescription? {
        parcel.inspect { detached in
            TunnelState(detached, names).map { state in
                TunnelDescription(
                    state: state, pending: detached.tunnel.up.pendingBytes + detached.tunnel.down.pendingBytes,
                    downstream: detached.tunnel.downstream.descriptorNumber,
                    upstream: detached.tunnel.upstream.descriptorNumber)
            }
        } ?? nil
    }

    /// Puts a connection that nobody took back onto a worker, to stay there.
    public func keep(_ parcel: TunnelParcel, isOfferedAgain: Bool) {
        guard var detached = parcel.take() else { return }
        detached.tunnel.isStaying = !isOfferedAgain
        contexts[0].mailbox.send(.arrive(TunnelParcel(detached)))
    }

    /// Forgets a connection that another process has: its descriptors close without a word to the peers.
    public func forget(_ parcel: TunnelParcel) {
        guard let detached = parcel.take() else { return }
        giveBack(detached.tunnel.admission)
    }

    private func giveBack(_ admission: Admission) {
        if admission.isCounted { shared.connections.add(-1, at: 0) }
        if admission.pod >= 0 { shared.podConnections.add(-1, at: admission.pod) }
        if admission.destinationPod >= 0 { shared.podConnections.add(-1, at: admission.destinationPod) }
        if admission.cluster >= 0 { shared.clusterConnections.add(-1, at: admission.cluster) }
    }

    /// Goes on with a connection of another process. Its places are taken whatever the limits say: it exists.
    public func take(
        _ state: TunnelState, _ content: consuming TunnelContent, _ names: TunnelNames, worker: Int
    ) throws(TunnelRefusal) {
        let (record, admission) = try state.judge(names)
        shared.connections.add(1, at: 0)
        shared.clusterConnections.add(1, at: admission.cluster)
        if admission.pod >= 0 { shared.podConnections.add(1, at: admission.pod) }
        if admission.destinationPod >= 0 { shared.podConnections.add(1, at: admission.destinationPod) }
        let detached = DetachedTunnel(
            Tunnel(state, content, record, admission), holdsPort: state.holdsPort,
            endpointSlot: names.endpointSlot(cluster: record.cluster, record.endpoint), generation: names.generation)
        contexts[worker % contexts.count].mailbox.send(.arrive(TunnelParcel(detached)))
    }

    /// All listeners are given up, without gates: the next generation has taken them over. Returns at once; see
    /// `hasDrained`.
    public func leaveListeners() { drain(gated: false) }

    /// Whether all queues have been emptied and all listening sockets are closed.
    public var hasLeftListeners: Bool { contexts.allSatisfy { $0.drained.load(ordering: .acquiring) } }

    /// Goes back to serving: whoever was to take over is gone.
    public func resume() throws(ListenFailure) {
        let isEnding = state.withLock { state in
            if !state.isEnding { state.phase = .starting }
            return state.isEnding
        }
        // The process was told to drain meanwhile: its connections go on, new ones do not come back.
        guard !isEnding else { return }
        for context in contexts { context.mailbox.send(.resume) }
        // Once more at the end: a group whose sockets were all the other process's has its program still.
        undirectGroups()
        defer { undirectGroups() }
        try openListeners()
    }
}

/// A departed connection as it is told to another process. The descriptors stay the parcel's.
public struct TunnelDescription: Sendable {
    /// See `TunnelState`.
    public let state: TunnelState
    /// What is pending, client to upstream first.
    public let pending: [UInt8]
    /// The two descriptors.
    public let downstream, upstream: Int32
}

extension Tunnel {
    fileprivate init(
        _ state: TunnelState, _ content: consuming TunnelContent, _ record: ConnectionRecord, _ admission: Admission
    ) {
        var plan = ConnectPlan(clusterIndex: 0, clusterSlot: Int(record.cluster), generation: 0)
        // With something pending somebody has spoken.
        let isUnused = state.up.bytes | state.down.bytes | state.up.pending | state.down.pending == 0
        plan.detection = isUnused ? state.detection.flatMap(Detection.init(rawValue:)) ?? .none : .none
        let up = Flow(state.up, content.upPending)
        let down = Flow(state.down, content.downPending)
        self.init(
            state: .open, downstream: Transport(Socket(taking: content.downstream)),
            upstream: Transport(Socket(taking: content.upstream)), up: up, down: down, record: record,
            admission: admission, plan: plan, startedAt: state.started, lastActivity: state.lastActivity,
            idleTimeout: state.idleTimeout, halfOpenSince: state.halfOpenSince ?? 0,
            downstreamBroken: state.downstreamBroken,
            upstreamBroken: state.upstreamBroken,
            firstToEnd: state.firstToEnd.flatMap(ConnectionRecord.Side.init(rawValue:)))
    }
}

extension Flow {
    /// No read is larger.
    static let pendingMax = 256 << 10

    fileprivate init(_ state: TunnelState.Direction, _ pending: ArraySlice<UInt8>) {
        self.init()
        bytes = state.bytes
        readToEnd = state.readToEnd
        sourceEnded = state.sourceEnded
        finished = state.finished
        hold.isClamped = state.isClamped ?? false
        if !pending.isEmpty { self.pending = Chunk(copying: pending) }
    }

    fileprivate var pendingBytes: [UInt8] {
        switch pending {
        // The bytes are copied before the chunk changes.
        case .some(let chunk): unsafe chunk.withBytes { unsafe Array($0) }
        case .none: []
        }
    }
}
