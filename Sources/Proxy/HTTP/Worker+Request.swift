import Buffers
import EventLoop
import HTTP
import Model
import Routing
import Syscalls

/// What a client's codec hands to an exchange. Nothing here knows which codec.
extension Worker {
    /// The first byte of a request is there; where there are streams, its head.
    mutating func beginExchange(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, stream: UInt32 = 0
    ) -> SlabReference<Exchange> {
        refreshSettings(client)
        client.value.requests += 1
        let (id, exchange) = exchanges.place(
            Exchange(
                client: handle, stream: stream, heads: takeHeads(), settings: client.value.settings,
                generation: client.value.generation, record: requestRecord(of: client), now: now))
        exchange.value.id = id
        count(.requestsActive)
        return exchange
    }

    /// Whether an exchange could use more of its request now.
    func takesRequest(_ exchange: SlabReference<Exchange>) -> Bool {
        guard !exchange.value.requestEnded, !exchange.value.awaitsTunnel || exchange.value.clientStream != 0 else {
            return false
        }
        switch exchange.value.phase {
        case .receiving, .answered: return true
        case .paused, .acquiring: return false
        case .open:
            guard let server = servers.find(exchange.value.server), exchange.value.heldUp == nil else {
                return false
            }
            // What a broken connection would swallow may still go by another one.
            return !server.value.io.isBlocked && !server.value.io.isBroken
        }
    }

    /// The head is complete.
    mutating func requestHeadReceived(
        _ exchange: SlabReference<Exchange>, _ client: SlabReference<ClientSession>, _ meaning: RequestMeaning
    ) {
        exchange.value.requestFraming = meaning.framing
        exchange.value.wantsUpgrade = meaning.upgrade
        exchange.value.expectsContinue = meaning.expectsContinue
        if meaning.expectsTunnel { expectTunnel(exchange) }
        exchange.value.record.method = exchange.value.heads.reference.value.request.method.rawValue
        exchange.value.record.version = meaning.version
        exchange.value.isGRPC = meaning.version == .http2 && exchange.value.heads.reference.value.request.isGRPC
        lowerTimer(client, exchange.value.client, to: now + client.value.settings.streamIdleTimeout)
        if !meaning.keepsAlive { client.value.isClosing = true }
        if isLeaving(client) { leave(client, exchange.value.client) }
        // A decoder of HTTP/1 has said so itself.
        let path = exchange.value.heads.reference.value.request.path
        guard Int(path.count) <= client.value.settings.requestTargetBytes else {
            return reply(exchange, status: 414, .badRequest, "the path is too long\n")
        }
        guard exchange.value.heads.reference.value.request.normalizePath() == nil else {
            return reply(exchange, status: 400, .badRequest, "the path has an escape that means nothing\n")
        }
        guard !asksForForeignProtocol(exchange) else {
            return reply(exchange, status: 501, .badRequest, "only websocket is spoken by extended CONNECT\n")
        }
        guard !client.value.isOrphan else {
            if exchange.value.clientStream != 0 { return refuseStream(exchange) }
            return reply(exchange, status: 503, .noRoute, "no table takes this connection for HTTP any more\n")
        }
        identify(exchange)
        runFilters(exchange)
    }

    /// Body bytes; `isLast`: no others follow, nor trailers.
    mutating func requestBodyReceived(
        _ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer, isLast: Bool = false
    ) {
        exchange.value.record.bytesSent += bytes.count
        exchange.value.lastActivity = now
        guard exchange.value.phase != .answered else { return dropBody(exchange, bytes.count) }
        var taken = 0
        if exchange.value.phase == .open, exchange.value.heldUp == nil {
            taken = unsafe passUp(exchange, bytes, isLast: isLast)
            releaseRequest(exchange, taken)
        }
        guard taken < bytes.count else { return }
        // In bounds: no more is taken than was offered.
        unsafe hold(UnsafeRawBufferPointer(rebasing: bytes[taken...]), &exchange.value.heldUp, exchange)
    }

    /// All of the request has been received.
    mutating func requestEnded(_ exchange: SlabReference<Exchange>) {
        exchange.value.requestEnded = true
        switch exchange.value.phase {
        case .open: finishRequest(exchange)
        // Not before its client has the answer.
        case .answered: if exchange.value.heldDown == nil { finishExchange(exchange) }
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
        exchange.value.detail = violation.kind.label
        guard !exchange.value.responseStarted else {
            // In the middle of a body, and the response is under way, or said.
            client.value.abortReason = .clientReset
            exchange.value.record.flags.add(.badRequest)
            return enqueue(client, exchange.value.client)
        }
        reply(exchange, status: violation.status, .badRequest, "the request is not valid HTTP\n")
    }

    /// A stream that was on its way when the tables changed: nothing was done with it, so that the client may send it again,
    /// by another connection.
    private mutating func refuseStream(_ exchange: SlabReference<Exchange>) {
        exchange.value.record.flags.add(.noRoute)
        cutOffClient(exchange, .refusedStream, .clientReset)
        finishExchange(exchange)
    }

    /// A body that nobody wants is dropped for as long as that is cheaper than a new connection.
    private mutating func dropBody(_ exchange: SlabReference<Exchange>, _ bytes: Int) {
        exchange.value.dropped += bytes
        // Of a stream there is no more than its window.
        guard exchange.value.clientStream == 0, exchange.value.dropped > Exchange.droppedBytesMax,
            let client = clients.find(exchange.value.client)
        else { return }
        let handle = exchange.value.client
        client.value.isClosing = true
        exchange.value.requestEnded = true
        finishExchange(exchange)
        enqueueClient(handle)
    }
}

// MARK: - towards the upstream

extension Worker {
    /// The upstream's session is there: all of the request that has been received goes out.
    mutating func sendRequest(_ exchange: SlabReference<Exchange>) {
        guard let server = servers.find(exchange.value.server) else { return bug() }
        if let multiplex = server.value.multiplex?.reference, refusesTunnel(exchange, multiplex) {
            return reply(exchange, status: 501, .badRequest, "the endpoint does not speak the protocol asked for\n")
        }
        exchange.value.phase = .open
        server.value.requests += 1
        guard beginRequest(exchange, server) else { return upstreamFailed(exchange, .refused) }
        holdReplay(exchange)
        if exchange.value.heldUp != nil { return pumpUp(exchange) }
        if exchange.value.requestEnded { return finishRequest(exchange) }
        if exchange.value.clientStream == 0 { enqueueClient(exchange.value.client) }
    }
}
