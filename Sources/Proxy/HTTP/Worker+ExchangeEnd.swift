import EventLoop
import HTTP
import Model
import Upstream

extension Worker {
    /// Heads that are kept for the next exchanges; beyond, their memory is freed.
    private static let headsMax = 256

    /// Heads with the memory of earlier exchanges, if there are any.
    mutating func takeHeads() -> LentHeads {
        if let spare = spareHeads.popLast() { return spare }
        let (handle, reference) = heads.place(MessageHeads())
        return LentHeads(handle: handle, reference: reference)
    }

    private mutating func giveBack(_ lent: LentHeads) {
        lent.reference.value.removeAll()
        if spareHeads.count < Self.headsMax { spareHeads.append(lent) } else { _ = heads.discard(lent.handle) }
    }

    /// The exchange is over: gives back what it took, counts it, leaves its log line. Its client goes on.
    mutating func finishExchange(_ exchange: SlabReference<Exchange>) {
        let (id, client) = (exchange.value.id, exchange.value.client)
        noteStreamEnd(exchange)
        leaveUpstream(exchange)
        timers.cancel(exchange.value.timer)
        log(exchange)
        // Last: a slot that nothing is under way for may be given to another cluster or route, its counters with it.
        releaseCounts(exchange)
        giveReplay(exchange)
        dropHeld(exchange)
        keepNothing(exchange)
        count(.requestsActive, -1)
        giveBack(exchange.value.heads)
        let stream = exchange.value.clientStream
        guard exchanges.discard(id) else { return bug() }
        guard let session = clients.find(client) else { return }
        if let multiplex = session.value.multiplex?.reference {
            return finishStream(stream, session, client, multiplex)
        }
        session.value.exchange = .none
        session.value.lastActivity = now
        // In a drain: its head was sent before that began, so nobody has told the client that the connection ends.
        let timeout = session.value.settings.keepAliveTimeout
        lowerTimer(session, client, to: now + (isDraining ? min(timeout, Self.drainIdleNanoseconds) : timeout))
        // The next request may be there already; or this was the last one.
        if session.value.isClosing || session.value.io.hasInput { enqueue(session, client) }
    }

    /// The client is gone: nobody waits for the response.
    mutating func abandon(_ id: SlabHandle, _ reason: EndReason) {
        guard let exchange = exchanges.find(id) else { return bug() }
        if !exchange.value.responseEnded || !exchange.value.requestEnded {
            exchange.value.record.flags.add(reason.requestFlag)
        }
        noteAbandoned(exchange)
        finishExchange(exchange)
    }

    private func releaseCounts(_ exchange: SlabReference<Exchange>) {
        releasePlaces(exchange)
        releaseRoutes(exchange)
    }

    /// The places that it has in its cluster's limits are free.
    func releasePlaces(_ exchange: SlabReference<Exchange>) {
        releasePending(exchange)
        // The words' method, not the shared state's: what is called on an object is retained for the call.
        let slot = exchange.value.clusterSlot
        if exchange.value.counted.request { context.shared.clusterRequests.addReleasing(-1, at: slot) }
        if exchange.value.counted.retry { context.shared.clusterRetries.addReleasing(-1, at: slot) }
        exchange.value.counted.request = false
        exchange.value.counted.retry = false
    }

    private mutating func log(_ exchange: SlabReference<Exchange>) {
        exchange.value.record.durationNanoseconds = now - exchange.value.startedAt
        exchange.value.record.generation = snapshot.generation
        if exchange.value.client.isNone {
            // A mirrored copy is traffic of its cluster and of nobody else.
            exchange.value.record.listener = -1
            exchange.value.record.pod = -1
            exchange.value.record.destinationPod = -1
            return context.statistics.requests.count(exchange.value.record)
        }
        context.statistics.requests.count(exchange.value.record)
        countHostBytes(
            exchange.value.record.host, sent: exchange.value.record.bytesSent,
            received: exchange.value.record.bytesReceived)
        pushLog(exchange)
    }

    /// Leaves the log line.
    private mutating func pushLog(_ exchange: SlabReference<Exchange>) {
        // Once: each look at it retains it.
        let ring = context.requests
        guard ring.isWanted else { return }
        text.removeAll()
        if let detail = exchange.value.detail { text.append(detail) }
        let requestID = exchange.value.heads.reference.value.request.value(.xRequestId) ?? .none
        let path = exchange.value.asked?.path ?? exchange.value.heads.reference.value.request.path
        let authority = exchange.value.asked?.authority ?? exchange.value.heads.reference.value.request.authority
        let isPushed = Self.push(
            exchange.value.record, exchange.value.heads.reference.value.request, path: path, authority: authority,
            requestID: requestID, detail: text.bytes, to: ring)
        if !isPushed { count(.accessLogDropped) }
    }

    private static func push(
        _ record: RequestRecord, _ head: borrowing MessageHead, path: ByteRange, authority: ByteRange,
        requestID: ByteRange, detail: Span<UInt8>, to ring: RequestRing
    ) -> Bool {
        ring.push(
            record, method: head.bytes(head.methodText), authority: head.bytes(authority), path: head.bytes(path),
            requestId: head.bytes(requestID), detail: detail)
    }

    /// Body bytes kept for another attempt are needed no longer.
    mutating func dropReplay(_ exchange: SlabReference<Exchange>) {
        exchange.value.keepsReplay = false
        giveReplay(exchange)
    }

    /// What is known of a request when it begins.
    @inline(__always)
    func requestRecord(of client: SlabReference<ClientSession>) -> RequestRecord {
        var record = RequestRecord()
        // The wall clock is read once a second; in between, monotonic time is added.
        record.startedWallNanoseconds = wallClock(now)
        record.client = client.value.record.client
        record.originalDestination = client.value.record.originalDestination
        record.pod = client.value.record.pod
        record.destinationPod = client.value.record.destinationPod
        record.listener = client.value.record.listener
        record.direction = client.value.record.direction
        record.host = client.value.record.host
        record.worker = UInt16(context.index)
        return record
    }
}

extension EndReason {
    /// The same for a request that was under way.
    var requestFlag: RequestFlag {
        switch self {
        case .clientVanished: .clientVanished
        case .idleTimeout: .idleTimeout
        case .podGone: .podGone
        case .drainTimeout: .drainTimeout
        case .bufferLimit: .bufferLimit
        case .memoryLimit: .memoryLimit
        case .nodeLimit: .nodeLimit
        case .podLimit: .podLimit
        case .upstreamReset: .upstreamReset
        case .upstreamVanished: .upstreamVanished
        case .internalError: .internalError
        case .completed, .clientReset, .deniedOutbound, .deniedInbound, .circuitBreaker, .noEndpoint, .connectFailed,
            .connectTimeout, .sourcePortsExhausted, .loop, .unknownHost, .unexpectedProtocol:
            .clientReset
        }
    }
}
