import EventLoop
import HTTP
import Model

/// What connections of many streams have in common on both sides.
extension Worker {
    /// The first bytes of a connection: HTTP/2 where they are its preface. False: they are not for HTTP/1, or too few.
    mutating func decideProtocol(
        _ bytes: UnsafeRawBufferPointer, _ client: SlabReference<ClientSession>, _ handle: SlabHandle
    ) -> Bool {
        let isOnly = client.value.settings.protocolKind == .http2
        if !isOnly {
            // The preface is static text.
            let preface = unsafe UnsafeRawBufferPointer(
                start: HTTP2Session.preface.utf8Start, count: HTTP2Session.preface.utf8CodeUnitCount)
            let count = min(bytes.count, preface.count)
            guard unsafe bytes[..<count].elementsEqual(preface[..<count]) else {
                client.value.isUndecided = false
                return true
            }
            client.value.needsMoreInput = count < preface.count
            guard count == preface.count else { return false }
        }
        client.value.isUndecided = false
        beginStreams(client, handle)
        return false
    }

    /// From here on the connection speaks HTTP/2.
    private mutating func beginStreams(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        let (place, reference) = multiplexes.place(Multiplex(.server, HTTP2Limits(client.value.settings)))
        client.value.multiplex = LentMultiplex(handle: place, reference: reference)
        collect(forClient: handle)
        reference.value.codec.start(into: &toClient)
        client.value.needsMoreInput = false
    }

    /// The client's connection begins no more streams, or requests.
    mutating func leave(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        client.value.isClosing = true
        guard let multiplex = client.value.multiplex?.reference, !multiplex.value.isLeaving else { return }
        multiplex.value.isLeaving = true
        collect(forClient: handle)
        multiplex.value.codec.goAway(.noError, isFinal: true, into: &toClient)
    }

    /// The response is complete, the request is not: its rest is not waited for (RFC 9113 8.1). Not after a moment either:
    /// clients are seen to wait for this reset when the end of the response meets their upload.
    mutating func stopStream(_ exchange: SlabReference<Exchange>) {
        cutOffClient(exchange, .noError, .completed)
        finishExchange(exchange)
    }

    /// The client takes more: its exchange's upstream goes on.
    mutating func resumeResponse(_ exchange: SlabReference<Exchange>) {
        if exchange.value.heldDown != nil { return pumpDown(exchange) }
        if exchange.value.serverStream == 0 { enqueueServer(exchange.value.server) }
    }

    /// The upstream takes more: its exchange's client goes on.
    mutating func resumeRequest(_ exchange: SlabReference<Exchange>) {
        if exchange.value.heldUp != nil { return pumpUp(exchange) }
        if exchange.value.isTunnel, exchange.value.requestEnded { return finishRequest(exchange) }
        if exchange.value.clientStream == 0 { enqueueClient(exchange.value.client) }
    }

    func countViolation(_ violation: HTTP2Violation, _ peer: HTTP2ViolationCount.Peer) {
        context.statistics.http2Violations.add(1, slot: peer.rawValue, counter: Int(violation.kind.rawValue))
    }

    /// Output of a connection of streams waits for the end of the turn, or for the time of those that are gathered.
    @inline(__always)
    mutating func waits(_ token: Token, gathered isGathered: Bool) {
        if isGathered, poller.holdsGathered { gatheredOutput.append(token.bits) } else { collected.append(token.bits) }
    }

    /// What was collected for connections of streams in this turn leaves, each in one write.
    mutating func flushCollected() {
        flushAll()
        // Nothing is added meanwhile: flushing sends, and queues.
        for place in collected.indices { flushCollected(collected[place]) }
        if !collected.isEmpty { collected.removeAll(keepingCapacity: true) }
        guard !gatheredOutput.isEmpty, gatheredOutputLeaves() else { return }
        for place in gatheredOutput.indices { flushCollected(gatheredOutput[place]) }
        gatheredOutput.removeAll(keepingCapacity: true)
    }

    private mutating func flushCollected(_ bits: UInt64) {
        guard let token = Token(bits) else { return bug() }
        if token.kind == .client { flushCollected(client: token.handle) } else { flushCollected(server: token.handle) }
    }

    private mutating func flushCollected(client handle: SlabHandle) {
        guard let client = clients.find(handle), client.value.io.isCollecting else { return }
        client.value.io.isCollecting = false
        var taken = 0
        let error = client.value.io.flush(&pool, taken: &taken)
        client.value.multiplex?.reference.value.codec.outputIsBlocked = client.value.io.hasOutput
        sent(taken, to: client)
        countHeld(client)
        charge(clientAt: handle)
        if error != nil || hasWork(client) || client.value.multiplex?.reference.value.isStalled == true {
            enqueue(client, handle)
        }
    }

    private mutating func flushCollected(server handle: SlabHandle) {
        guard let server = servers.find(handle), server.value.io.isCollecting else { return }
        server.value.io.isCollecting = false
        var taken = 0
        let error = server.value.io.flush(&pool, taken: &taken)
        server.value.multiplex?.reference.value.codec.outputIsBlocked = server.value.io.hasOutput
        sent(taken, to: server)
        countHeld(server)
        if error != nil || hasWork(server) || server.value.multiplex?.reference.value.isStalled == true {
            enqueueServer(handle)
        }
    }
}

extension HTTP2Limits {
    init(_ settings: HTTPListenerRecord) {
        self.init()
        headerBytes = settings.headerBytes
        headerCount = settings.headerCount
        // A stream that nobody reads must not use up what the others need. What is held counts for its pod's limit.
        connectionWindow = concurrentStreams * streamWindow
    }
}
