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
        releasePending(exchange)
        let status = exchange.value.heads.reference.value.response.status
        exchange.value.record.status = UInt16(clamping: status)
        exchange.value.responseStarted = true
        exchange.value.responseEnded = true
        if let client = clients.find(exchange.value.client) {
            if isDraining { client.value.isClosing = true }
            if exchange.value.expectsContinue, !exchange.value.requestEnded { client.value.isClosing = true }
            let isOld = exchange.value.heads.reference.value.request.minorVersion == 0
            collect(forClient: exchange.value.client)
            HTTP1Encoder.response(
                exchange.value.heads.reference.value.response, framing: .length(body.count),
                connection: client.value.isClosing ? .close : .keepAlive(announce: isOld), into: &toClient)
            if exchange.value.heads.reference.value.request.method != .head { unsafe appendToClient(body) }
            exchange.value.record.bytesReceived += body.count
        }
        if exchange.value.requestEnded { return finishExchange(exchange) }
        awaitRequestEnd(exchange)
    }

    private static var plainText: StaticString { "text/plain; charset=utf-8" }
}
