import Buffers
import EventLoop
import HTTP
import Model
import Syscalls

/// What connections of many streams have in common on both sides.
extension Worker {
    /// One connection's share of a turn.
    static let streamBytesMax = 256 << 10
    static let streamReadsMax = 64

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
        refreshSettings(client)
        // Its table may be gone, and what it says of the snapshot with it.
        let index = client.value.isOrphan ? 0 : Int(client.value.settings.http2)
        let limits = HTTP2Limits(client.value.settings, snapshot.http2Limits[index])
        let (place, reference) = multiplexes.place(Multiplex(.server, limits))
        client.value.multiplex = LentMultiplex(handle: place, reference: reference)
        if client.value.expiresAt < .max { lowerTimer(client, handle, to: client.value.expiresAt) }
        collect(forClient: handle)
        reference.value.codec.start(into: &toClient)
        client.value.needsMoreInput = false
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
        if exchange.value.isTunnel, exchange.value.responseEnded { return concludeTunnel(exchange) }
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
        guard let client = clients.find(handle), client.value.io.isCollecting,
            let multiplex = client.value.multiplex?.reference
        else { return }
        var taken = 0
        let error = client.value.io.flush(multiplex, &pool, taken: &taken)
        sent(taken, to: client)
        countHeld(client)
        charge(clientAt: handle)
        if error != nil || multiplex.value.isStalled || hasWork(client) { enqueue(client, handle) }
    }

    private mutating func flushCollected(server handle: SlabHandle) {
        guard let server = servers.find(handle), server.value.io.isCollecting,
            let multiplex = server.value.multiplex?.reference
        else { return }
        var taken = 0
        let error = server.value.io.flush(multiplex, &pool, taken: &taken)
        sent(taken, to: server)
        countHeld(server)
        if error != nil || multiplex.value.isStalled || hasWork(server) { enqueueServer(handle) }
    }
}

extension SessionIO {
    /// Sends what waits for the peer of a connection of streams, whose codec learns whether it was taken.
    mutating func flush(
        _ multiplex: SlabReference<Multiplex>, _ pool: inout ChunkPool, taken: inout Int
    ) -> Errno? {
        isCollecting = false
        let error = flush(&pool, taken: &taken)
        multiplex.value.codec.outputIsBlocked = hasOutput
        return error
    }

    /// Whether a turn could do something for a connection of streams, beside reading.
    func hasWork(_ multiplex: SlabReference<Multiplex>) -> Bool {
        if hasOutput, !isCollecting, isWritable { return true }
        return multiplex.value.isStalled && !isBlocked
    }
}
