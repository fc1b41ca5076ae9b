import Buffers
import EventLoop
import HTTP
import Model
import Routing
import Syscalls

/// What a client's codec hands to an exchange. Nothing here knows which codec.
extension Worker {
    /// The first byte of a request is there.
    mutating func beginExchange(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        refreshSettings(client)
        client.value.requests += 1
        client.value.headStartedAt = now
        let (id, exchange) = exchanges.place(
            Exchange(
                client: handle, heads: takeHeads(), settings: client.value.settings,
                generation: client.value.generation, record: requestRecord(of: client), now: now))
        exchange.value.id = id
        client.value.exchange = id
        count(.requestsActive)
    }

    /// Whether an exchange could use more of its request now.
    func takesRequest(_ exchange: SlabReference<Exchange>) -> Bool {
        guard !exchange.value.requestEnded else { return false }
        switch exchange.value.phase {
        case .receiving, .answered: return true
        case .paused, .acquiring: return false
        case .open:
            guard let server = servers.find(exchange.value.server) else { return false }
            // What a broken connection would swallow may still go by another one.
            return !server.value.io.hasOutput && !server.value.io.isBroken
        }
    }

    /// The head is complete.
    mutating func requestHeadReceived(_ exchange: SlabReference<Exchange>, _ client: SlabReference<ClientSession>) {
        exchange.value.requestFraming = client.value.decoder.framing
        exchange.value.wantsUpgrade = client.value.decoder.upgrade
        exchange.value.expectsContinue = client.value.decoder.expectsContinue
        exchange.value.record.method = exchange.value.heads.reference.value.request.method.rawValue
        exchange.value.record.version =
            exchange.value.heads.reference.value.request.minorVersion == 0 ? .http10 : .http11
        lowerTimer(client, exchange.value.client, to: now + client.value.settings.streamIdleTimeout)
        if !client.value.decoder.keepsAlive { client.value.isClosing = true }
        if isDraining { client.value.isClosing = true }
        guard exchange.value.heads.reference.value.request.normalizePath() == nil else {
            return reply(exchange, status: 400, .badRequest, "the path has an escape that means nothing\n")
        }
        guard !client.value.isOrphan else {
            return reply(exchange, status: 503, .noRoute, "no table takes this connection for HTTP any more\n")
        }
        identify(exchange)
        runFilters(exchange)
    }

    /// Body bytes.
    mutating func requestBodyReceived(_ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer) {
        exchange.value.record.bytesSent += bytes.count
        exchange.value.lastActivity = now
        guard exchange.value.phase == .open else { return dropBody(exchange, bytes.count) }
        if exchange.value.keepsReplay { unsafe keepForReplay(exchange, bytes) }
        collect(forServer: exchange.value.server)
        unsafe sendBody(bytes, exchange.value.requestFraming)
    }

    /// All of the request has been received.
    mutating func requestEnded(_ exchange: SlabReference<Exchange>) {
        exchange.value.requestEnded = true
        switch exchange.value.phase {
        case .open: finishRequest(exchange)
        case .answered: finishExchange(exchange)
        case .receiving, .paused, .acquiring: break
        }
    }

    /// The client does not speak HTTP, or speaks it in a way that others may read differently: it is told, and the
    /// connection ends.
    mutating func requestRefused(
        _ exchange: SlabReference<Exchange>, _ client: SlabReference<ClientSession>, _ violation: Violation
    ) {
        client.value.isClosing = true
        exchange.value.requestEnded = true
        if let chunk = client.value.io.input.take() { pool.give(chunk) }
        exchange.value.violation = violation.kind
        guard !exchange.value.responseStarted else {
            // In the middle of a body, and the response is under way, or said.
            client.value.abortReason = .clientReset
            exchange.value.record.flags.add(.badRequest)
            return enqueue(client, exchange.value.client)
        }
        reply(exchange, status: violation.status, .badRequest, "the request is not valid HTTP\n")
    }

    /// A body that nobody wants is dropped for as long as that is cheaper than a new connection.
    private mutating func dropBody(_ exchange: SlabReference<Exchange>, _ bytes: Int) {
        exchange.value.dropped += bytes
        guard exchange.value.dropped > Exchange.droppedBytesMax, let client = clients.find(exchange.value.client) else {
            return
        }
        client.value.isClosing = true
        exchange.value.requestEnded = true
        finishExchange(exchange)
        enqueueClient(exchange.value.client)
    }
}

// MARK: - towards the upstream

extension Worker {
    /// The upstream's session is there: all of the request that has been received goes out.
    mutating func sendRequest(_ exchange: SlabReference<Exchange>) {
        guard let server = servers.find(exchange.value.server) else { return bug() }
        exchange.value.phase = .open
        server.value.requests += 1
        server.value.bytesSent = 0
        server.value.decoder.expectResponse(
            toHead: exchange.value.heads.reference.value.request.method == .head,
            toConnect: exchange.value.heads.reference.value.request.method == .connect,
            toUpgrade: exchange.value.wantsUpgrade)
        collect(forServer: exchange.value.server)
        HTTP1Encoder.request(
            exchange.value.heads.reference.value.request, framing: exchange.value.requestFraming,
            upgrade: exchange.value.wantsUpgrade,
            into: &toServer)
        if let chunk = exchange.value.replay.take() {
            // The chunk owns its bytes while they are lent.
            unsafe chunk.withBytes { unsafe sendBody($0, exchange.value.requestFraming) }
            if exchange.value.keepsReplay { exchange.value.replay = consume chunk } else { pool.give(chunk) }
        }
        if exchange.value.requestEnded { return finishRequest(exchange) }
        enqueueClient(exchange.value.client)
    }

    /// Body bytes for the server that is being collected for.
    private mutating func sendBody(_ bytes: UnsafeRawBufferPointer, _ framing: BodyFraming) {
        guard bytes.count > 0 else { return }
        guard framing == .chunked else { return unsafe appendToServer(bytes) }
        HTTP1Encoder.chunkPrefix(count: bytes.count, into: &toServer)
        unsafe appendToServer(bytes)
        HTTP1Encoder.chunkSuffix(into: &toServer)
    }

    private mutating func finishRequest(_ exchange: SlabReference<Exchange>) {
        collect(forServer: exchange.value.server)
        if exchange.value.requestFraming == .chunked {
            HTTP1Encoder.lastChunk(trailers: exchange.value.heads.reference.value.requestTrailers, into: &toServer)
        }
        exchange.value.requestSent = true
        exchange.value.lastActivity = now
        mirror(exchange)
        if exchange.value.responseEnded { finishExchange(exchange) }
    }

    /// Keeps body bytes for another attempt, as far as the limit allows.
    private mutating func keepForReplay(_ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer) {
        let limit = exchange.value.replayMax
        var chunk = exchange.value.replay.take() ?? pool.take(min(limit, ChunkPool.sizeMin))
        guard chunk.count + bytes.count <= limit else {
            pool.give(chunk)
            exchange.value.keepsReplay = false
            return
        }
        if chunk.room < bytes.count { chunk = grown(chunk, by: bytes.count) }
        unsafe chunk.append(bytes)
        exchange.value.replay = consume chunk
    }

    private mutating func grown(_ chunk: consuming Chunk, by count: Int) -> Chunk {
        var larger = pool.take(chunk.count + count)
        unsafe chunk.withBytes { unsafe larger.append($0) }
        pool.give(chunk)
        return larger
    }
}
