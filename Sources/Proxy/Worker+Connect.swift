import EventLoop
import Model
import Syscalls
import Upstream

/// What looking for an upstream came to.
enum ConnectOutcome: ~Copyable {
    /// The handshake with an endpoint is under way.
    case started(Transport)
    /// There is nobody (more) to connect to.
    case failed(EndReason)
    /// The receiving pod's table wants the requests of this connection read: so says the record with this index.
    case decoded(settings: Int)
}

extension Worker {
    /// Connects an admitted connection on. `detection`: nobody has spoken yet, and it matters who does. `startedAt`: when it
    /// was accepted, if that is not now; `isRegistered`: the poller knows it already.
    mutating func connect(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, cluster index: Int,
        detection: Detection = .none, startedAt: Int64? = nil, isRegistered: Bool = false
    ) {
        var (record, admission) = (record, admission)
        let cluster = snapshot.clusters[index]
        record.cluster = Int32(cluster.slot)
        guard context.shared.clusterConnections.take(at: cluster.slot, limit: cluster.connectionsMax) else {
            countCluster(cluster.slot, .circuitBreakerOpen)
            guard detection == .none else {
                return waitForLastWord(
                    downstream, record, admission, .circuitBreaker, pinned: nil, startedAt: startedAt ?? now,
                    isRegistered: isRegistered)
            }
            return refuse(downstream, record, admission, .circuitBreaker)
        }
        admission.cluster = cluster.slot
        var plan = ConnectPlan(clusterIndex: index, clusterSlot: cluster.slot, generation: snapshot.generation)
        plan.detection = detection
        switch connectNext(&plan, &record, &admission) {
        case .failed(let reason):
            guard plan.detection == .none else {
                let pinned = unpick(&plan, record, &admission)
                return waitForLastWord(
                    downstream, record, admission, reason, pinned: plan.detection == .entry ? nil : pinned,
                    startedAt: startedAt ?? now, isRegistered: isRegistered)
            }
            release(&plan, SourcePorts.Leg(record))
            refuse(downstream, record, admission, reason)
        case .decoded(let settings):
            let pinned = unpick(&plan, record, &admission)
            if plan.detection == .entry, case .detect(let own, _) = verdictAgain(record) {
                record.forgetUpstream(keepsReceiver: false)
                return welcomeClient(downstream, record, admission, settings: own, isRegistered: isRegistered)
            }
            welcomeClient(
                downstream, record, admission, settings: settings, pinned: pinned, isRegistered: isRegistered)
        case .started(let upstream):
            let handle = tunnels.insert(
                Tunnel(
                    downstream: downstream, upstream: upstream, record: record, admission: admission, plan: plan,
                    startedAt: startedAt ?? now, lastActivity: now, idleTimeout: cluster.tunnelIdleTimeout))
            watch(handle, connectTimeout: cluster.connectTimeout, isRegistered: isRegistered)
        }
    }

    private mutating func watch(_ handle: SlabHandle, connectTimeout: Int64, isRegistered: Bool) {
        guard let tunnel = tunnels.find(handle) else { return bug() }
        tunnel.value.timer = timers.set(now + connectTimeout, payload: Token(.tunnelTimer, handle).bits)
        register(tunnel, handle, isRegistered: isRegistered)
    }

    /// Registers both sides with the poller, which may know the client's already.
    mutating func register(
        _ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, isRegistered: Bool = false
    ) {
        do throws(Errno) {
            try tunnel.value.upstream.register(with: poller, token: Token(.upstream, handle).bits)
            let token = Token(.downstream, handle).bits
            if isRegistered {
                try tunnel.value.downstream.reregister(with: poller, token: token)
            } else {
                try tunnel.value.downstream.register(with: poller, token: token)
            }
        } catch {
            // Out of kernel memory or watches: nothing was queued, so it can go at once.
            close(handle, .nodeLimit, by: .proxy)
        }
    }

    /// Starts to connect to the next endpoint of the plan's cluster, going on past those that fail at once.
    private mutating func connectNext(
        _ plan: inout ConnectPlan, _ record: inout ConnectionRecord, _ admission: inout Admission
    ) -> ConnectOutcome {
        guard let cluster = currentCluster(&plan) else { return .failed(plan.failure) }
        while true {
            guard let endpoint = nextEndpoint(cluster, &plan, record) else {
                let isFirst = record.attempts == 0
                if isFirst { countCluster(cluster.slot, .noEndpoint) }
                return .failed(isFirst ? .noEndpoint : plan.failure)
            }
            record.endpoint = endpoint
            switch checkReceiver(endpoint, &record, &admission) {
            case .refuse(let reason): return .failed(reason)
            case .http(let settings): return .decoded(settings: settings)
            case .tls where record.spoken != nil && record.spoken != .tls: return .failed(.unexpectedProtocol)
            case .detect, .tls: if plan.detection == .none, record.spoken == nil { plan.detection = .receiver }
            case .forward: if plan.detection == .receiver { plan.detection = .none }
            }
            if record.attempts > 0 { countCluster(cluster.slot, .connectRetries) }
            record.attempts += 1
            do throws(ConnectFailure) {
                let socket = try openUpstream(to: endpoint, &plan, &record)
                return .started(Transport(socket))
            } catch {
                let endpointSlot = plan.endpointSlot
                release(&plan, SourcePorts.Leg(record))
                guard case .refused = error else { return .failed(error.reason) }
                report(endpointSlot: endpointSlot, clusterSlot: cluster.slot, .failure(.connect))
                countCluster(cluster.slot, .connectFailures)
                plan.failure = .connectFailed
            }
        }
    }

    /// The plan's cluster in the snapshot in force; nil when a reload has taken it away.
    private func currentCluster(_ plan: inout ConnectPlan) -> ClusterRecord? {
        if plan.generation != snapshot.generation {
            guard let index = snapshot.cluster(slot: plan.clusterSlot) else { return nil }
            plan.clusterIndex = index
            plan.generation = snapshot.generation
        }
        return snapshot.clusters[plan.clusterIndex]
    }

    private mutating func nextEndpoint(
        _ cluster: ClusterRecord, _ plan: inout ConnectPlan, _ record: ConnectionRecord
    ) -> SocketAddress? {
        if cluster.isOriginalDestination { return record.attempts == 0 ? record.originalDestination : nil }
        guard plan.tried.count < TriedEndpoints.capacity else { return nil }
        let pick = picker.pick(
            cluster: plan.clusterIndex, hash: clientHash(of: record.client.address), tried: plan.tried, now: now,
            random: &random)
        guard case .endpoint(let endpoint, let panic) = pick else { return nil }
        if panic { countCluster(cluster.slot, .panicPicks) }
        _ = plan.tried.insert(endpointSlot: endpoint.slot)
        plan.endpointSlot = endpoint.slot
        plan.lastEndpointSlot = endpoint.slot
        picker.connectionOpened(endpointSlot: endpoint.slot)
        context.shared.endpointConnections.add(1, at: endpoint.slot)
        return endpoint.address
    }

    /// A local receiver's table holds however the pod is reached. On the inbound leg it has been asked already.
    private func checkReceiver(
        _ endpoint: SocketAddress, _ record: inout ConnectionRecord, _ admission: inout Admission
    ) -> Verdict {
        if isOwnListener(endpoint) { return .refuse(.loop) }
        let passed = Verdict.forward(cluster: Snapshot.passthroughCluster)
        guard record.direction != .inbound else { return passed }
        if admission.destinationPod >= 0 {
            context.shared.podConnections.add(-1, at: admission.destinationPod)
            admission.destinationPod = -1
        }
        record.destinationPod = -1
        return judgeReceiver(of: endpoint, &record, &admission) ?? passed
    }

    /// The connection will be made for a request: what it has taken for itself goes back, but for the choice. A place of
    /// the receiver that it came by is its own.
    mutating func unpick(
        _ plan: inout ConnectPlan, _ record: ConnectionRecord, _ admission: inout Admission
    ) -> PinnedUpstream {
        let pinned = PinnedUpstream(
            clusterSlot: plan.clusterSlot, endpointSlot: plan.lastEndpointSlot, address: record.endpoint)
        release(&plan, SourcePorts.Leg(record))
        releaseAdmission(Admission(cluster: admission.cluster))
        admission.cluster = -1
        guard record.direction != .inbound else { return pinned }
        releaseAdmission(Admission(destinationPod: admission.destinationPod))
        admission.destinationPod = -1
        return pinned
    }

    func countCluster(_ slot: Int, _ counter: ClusterCounter) {
        context.statistics.clusters.add(1, slot: slot, counter: counter.rawValue)
    }
}

// MARK: - the handshake's end

extension Worker {
    /// A turn of a tunnel whose upstream is not connected yet.
    mutating func serveConnecting(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        if let reason = tunnel.value.abortReason { return close(handle, reason, by: .proxy) }
        if tunnel.value.downstreamBroken {
            return close(handle, .broken(by: .client, tunnel.value.downstream.takeError()), by: .client)
        }
        // An answer that came in the same turn counts: a worker that was held up must not drop what is connected.
        guard tunnel.value.upstreamAnswered else { return retry(tunnel, handle, after: .connectTimeout) }
        if tunnel.value.upstream.takeError() != nil { return retry(tunnel, handle, after: .connectFailed) }
        connected(tunnel, handle)
    }

    private mutating func retry(
        _ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, after failure: EndReason
    ) {
        let timedOut = failure == .connectTimeout
        countCluster(tunnel.value.plan.clusterSlot, timedOut ? .connectTimeouts : .connectFailures)
        report(
            endpointSlot: tunnel.value.plan.endpointSlot, clusterSlot: tunnel.value.plan.clusterSlot, .failure(.connect)
        )
        timers.cancel(tunnel.value.timer)
        tunnel.value.timer = .none
        release(&tunnel.value.plan, SourcePorts.Leg(tunnel.value.record))
        tunnel.value.plan.failure = failure
        tunnel.value.upstreamAnswered = false
        tunnel.value.upstreamBroken = false
        tunnel.value.connectTimedOut = false
        // What the old socket's events said of its end is not true of the next one.
        tunnel.value.down = Flow()
        switch connectNext(&tunnel.value.plan, &tunnel.value.record, &tunnel.value.admission) {
        case .failed(let reason): giveUp(tunnel, handle, reason)
        case .decoded(let settings): decode(tunnel, handle, settings: settings)
        case .started(let upstream):
            // The old socket closes here, and with it its registration.
            tunnel.value.upstream = upstream
            let timeout = snapshot.clusters[tunnel.value.plan.clusterIndex].connectTimeout
            tunnel.value.timer = timers.set(now + timeout, payload: Token(.tunnelTimer, handle).bits)
            do throws(Errno) {
                try tunnel.value.upstream.register(with: poller, token: Token(.upstream, handle).bits)
            } catch {
                close(handle, .nodeLimit, by: .proxy)
            }
        }
    }

    private mutating func connected(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        tunnel.value.state = .open
        boundUnsent(tunnel)
        tunnel.value.lastActivity = now
        tunnel.value.record.connectNanoseconds = now - tunnel.value.startedAt
        if tunnel.value.plan.lease == nil, let source = tunnel.value.upstream.localAddress() {
            tunnel.value.record.source = source
        }
        // What came from the client meanwhile is waiting; what the server says first may be.
        tunnel.value.down.sourceReady = true
        timers.cancel(tunnel.value.timer)
        tunnel.value.timer = timers.set(
            now + tunnel.value.idleTimeout, payload: Token(.tunnelTimer, handle).bits)
        let record = tunnel.value.record
        countCluster(Int(record.cluster), .connections)
        report(endpointSlot: tunnel.value.plan.endpointSlot, clusterSlot: tunnel.value.plan.clusterSlot, .success)
        countPair(record)
    }

    /// The connect took too long, or the tunnel may have been idle for too long: activity does not move the timer.
    mutating func tunnelTimerFired(_ handle: SlabHandle) {
        guard let tunnel = tunnels.find(handle) else { return }
        tunnel.value.timer = .none
        switch tunnel.value.state {
        case .connecting: tunnel.value.connectTimedOut = true
        case .open:
            let deadline = tunnel.value.lastActivity + tunnel.value.idleTimeout
            if deadline > now {
                tunnel.value.timer = timers.set(deadline, payload: Token(.tunnelTimer, handle).bits)
            } else {
                tunnel.value.abortReason = .idleTimeout
            }
        }
        enqueue(tunnel, handle)
    }

    /// pod x cluster: the one crossed series.
    private mutating func countPair(_ record: ConnectionRecord) {
        let pod = record.pod >= 0 ? record.pod : record.destinationPod
        guard pod >= 0 else { return }
        let key = PairRegistry.key(pod: Int(pod), cluster: Int(record.cluster))
        let slot: Int
        if let known = pairSlots[key] {
            slot = known
        } else {
            slot = context.pairs.slot(pod: Int(pod), cluster: Int(record.cluster))
            pairSlots[key] = slot
        }
        context.statistics.pairs.add(1, slot: slot, counter: 0)
    }
}
