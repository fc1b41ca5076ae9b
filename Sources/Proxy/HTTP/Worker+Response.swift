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
        _ meaning: ResponseMeaning, after: UnsafeRawBufferPointer
    ) {
        let status = exchange.value.heads.reference.value.response.status
        if exchange.value.awaitsTunnel {
            if meaning.isTunnel || (exchange.value.serverStream != 0 && (200..<300).contains(status)) {
                return openTunnel(exchange)
            }
        } else if meaning.isTunnel {
            return unsafe upgrade(exchange, server, handle, after)
        }
        if (100..<200).contains(status) { return interim(exchange, status) }
        exchange.value.responseFraming = meaning.framing
        exchange.value.record.upstreamFirstByteNanoseconds = now - exchange.value.startedAt
        if exchange.value.isGRPC, status == 200 {
            guard judgeCall(exchange) else { return }
        } else {
            report(exchange, status: status)
        }
        if mayRetry(exchange, .status(status), callStatus: callStatus(exchange, status)) { return retry(exchange) }
        forgoTunnel(exchange)
        exchange.value.record.status = UInt16(clamping: status)
        editResponse(exchange)
        exchange.value.responseStarted = true
        exchange.value.lastActivity = now
        dropReplay(exchange)
        guard let client = clients.find(exchange.value.client) else { return }
        sendResponseHead(exchange, client, meaning.framing)
        if exchange.value.serverStream != 0, !meaning.isEnd, isEmpty(exchange, meaning.framing) {
            awaitServerEnd(exchange)
        }
    }

    /// Whether a response with this framing has no body.
    func isEmpty(_ exchange: SlabReference<Exchange>, _ framing: BodyFraming) -> Bool {
        framing == .none || framing == .length(0) || exchange.value.isHead
    }

    /// The client has all of its response. The server need not say so at once, and must not take its time either.
    mutating func awaitServerEnd(_ exchange: SlabReference<Exchange>) {
        exchange.value.pause = .serverEnd
        exchange.value.pauseEnd = now + Self.serverEndNanoseconds
        setTimer(exchange)
    }

    private static var serverEndNanoseconds: Int64 { 1_000_000_000 }

    /// 100 and 103 are for those who know what they are.
    private mutating func interim(_ exchange: SlabReference<Exchange>, _ status: Int) {
        defer { exchange.value.heads.reference.value.response.removeAll() }
        if exchange.value.heads.reference.value.response.status == 100 { exchange.value.expectsContinue = false }
        guard exchange.value.heads.reference.value.request.minorVersion >= 1 else { return }
        sendInterimHead(exchange)
    }

    /// What the routes of both sides say of the response's fields.
    mutating func editResponse(_ exchange: SlabReference<Exchange>) {
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

    /// Body bytes; `isLast`: no others follow, nor trailers.
    mutating func responseBodyReceived(
        _ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer, isLast: Bool = false
    ) {
        exchange.value.record.bytesReceived += bytes.count
        exchange.value.lastActivity = now
        let taken = exchange.value.heldDown == nil ? unsafe passDown(exchange, bytes, isLast: isLast) : 0
        releaseResponse(exchange, taken)
        guard taken < bytes.count else { return }
        // In bounds: no more is taken than was offered.
        unsafe hold(UnsafeRawBufferPointer(rebasing: bytes[taken...]), &exchange.value.heldDown, exchange)
    }

    /// All of the response has been received. Its upstream is done with; its client may have to take the rest of it.
    mutating func responseEnded(_ exchange: SlabReference<Exchange>) {
        if exchange.value.isTunnel { return tunnelEnded(exchange) }
        exchange.value.responseEnded = true
        exchange.value.record.upstreamNanoseconds = now - exchange.value.startedAt
        if exchange.value.isGRPC { noteCallStatus(exchange) }
        if exchange.value.requestSent { releaseServer(exchange) } else { leaveEarly(exchange) }
        if exchange.value.heldDown == nil { concludeResponse(exchange) }
    }

    /// All of the response has been taken.
    mutating func concludeResponse(_ exchange: SlabReference<Exchange>) {
        if exchange.value.isTunnel { return concludeTunnel(exchange) }
        endResponse(exchange)
        guard !exchange.value.requestEnded else { return finishExchange(exchange) }
        awaitRequestEnd(exchange)
    }

    /// The response is complete, the request is not: its rest is dropped, and the upstream connection with it.
    private mutating func leaveEarly(_ exchange: SlabReference<Exchange>) {
        guard let server = servers.find(exchange.value.server) else { return }
        // Half a request must not look like a whole one, and nobody reads what the kernel still holds of it.
        if server.value.multiplex == nil { server.value.io.transport.resetOnClose() }
        leaveUpstream(exchange)
    }

    /// What is left of the request is read and dropped. A stream ends alone.
    mutating func awaitRequestEnd(_ exchange: SlabReference<Exchange>) {
        exchange.value.phase = .answered
        guard exchange.value.clientStream == 0 else { return stopStream(exchange) }
        if exchange.value.expectsContinue, let client = clients.find(exchange.value.client) {
            client.value.isClosing = true
            exchange.value.requestEnded = true
            return finishExchange(exchange)
        }
        enqueueClient(exchange.value.client)
    }
}
