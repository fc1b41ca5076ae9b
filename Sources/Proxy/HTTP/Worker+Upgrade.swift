import Buffers
import EventLoop
import HTTP
import Model
import Syscalls
import Upstream

/// An upgraded connection (WebSocket), and CONNECT: from the response's head on both sides are a tunnel.
extension Worker {
    /// The server has agreed. `after` is what it said behind its head.
    mutating func upgrade(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>, _ handle: SlabHandle,
        _ after: UnsafeRawBufferPointer
    ) {
        let clientHandle = exchange.value.client
        guard let client = clients.find(clientHandle) else { return upstreamFailed(exchange, .protocolError) }
        exchange.value.record.status = UInt16(clamping: exchange.value.heads.reference.value.response.status)
        exchange.value.record.upstreamFirstByteNanoseconds = now - exchange.value.startedAt
        exchange.value.responseStarted = true
        exchange.value.requestEnded = true
        exchange.value.responseEnded = true
        let isConnect = exchange.value.heads.reference.value.request.method == .connect
        // RFC 9110 9.3.6: no length in a 2xx to CONNECT.
        if isConnect { exchange.value.heads.reference.value.response.remove(.contentLength) }
        collect(forClient: clientHandle)
        HTTP1Encoder.response(
            exchange.value.heads.reference.value.response, framing: .none,
            connection: isConnect ? .keepAlive(announce: false) : .upgrade, into: &toClient)
        flushAll()
        server.value.exchange = .none
        exchange.value.server = .none
        client.value.exchange = .none
        endAttempt(exchange)
        let endpointSlot = server.value.plan.endpointSlot
        if endpointSlot >= 0 { picker.requestStarted(endpointSlot: endpointSlot) }
        let record = tunnelRecord(client, server, exchange)
        finishExchange(exchange)
        unsafe join(clientHandle, handle, record, after)
    }

    private func tunnelRecord(
        _ client: SlabReference<ClientSession>, _ server: SlabReference<ServerSession>,
        _ exchange: SlabReference<Exchange>
    ) -> ConnectionRecord {
        var record = client.value.record
        record.endpoint = exchange.value.record.endpoint
        record.source = server.value.source
        record.cluster = exchange.value.record.cluster
        record.destinationPod = exchange.value.record.destinationPod
        record.attempts = exchange.value.record.attempts
        record.connectNanoseconds = max(1, now - client.value.startedAt)
        return record
    }

    /// Two sessions become one tunnel; what each side has not been able to pass on yet goes first.
    private mutating func join(
        _ clientHandle: SlabHandle, _ serverHandle: SlabHandle, _ record: ConnectionRecord,
        _ after: UnsafeRawBufferPointer
    ) {
        if let client = clients.find(clientHandle) {
            timers.cancel(client.value.timer)
            uncharge(client)
            if client.value.queued {
                ready.remove(WorkItem(.client, clientHandle.index), pod: client.value.fairnessSlot)
            }
        }
        if let server = servers.find(serverHandle) {
            timers.cancel(server.value.timer)
            leaveGathered(server, serverHandle)
            if server.value.queued { ready.remove(WorkItem(.server, serverHandle.index), pod: server.value.queuedPod) }
        }
        guard var client = clients.remove(clientHandle), var server = servers.remove(serverHandle) else { return bug() }
        count(.upstreamsActive, -1)
        count(.bufferedBytes, -client.io.countedBytes - server.io.countedBytes)
        let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
        let up = unsafe joined(server.io.output.take(), client.io.input.take(), none)
        let down = unsafe joined(client.io.output.take(), server.io.input.take(), after)
        var admission = client.admission
        admission.destinationPod = max(admission.destinationPod, server.admission.destinationPod)
        admission.cluster = server.admission.cluster
        let cluster = snapshot.cluster(slot: server.plan.clusterSlot) ?? Snapshot.passthroughCluster
        let (startedAt, plan) = (client.startedAt, server.plan)
        var tunnel = Tunnel(
            downstream: client.takeTransport(), upstream: server.takeTransport(), record: record,
            admission: admission, plan: plan, startedAt: startedAt, lastActivity: now,
            idleTimeout: snapshot.clusters[cluster].tunnelIdleTimeout)
        tunnel.state = .open
        tunnel.up.pending = up
        tunnel.down.pending = down
        tunnel.up.tryAll()
        tunnel.down.tryAll()
        count(.bufferedBytes, tunnel.bufferCapacity)
        let handle = tunnels.insert(tunnel)
        guard let tunnel = tunnels.find(handle) else { return bug() }
        tunnel.value.timer = timers.set(now + tunnel.value.idleTimeout, payload: Token(.tunnelTimer, handle).bits)
        do throws(Errno) {
            try tunnel.value.upstream.reregister(with: poller, token: Token(.upstream, handle).bits)
            try tunnel.value.downstream.reregister(with: poller, token: Token(.downstream, handle).bits)
        } catch {
            return close(handle, .nodeLimit, by: .proxy)
        }
        enqueue(tunnel, handle)
    }

    /// One chunk of several pieces, or none.
    private mutating func joined(
        _ first: consuming Chunk?, _ second: consuming Chunk?, _ third: UnsafeRawBufferPointer
    ) -> Chunk? {
        let total = SessionIO.count(first) + SessionIO.count(second) + third.count
        guard total > 0 else { return nil }
        var whole = pool.take(total)
        append(first, to: &whole)
        append(second, to: &whole)
        unsafe whole.append(third)
        return whole
    }

    private mutating func append(_ piece: consuming Chunk?, to whole: inout Chunk) {
        guard let piece else { return }
        // The chunk owns its bytes while they are lent.
        unsafe piece.withBytes { unsafe whole.append($0) }
        pool.give(piece)
    }
}
