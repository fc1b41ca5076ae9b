import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// Answers of the proxy's own.
extension Worker {
    /// Answers with a status and a line of text. Whatever the exchange has taken upstream ends.
    mutating func reply(
        _ exchange: SlabReference<Exchange>, status: Int, _ flag: RequestFlag, _ explanation: StaticString,
        retryAfterSeconds: Int? = nil
    ) {
        exchange.value.record.flags.add(flag)
        exchange.value.heads.reference.value.response.removeAll()
        exchange.value.heads.reference.value.response.status = status
        exchange.value.heads.reference.value.response.append(.contentType, Self.plainText)
        if let seconds = retryAfterSeconds {
            text.removeAll()
            text.appendDecimal(seconds)
            exchange.value.heads.reference.value.response.append(.retryAfter, text.bytes)
        }
        if exchange.value.isGRPC {
            makeCallAnswer(exchange, status: status, explanation)
            return unsafe send(exchange, UnsafeRawBufferPointer(start: nil, count: 0))
        }
        // Static text lives for ever.
        let body = unsafe UnsafeRawBufferPointer(start: explanation.utf8Start, count: explanation.utf8CodeUnitCount)
        unsafe send(exchange, body)
    }

    /// `respond` of a route.
    mutating func respond(_ exchange: SlabReference<Exchange>, _ rule: RuleRecord, status: Int) {
        exchange.value.heads.reference.value.response.removeAll()
        exchange.value.heads.reference.value.response.status = status
        if rule.hasResponseEdits {
            routes.rewriteResponse(rule, &exchange.value.heads.reference.value.response, responseVariables(exchange))
        }
        // The snapshot in force owns the bytes.
        let body = routes.directBody(rule)
        unsafe body.withBytes { unsafe send(exchange, $0) }
    }

    /// `redirect` of a route.
    mutating func redirect(_ exchange: SlabReference<Exchange>, _ rule: RuleRecord, status: Int) {
        exchange.value.heads.reference.value.response.removeAll()
        exchange.value.heads.reference.value.response.status = status
        text.removeAll()
        routes.redirectLocation(rule, exchange.value.heads.reference.value.request, isTLS: false, into: &text)
        exchange.value.heads.reference.value.response.append(.location, text.bytes)
        if rule.hasResponseEdits {
            routes.rewriteResponse(rule, &exchange.value.heads.reference.value.response, responseVariables(exchange))
        }
        unsafe send(exchange, UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Sends a whole response that the proxy has made.
    private mutating func send(_ exchange: SlabReference<Exchange>, _ body: UnsafeRawBufferPointer) {
        leaveUpstream(exchange)
        forgoTunnel(exchange)
        endRequest(exchange)
        exchange.value.heads.reference.value.responseTrailers.removeAll()
        let status = exchange.value.heads.reference.value.response.status
        exchange.value.record.status = UInt16(clamping: status)
        exchange.value.responseStarted = true
        exchange.value.responseEnded = true
        exchange.value.record.bytesReceived += body.count
        guard let client = clients.find(exchange.value.client) else { return finishExchange(exchange) }
        sendResponseHead(exchange, client, .length(body.count))
        if !exchange.value.isHead {
            let taken = unsafe passDown(exchange, body, isLast: true)
            // In bounds: no more is taken than was offered.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: body[taken...])
            if rest.count > 0 { unsafe hold(rest, &exchange.value.heldDown, exchange) }
        }
        if exchange.value.heldDown == nil { concludeResponse(exchange) }
    }

    /// Nothing of the request goes on from here, however long its client takes to read the answer.
    private mutating func endRequest(_ exchange: SlabReference<Exchange>) {
        exchange.value.phase = .answered
        timers.cancel(exchange.value.timer)
        exchange.value.timer = .none
        releasePending(exchange)
        dropReplay(exchange)
        if let chunk = exchange.value.heldUp.take() { giveHeld(chunk, exchange) }
    }

    private static var plainText: StaticString { "text/plain; charset=utf-8" }
}
