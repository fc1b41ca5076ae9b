import Buffers
import EventLoop
import HTTP
import Model
import Syscalls

/// Responses of one upstream connection: from its bytes to its exchange. As for clients, what happens to the exchange
/// ends the session only after its turn's decoding is over.
extension Worker {
    private static let serverBytesMax = 256 << 10
    private static let serverReadsMax = 64

    /// A turn of one upstream connection. Returns the bytes moved. The session may be gone afterwards.
    mutating func serveServer(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) -> Int {
        switch server.value.state {
        case .connecting:
            serverAnswered(server, handle)
            // The connect's own edge: what the server says first is not there yet.
            return 0
        case .idle:
            if let multiplex = server.value.multiplex?.reference { return serveStreams(server, handle, multiplex) }
            // It has said something unasked, or its end: it is of no more use.
            if server.value.io.isReadable || server.value.io.isBroken { closeServer(handle) }
            return 0
        case .busy:
            if let multiplex = server.value.multiplex?.reference { return serveStreams(server, handle, multiplex) }
            return serveBusy(server, handle)
        }
    }

    private mutating func serveBusy(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) -> Int {
        var moved = 0
        if server.value.io.hasOutput {
            let error = server.value.io.flush(&pool, taken: &moved)
            sent(moved, to: server)
            if error == nil, !server.value.io.hasOutput, let exchange = exchanges.find(server.value.exchange) {
                resumeRequest(exchange)
            }
        }
        moved += receiveResponses(server, handle)
        guard let server = servers.find(handle), server.value.state == .busy else { return moved }
        // After what could be read: a server may answer, and reset because of a body it did not want.
        if server.value.io.isBroken, !server.value.io.isReadable { serverBroken(server, handle) }
        return moved
    }

    private mutating func receiveResponses(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) -> Int {
        var (moved, reads) = (0, 0)
        decodeKept(server, handle)
        while moved < Self.serverBytesMax, reads < Self.serverReadsMax, isThere(server, handle), mayReceive(server) {
            reads += 1
            let kept = server.value.io.inputCount
            switch server.value.io.read(into: scratch, &pool) {
            case .bytes(let count):
                moved += count - kept
                server.value.lastActivity = now
                // Valid until the next read into the scratch memory.
                let bytes = unsafe UnsafeRawBufferPointer(scratch.prefix(count))
                let consumed = unsafe decodeResponse(bytes, server, handle)
                if isThere(server, handle), consumed < count {
                    unsafe server.value.io.keepInput(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), &pool)
                }
                flushAll()
            case .nothing: return moved
            case .end, .broken:
                serverBroken(server, handle)
                return moved
            }
        }
        return moved
    }

    /// The session may have been closed meanwhile, or turned into one side of a tunnel.
    private func isThere(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) -> Bool {
        servers.find(handle) != nil
    }

    private mutating func decodeKept(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        guard server.value.io.input != nil, !server.value.needsMoreInput, mayReceive(server),
            var chunk = server.value.io.input.take()
        else { return }
        // The chunk owns its bytes while they are lent; nothing keeps them.
        let consumed = unsafe chunk.withBytes { unsafe decodeResponse($0, server, handle) }
        if isThere(server, handle), consumed < chunk.count {
            chunk.consume(consumed)
            server.value.io.input = consume chunk
        } else {
            pool.give(chunk)
        }
        flushAll()
    }

    /// Whether a byte more of it could be used now.
    func mayReceive(_ server: SlabReference<ServerSession>) -> Bool {
        guard server.value.state == .busy, server.value.io.hasInput,
            let exchange = exchanges.find(server.value.exchange)
        else { return false }
        guard let client = clients.find(exchange.value.client) else { return true }
        guard exchange.value.heldDown == nil else { return false }
        guard client.value.io.isBlocked else { return true }
        // A connection of streams says itself when it takes more, if it knows that somebody waits.
        client.value.multiplex?.reference.value.isStalled = true
        return false
    }

    /// Decodes what there is until it needs more bytes or the response is over. Returns the bytes consumed.
    private mutating func decodeResponse(
        _ bytes: UnsafeRawBufferPointer, _ server: SlabReference<ServerSession>, _ handle: SlabHandle
    ) -> Int {
        var offset = 0
        server.value.needsMoreInput = false
        while isThere(server, handle), !server.value.needsMoreInput,
            let exchange = exchanges.find(server.value.exchange)
        {
            // In bounds: the decoder consumes no more than it is given.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let input = unsafe Span<UInt8>(_unsafeBytes: rest)
            let event = server.value.decoder.next(
                input, head: &exchange.value.heads.reference.value.response,
                trailers: &exchange.value.heads.reference.value.responseTrailers)
            switch event {
            case .needMoreBytes(let consumed):
                server.value.needsMoreInput = true
                offset += consumed
            case .head(let consumed):
                offset += consumed
                let after = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
                let meaning = ResponseMeaning(
                    framing: server.value.decoder.framing, isTunnel: server.value.decoder.isTunnel)
                unsafe responseHeadReceived(exchange, server, handle, meaning, after: after)
            case .data(let consumed, let body):
                offset += consumed
                // In bounds: the decoder says where in its input the body lies.
                unsafe responseBodyReceived(exchange, UnsafeRawBufferPointer(rebasing: rest[body]))
            case .end(let consumed):
                offset += consumed
                server.value.hasLeftover = offset < bytes.count
                responseEnded(exchange)
            case .violation(let violation):
                exchange.value.detail = violation.kind.label
                upstreamFailed(exchange, .protocolError)
                return bytes.count
            }
        }
        return offset
    }
}

// MARK: - ends

extension Worker {
    /// The handshake's end, one way or the other.
    private mutating func serverAnswered(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        if let multiplex = server.value.multiplex?.reference { return streamsAnswered(server, handle, multiplex) }
        guard let exchange = exchanges.find(server.value.exchange) else { return closeServer(handle) }
        if let failure = handshakeFailure(server) { return upstreamFailed(exchange, failure) }
        attach(exchange, server, handle)
        flushAll()
    }

    /// Why there is no connection, if there is none; else it is ready to be used.
    mutating func handshakeFailure(_ server: SlabReference<ServerSession>) -> UpstreamFailure? {
        let slot = server.value.plan.clusterSlot
        guard server.value.answered else {
            countCluster(slot, .connectTimeouts)
            return .connectTimeout
        }
        if let error = server.value.io.transport.takeError() {
            // A refused handshake is refused; what is reset had been accepted, and nobody looked in between.
            if error == .reset { return .reset }
            countCluster(slot, .connectFailures)
            return .connectFailed
        }
        timers.cancel(server.value.timer)
        server.value.timer = .none
        server.value.io.isBroken = false
        server.value.io.isWritable = true
        if server.value.plan.lease == nil, let source = server.value.io.transport.localAddress() {
            server.value.source = source
        }
        countCluster(slot, .connections)
        boundUnsent(server.value.io, pod: server.value.pod)
        return nil
    }

    /// FIN or an error, after all that came before it has been decoded.
    private mutating func serverBroken(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        guard let exchange = exchanges.find(server.value.exchange) else { return closeServer(handle) }
        // After a failed write the end that is read is no FIN.
        if server.value.io.inputEnded, !server.value.io.isBroken {
            switch server.value.decoder.endOfInput() {
            case .endOfBody:
                server.value.hasLeftover = true
                responseEnded(exchange)
                return flushAll()
            case .clean where exchange.value.isTunnel:
                responseEnded(exchange)
                return flushAll()
            case .clean, .truncated: break
            }
        }
        let error = server.value.io.transport.takeError()
        upstreamFailed(exchange, error?.isVanishedPeer == true ? .vanished : .reset)
        flushAll()
    }

    /// The exchange has its response, the connection may serve another one if both sides are where they should be.
    mutating func releaseServer(_ exchange: SlabReference<Exchange>) {
        let handle = exchange.value.server
        guard let server = servers.find(handle) else { return }
        if let multiplex = server.value.multiplex?.reference {
            return leaveStream(exchange, server, handle, multiplex)
        }
        detach(exchange, server)
        guard server.value.isReusable, mayBeIdle(server) else { return closeServer(handle) }
        if server.value.key.client != 0 { keepPrivate(handle, of: SlabHandle(bits: server.value.key.client)) }
        makeIdle(server, handle)
    }

    /// Whether it may wait for another request.
    mutating func mayBeIdle(_ server: SlabReference<ServerSession>) -> Bool {
        // Whom it serves alone may be gone.
        let client = SlabHandle(bits: server.value.key.client)
        guard client.isNone || clients.find(client) != nil else { return false }
        return !isDraining && !server.value.isLast && !isEndpointGone(server)
            && !hasLeft(server.value.key.pod, since: server.value.plan.generation)
            && !yields(clusterSlot: server.value.plan.clusterSlot)
    }

    /// Whether its endpoint has left since it was made, even if it is back: that may be another server.
    func isEndpointGone(_ server: SlabReference<ServerSession>) -> Bool {
        let slot = Int(server.value.key.endpointSlot)
        return slot >= 0 && slot < endpointsGone.count && endpointsGone[slot] > server.value.madeUnder
    }

    /// It waits in the pool for another request.
    mutating func makeIdle(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        server.value.state = .idle
        count(.upstreamsIdle)
        let expires = now + server.value.idleTimeout
        guard let evicted = idle.put(handle.index, server.value.key, now: now, expires: expires) else { return }
        closeIdle(evicted)
    }

    /// One idle connection for a client that nobody can tell apart but by its connection.
    mutating func keepPrivate(_ handle: SlabHandle, of client: SlabHandle) {
        guard let client = clients.find(client) else { return }
        let before = client.value.privateServer
        client.value.privateServer = handle
        if before != handle, servers.find(before)?.value.state == .idle { closeServer(before) }
    }

    /// The exchange has nothing more to do with its upstream connection.
    func detach(_ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>) {
        server.value.exchange = .none
        exchange.value.server = .none
        exchange.value.serverStream = 0
    }

    /// Closes a connection that the pool has let go of.
    mutating func closeIdle(_ index: UInt32) {
        count(.upstreamsIdle, -1)
        guard let handle = servers.handle(at: Int(index)), let server = servers.find(handle) else { return bug() }
        server.value.state = .busy
        closeServer(handle)
    }

    /// Closes an upstream connection: with a reset if anything is under way on it.
    mutating func closeServer(_ handle: SlabHandle) {
        guard let server = servers.find(handle) else { return }
        if server.value.state == .idle, idle.remove(handle.index) { count(.upstreamsIdle, -1) }
        if server.value.isMidway { server.value.io.transport.resetOnClose() }
        if let multiplex = server.value.multiplex?.reference { sayGoodbye(server, handle, multiplex) }
        if toServerHandle == handle { toServer.removeAll() }
        if let lent = server.value.multiplex { endMultiplex(server, handle, lent) }
        timers.cancel(server.value.timer)
        if server.value.queued { ready.remove(WorkItem(.server, handle.index), pod: server.value.queuedPod) }
        count(.bufferedBytes, -server.value.io.countedBytes)
        server.value.io.giveBack(&pool)
        if server.value.plan.endpointSlot >= 0 {
            context.shared.endpointConnections.add(-1, at: server.value.plan.endpointSlot)
            server.value.plan.endpointSlot = -1
        }
        release(&server.value.plan, server.value.leg)
        let admission = server.value.admission
        _ = servers.remove(handle)
        count(.upstreamsActive, -1)
        releaseAdmission(admission)
    }
}
