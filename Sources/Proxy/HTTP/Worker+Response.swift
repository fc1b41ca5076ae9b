import Buffers
import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// What an upstream's codec hands to an exchange. Nothing here knows which codec.
extension Worker {
    /// A head is complete: an interim one, a switch of protocols, or the response's. `after` are the bytes behind it.
    mutating func responseHeadReceived(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>, _ handle: SlabHandle,
        _ after: UnsafeRawBufferPointer
    ) {
        let status = exchange.value.heads.reference.value.response.status
        if server.value.decoder.isTunnel { return unsafe upgrade(exchange, server, handle, after) }
        if (100..<200).contains(status) { return interim(exchange, status) }
        exchange.value.responseFraming = server.value.decoder.framing
        exchange.value.record.upstreamFirstByteNanoseconds = now - exchange.value.startedAt
        report(exchange, status: status)
        if mayRetry(exchange, .status(status)) { return retry(exchange) }
        exchange.value.record.status = UInt16(clamping: status)
        editResponse(exchange)
        sendResponseHead(exchange)
    }

    /// 100 and 103 are for those who know what they are.
    private mutating func interim(_ exchange: SlabReference<Exchange>, _ status: Int) {
        defer { exchange.value.heads.reference.value.response.removeAll() }
        if exchange.value.heads.reference.value.response.status == 100 { exchange.value.expectsContinue = false }
        guard exchange.value.heads.reference.value.request.minorVersion >= 1, clients.find(exchange.value.client) != nil
        else { return }
        collect(forClient: exchange.value.client)
        HTTP1Encoder.response(
            exchange.value.heads.reference.value.response, framing: .none, connection: .keepAlive(announce: false),
            into: &toClient)
    }

    /// What the routes of both sides say of the response's fields.
    private mutating func editResponse(_ exchange: SlabReference<Exchange>) {
        edit(exchange, routeSlot: exchange.value.record.inboundRoute)
        edit(exchange, routeSlot: exchange.value.record.route)
    }

    /// By slot: a reload may have come since the request was routed.
    private mutating func edit(_ exchange: SlabReference<Exchange>, routeSlot: Int32) {
        guard routeSlot >= 0, let index = routes.index(slot: Int(routeSlot)) else { return }
        guard routes.rules[index].hasResponseEdits else { return }
        let rule = routes.rule(index)
        routes.rewriteResponse(rule, &exchange.value.heads.reference.value.response, responseVariables(exchange))
    }

    /// Hands the response's head to the client's session.
    private mutating func sendResponseHead(_ exchange: SlabReference<Exchange>) {
        exchange.value.responseStarted = true
        exchange.value.lastActivity = now
        dropReplay(exchange)
        guard let client = clients.find(exchange.value.client) else { return }
        if isDraining { client.value.isClosing = true }
        // It was promised a word before it would send the body, and gets the final one: nobody knows whether a body follows.
        if exchange.value.expectsContinue, !exchange.value.requestEnded { client.value.isClosing = true }
        let isOld = exchange.value.heads.reference.value.request.minorVersion == 0
        switch exchange.value.responseFraming {
        case .chunked, .untilClose:
            // HTTP/1.0 knows no chunks: the body ends with the connection.
            exchange.value.clientFraming = isOld ? .untilClose : .chunked
            if isOld { client.value.isClosing = true }
        case .none, .length: exchange.value.clientFraming = exchange.value.responseFraming
        }
        collect(forClient: exchange.value.client)
        HTTP1Encoder.response(
            exchange.value.heads.reference.value.response, framing: exchange.value.clientFraming,
            connection: client.value.isClosing ? .close : .keepAlive(announce: isOld), into: &toClient)
    }

    /// Body bytes.
    mutating func responseBodyReceived(_ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer) {
        exchange.value.record.bytesReceived += bytes.count
        exchange.value.lastActivity = now
        guard clients.find(exchange.value.client) != nil else { return }
        collect(forClient: exchange.value.client)
        guard exchange.value.clientFraming == .chunked else { return unsafe appendToClient(bytes) }
        HTTP1Encoder.chunkPrefix(count: bytes.count, into: &toClient)
        unsafe appendToClient(bytes)
        HTTP1Encoder.chunkSuffix(into: &toClient)
    }

    /// All of the response has been received.
    mutating func responseEnded(_ exchange: SlabReference<Exchange>) {
        exchange.value.responseEnded = true
        exchange.value.record.upstreamNanoseconds = now - exchange.value.startedAt
        if exchange.value.clientFraming == .chunked, clients.find(exchange.value.client) != nil {
            collect(forClient: exchange.value.client)
            HTTP1Encoder.lastChunk(trailers: exchange.value.heads.reference.value.responseTrailers, into: &toClient)
        }
        guard exchange.value.requestSent else { return answeredEarly(exchange) }
        releaseServer(exchange)
        finishExchange(exchange)
    }

    /// The response is complete, the request is not: its rest is dropped, and the upstream connection with it.
    private mutating func answeredEarly(_ exchange: SlabReference<Exchange>) {
        let handle = exchange.value.server
        if let server = servers.find(handle) {
            detach(exchange, server)
            // Half a request must not look like a whole one, and nobody reads what the kernel still holds of it.
            server.value.io.transport.resetOnClose()
        }
        closeServer(handle)
        guard !exchange.value.requestEnded else { return finishExchange(exchange) }
        awaitRequestEnd(exchange)
    }

    /// What is left of the request is read and dropped.
    mutating func awaitRequestEnd(_ exchange: SlabReference<Exchange>) {
        exchange.value.phase = .answered
        if exchange.value.expectsContinue, let client = clients.find(exchange.value.client) {
            client.value.isClosing = true
            exchange.value.requestEnded = true
            return finishExchange(exchange)
        }
        enqueueClient(exchange.value.client)
    }
}
