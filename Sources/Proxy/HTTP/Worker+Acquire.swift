import EventLoop
import HTTP
import Model
import Routing
import Syscalls
import Upstream

/// From a target to an upstream connection: an endpoint, the receiving pod's say, a pooled connection or a new one.
extension Worker {
    /// Looks for an endpoint and a connection to it.
    mutating func acquire(_ exchange: SlabReference<Exchange>) {
        exchange.value.phase = .acquiring
        guard let cluster = currentCluster(exchange) else {
            return reply(exchange, status: 503, .noEndpoint, "its cluster is gone\n")
        }
        guard let endpoint = pickEndpoint(exchange, cluster) else {
            if exchange.value.record.attempts == 0 { countCluster(snapshot.clusters[cluster].slot, .noEndpoint) }
            // What failed before says more than that nobody is left.
            guard exchange.value.lastFailure == nil else { return giveUp(exchange) }
            return reply(exchange, status: 503, .noEndpoint, "no healthy endpoint\n")
        }
        exchange.value.endpoint = endpoint
        exchange.value.record.endpoint = endpoint
        exchange.value.record.attempts &+= 1
        askReceiver(exchange)
    }

    /// The index of its cluster in the snapshot in force; nil when a reload has taken it away.
    func currentCluster(_ exchange: SlabReference<Exchange>) -> Int? {
        if exchange.value.generation != snapshot.generation {
            guard let index = snapshot.cluster(slot: exchange.value.clusterSlot) else { return nil }
            exchange.value.target = ClusterTarget(cluster: index, subset: currentSubset(exchange))
            exchange.value.generation = snapshot.generation
        }
        return exchange.value.target.cluster
    }

    /// Labels that no rule names any more have no endpoints: an attempt more must not go where the first would not have gone.
    private func currentSubset(_ exchange: SlabReference<Exchange>) -> Int32 {
        let identity = exchange.value.subsetIdentity
        return identity == 0 ? -1 : snapshot.subset(identity: identity) ?? .max
    }

    private mutating func pickEndpoint(
        _ exchange: SlabReference<Exchange>, _ cluster: Int
    ) -> SocketAddress? {
        exchange.value.endpointSlot = -1
        if let pinned = clients.find(exchange.value.client)?.value.pinned {
            exchange.value.endpointSlot = pinned.endpointSlot
            return pinned.address
        }
        if snapshot.clusters[cluster].isOriginalDestination { return exchange.value.record.originalDestination }
        var pick = pick(exchange)
        if pick == .none, exchange.value.tried.count > 0 {
            // All of them have failed once: a second chance is better than none.
            exchange.value.tried = TriedEndpoints()
            pick = self.pick(exchange)
        }
        guard case .endpoint(let endpoint, let panic) = pick else { return nil }
        if panic { countCluster(snapshot.clusters[cluster].slot, .panicPicks) }
        exchange.value.endpointSlot = endpoint.slot
        _ = exchange.value.tried.insert(endpointSlot: endpoint.slot)
        return endpoint.address
    }

    private mutating func pick(_ exchange: SlabReference<Exchange>) -> Pick {
        let target = exchange.value.target
        return picker.pick(
            cluster: target.cluster, hash: exchange.value.hash, tried: exchange.value.tried, subset: target.subset,
            now: now, random: &random)
    }
}

// MARK: - connections

extension Worker {
    /// The receiving pod, if there is one here, lets the request pass: a pooled connection to it, or a new one.
    mutating func connect(_ exchange: SlabReference<Exchange>) {
        guard let cluster = currentCluster(exchange) else {
            return reply(exchange, status: 503, .noEndpoint, "its cluster is gone\n")
        }
        let key = poolKey(exchange, cluster)
        guard !hasAbandonedTooMuch(exchange, key) else {
            return reply(exchange, status: 429, .rateLimited, "too many requests were given up before their answer\n")
        }
        if !shared.isEmpty, key.protocolNumber == PoolKey.http2, let (server, handle) = findShared(key) {
            return join(exchange, server, handle, cluster)
        }
        while let index = idle.take(key) {
            guard let handle = servers.handle(at: Int(index)), let server = servers.find(handle) else { return bug() }
            count(.upstreamsIdle, -1)
            server.value.state = .busy
            if let multiplex = server.value.multiplex?.reference {
                guard hasPlace(server, multiplex) else {
                    // It allows no streams, or ends.
                    closeServer(handle)
                    continue
                }
                share(server, handle, multiplex)
            }
            return attach(exchange, server, handle)
        }
        connectAnew(exchange, cluster, key)
    }

    private mutating func connectAnew(_ exchange: SlabReference<Exchange>, _ cluster: Int, _ key: PoolKey) {
        guard takePending(exchange, snapshot.clusters[cluster]) else { return }
        var record = connectionRecord(of: exchange)
        var plan = ConnectPlan(
            clusterIndex: exchange.value.target.cluster, clusterSlot: snapshot.clusters[cluster].slot,
            generation: snapshot.generation)
        var admission = Admission()
        guard admitUpstream(exchange, cluster, &admission) else { return }
        do throws(ConnectFailure) {
            let socket = try openUpstream(to: exchange.value.endpoint, &plan, &record)
            startSession(exchange, socket, key, plan, admission, record, cluster)
        } catch {
            release(&plan, SourcePorts.Leg(record))
            releaseAdmission(admission)
            countCluster(snapshot.clusters[cluster].slot, .connectFailures)
            upstreamFailed(exchange, error.failure)
        }
    }

    /// One that carries others, too: at once, or when its handshake is over.
    private mutating func join(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>, _ handle: SlabHandle,
        _ cluster: Int
    ) {
        guard let multiplex = server.value.multiplex?.reference, !isKnown(server, multiplex) else {
            return attach(exchange, server, handle)
        }
        guard takePending(exchange, snapshot.clusters[cluster]) else { return }
        multiplex.value.waiters.append(exchange.value.id)
        if server.value.state != .connecting, server.value.timer == .none { boundSettings(server, handle) }
        exchange.value.server = handle
        exchange.value.record.source = server.value.source
    }

    /// A new connection counts for the cluster and for the pod that receives it. False: it may not, and the exchange has
    /// been dealt with.
    private mutating func admitUpstream(
        _ exchange: SlabReference<Exchange>, _ cluster: Int, _ admission: inout Admission
    ) -> Bool {
        let record = snapshot.clusters[cluster]
        if leavesAlone(clusterSlot: record.slot) {
            wait(exchange, record)
            return false
        }
        if !context.shared.clusterConnections.take(at: record.slot, limit: record.connectionsMax) {
            guard evictIdle(of: exchange.value.target.cluster),
                context.shared.clusterConnections.take(at: record.slot, limit: record.connectionsMax)
            else {
                wait(exchange, record)
                return false
            }
        }
        admission.cluster = record.slot
        guard exchange.value.record.direction != .inbound,
            let pod = snapshot.pod(at: exchange.value.endpoint.address, host: exchange.value.record.host)
        else { return true }
        let receiver = snapshot.pods[pod]
        if receiver.slot == Int(exchange.value.record.pod) { return true }
        guard takeReceiver(receiver, endpointSlot: exchange.value.endpointSlot) else {
            releaseAdmission(admission)
            upstreamFailed(exchange, .receiverFull)
            return false
        }
        admission.destinationPod = receiver.slot
        countPod(receiver.slot, .inboundConnections)
        return true
    }

    /// A place among the receiver's connections. An idle one of another pod gives way.
    private mutating func takeReceiver(_ receiver: PodRecord, endpointSlot: Int) -> Bool {
        let words = context.shared.podConnections
        if words.take(at: receiver.slot, limit: receiver.connectionsMax) { return true }
        guard endpointSlot >= 0, let index = idle.removeAny(endpointSlot: Int32(endpointSlot)) else { return false }
        closeIdle(index)
        return words.take(at: receiver.slot, limit: receiver.connectionsMax)
    }

    /// Gives back what a connection was counted under.
    func releaseAdmission(_ admission: Admission) {
        let shared = context.shared
        if admission.destinationPod >= 0 { shared.podConnections.addReleasing(-1, at: admission.destinationPod) }
        if admission.cluster >= 0 { shared.clusterConnections.addReleasing(-1, at: admission.cluster) }
    }

    private mutating func startSession(
        _ exchange: SlabReference<Exchange>, _ socket: consuming Socket, _ key: PoolKey, _ plan: ConnectPlan,
        _ admission: Admission, _ record: ConnectionRecord, _ cluster: Int
    ) {
        var plan = plan
        if exchange.value.endpointSlot >= 0 {
            plan.endpointSlot = exchange.value.endpointSlot
            context.shared.endpointConnections.add(1, at: plan.endpointSlot)
        }
        let handle = servers.insert(
            ServerSession(
                SessionIO(Transport(socket)), key: key, plan: plan, admission: admission, record,
                idleTimeout: snapshot.clusters[cluster].idleTimeout, limits: HTTP1Limits(exchange.value.settings),
                madeUnder: published, now: now))
        count(.upstreamsActive)
        guard let server = servers.find(handle) else { return bug() }
        if key.protocolNumber == PoolKey.http2 {
            beginStreams(server, handle, waiter: exchange)
        } else {
            server.value.exchange = exchange.value.id
        }
        exchange.value.server = handle
        exchange.value.record.source = record.source
        server.value.timer = timers.set(
            now + snapshot.clusters[cluster].connectTimeout, payload: Token(.serverTimer, handle).bits)
        do throws(Errno) {
            try server.value.io.transport.register(with: poller, token: Token(.server, handle).bits)
        } catch {
            if server.value.multiplex != nil { return failStreams(handle, .nodeLimit) }
            upstreamFailed(exchange, .nodeLimit)
        }
    }

    /// A new connection of streams: other exchanges may wait for it, too.
    private mutating func beginStreams(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, waiter exchange: SlabReference<Exchange>
    ) {
        let (place, reference) = multiplexes.place(
            Multiplex(.client, HTTP2Limits(exchange.value.settings, snapshot.http2Limits[0])))
        server.value.multiplex = LentMultiplex(handle: place, reference: reference)
        reference.value.waiters.append(exchange.value.id)
        if let known = streamsMax(server.value.key) {
            reference.value.waitersMax = max(1, min(known, reference.value.waitersMax))
        }
        share(server, handle, reference)
    }

    /// A connection begins to carry the exchange's request.
    mutating func attach(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>, _ handle: SlabHandle
    ) {
        server.value.state = .busy
        if server.value.multiplex == nil { server.value.exchange = exchange.value.id }
        server.value.lastActivity = now
        exchange.value.server = handle
        exchange.value.record.source = server.value.source
        startAttempt(exchange)
        releasePending(exchange)
        gatherIfBusy(server, handle, exchange)
        if exchange.value.endpointSlot >= 0 {
            picker.requestStarted(endpointSlot: exchange.value.endpointSlot)
            exchange.value.counted.endpoint = true
        }
        sendRequest(exchange)
    }

    /// Where a connection for this exchange may be used again. Of a client that is not a listed pod of this host (on the
    /// inbound leg: all of them) nobody can tell when its address becomes another pod's: its connections serve that
    /// client connection only.
    private func poolKey(_ exchange: SlabReference<Exchange>, _ cluster: Int) -> PoolKey {
        var key = PoolKey(endpointSlot: Int32(exchange.value.endpointSlot), address: exchange.value.endpoint)
        key.protocolNumber = speaksHTTP2(exchange, cluster) ? PoolKey.http2 : PoolKey.http1
        key.protectedHost = exchange.value.record.host
        key.pod = exchange.value.record.pod
        let direction = exchange.value.record.direction
        let source = source(
            for: exchange.value.endpoint, client: exchange.value.record.client.address, direction,
            host: key.protectedHost)
        if case .spoofed(let source) = source { key.source = source }
        if direction != .listener, isUnlisted(pod: key.pod, host: key.protectedHost) {
            key.client = UInt64(exchange.value.client.generation) << 32 | UInt64(exchange.value.client.index)
        }
        return key
    }

    /// What the endpoints speak; where nobody says so, what the client does.
    func speaksHTTP2(_ exchange: SlabReference<Exchange>, _ cluster: Int) -> Bool {
        switch snapshot.clusters[cluster].upstreamProtocol {
        case .http2: true
        case .asDownstream: exchange.value.record.version == .http2
        case .http1, .tcp: false
        }
    }

    /// Whether it is no pod's connection, or the pod `unknown`'s: that is all unlisted addresses, so its slot tells nobody
    /// apart.
    private func isUnlisted(pod slot: Int32, host: UInt16) -> Bool {
        guard slot >= 0 else { return true }
        let unknown = host == 0 ? Snapshot.unknownPod : snapshot.host(id: host)?.unknownPod
        return unknown.map { snapshot.pods[$0].slot == Int(slot) } ?? true
    }

    private func connectionRecord(of exchange: SlabReference<Exchange>) -> ConnectionRecord {
        var record = ConnectionRecord()
        record.client = exchange.value.record.client
        record.originalDestination = exchange.value.record.originalDestination
        record.direction = exchange.value.record.direction
        record.pod = exchange.value.record.pod
        record.destinationPod = exchange.value.record.destinationPod
        record.cluster = exchange.value.record.cluster
        record.endpoint = exchange.value.endpoint
        record.listener = exchange.value.record.listener
        record.host = exchange.value.record.host
        return record
    }
}
