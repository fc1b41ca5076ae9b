import Buffers
import EventLoop
import HTTP
import Model
import Syscalls

/// Requests of one client connection: from its bytes to its exchange.
///
/// What happens to an exchange never ends its client's session from within: it marks it, and the session's own turn ends
/// it. So a reference to the session is good for the length of its turn.
extension Worker {
    /// One connection's share of a turn.
    private static let clientBytesMax = 256 << 10
    private static let clientReadsMax = 64
    /// Answers collected for a client before they are sent: a read may hold thousands of pipelined requests.
    private static let collectedBytesMax = 64 << 10

    /// A turn of one client connection. Returns the bytes moved. The session may be gone afterwards.
    mutating func serveClient(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) -> Int {
        if let reason = client.value.abortReason {
            closeClient(client, handle, reason, by: .proxy)
            return 0
        }
        if let multiplex = client.value.multiplex?.reference { return serveStreams(client, handle, multiplex) }
        var moved = 0
        let hadOutput = client.value.io.hasOutput
        if hadOutput, client.value.io.flush(&pool, taken: &moved) == nil, !client.value.io.hasOutput {
            // What was produced for it has been taken: its exchange's upstream may go on.
            if let exchange = exchanges.find(client.value.exchange) { resumeResponse(exchange) }
        }
        sent(moved, to: client)
        if client.value.io.isBroken {
            closeClient(client, handle, .broken(by: .client, client.value.io.transport.takeError()), by: .client)
            return moved
        }
        if client.value.state == .lingering { return moved + linger(client, handle) }
        moved += receiveRequests(client, handle)
        guard let client = clients.find(handle) else { return moved }
        if client.value.isClosing, client.value.exchange.isNone, !client.value.io.hasOutput {
            endClient(client, handle)
        }
        return moved
    }

    private mutating func receiveRequests(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) -> Int {
        var (moved, reads) = (0, 0)
        decodeKept(client, handle)
        if let multiplex = client.value.multiplex?.reference { return serveFrames(client, handle, multiplex) }
        while moved < Self.clientBytesMax, reads < Self.clientReadsMax, mayReceive(client) {
            reads += 1
            let kept = client.value.io.inputCount
            switch client.value.io.read(into: scratch, &pool) {
            case .bytes(let count):
                moved += count - kept
                received(count - kept, from: client)
                // Valid until the next read into the scratch memory.
                let bytes = unsafe UnsafeRawBufferPointer(scratch.prefix(count))
                if client.value.isUndecided, unsafe !decideProtocol(bytes, client, handle) {
                    unsafe client.value.io.keepInput(bytes, &pool)
                    guard let multiplex = client.value.multiplex?.reference else { continue }
                    return moved + serveFrames(client, handle, multiplex)
                }
                let consumed = unsafe decodeRequests(bytes, client, handle)
                unsafe client.value.io.keepInput(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), &pool)
                flushAll()
            case .nothing: return moved
            case .end:
                clientEnded(client, handle)
                return moved
            case .broken(let error):
                closeClient(client, handle, .broken(by: .client, error), by: .client)
                return moved
            }
        }
        return moved
    }

    /// Decodes what was kept, unless it is known to be too little.
    private mutating func decodeKept(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        if client.value.io.input == nil, client.value.decoder.isFinished, mayReceive(client) {
            // The last bytes of the body had to wait, and nothing has come behind them.
            _ = unsafe decodeRequests(UnsafeRawBufferPointer(start: nil, count: 0), client, handle)
            return flushAll()
        }
        guard client.value.io.input != nil, !client.value.needsMoreInput, mayReceive(client),
            var chunk = client.value.io.input.take()
        else { return }
        // The chunk owns its bytes while they are lent; nothing keeps them.
        if client.value.isUndecided, unsafe !chunk.withBytes({ unsafe decideProtocol($0, client, handle) }) {
            client.value.io.input = consume chunk
            return
        }
        let consumed = unsafe chunk.withBytes { unsafe decodeRequests($0, client, handle) }
        if consumed < chunk.count {
            chunk.consume(consumed)
            client.value.io.input = consume chunk
        } else {
            pool.give(chunk)
        }
        flushAll()
    }

    /// Whether a byte more of it could be used now: nothing it has to take first, and its exchange takes the request.
    func mayReceive(_ client: SlabReference<ClientSession>) -> Bool {
        guard client.value.state == .open, !client.value.io.hasOutput,
            client.value.io.hasInput || client.value.decoder.isFinished
        else { return false }
        guard let exchange = exchanges.find(client.value.exchange) else { return !client.value.isClosing }
        return takesRequest(exchange)
    }

    /// Decodes what there is until it needs more bytes or the exchange cannot take more. Returns the bytes consumed.
    private mutating func decodeRequests(
        _ bytes: UnsafeRawBufferPointer, _ client: SlabReference<ClientSession>, _ handle: SlabHandle
    ) -> Int {
        var offset = 0
        client.value.needsMoreInput = false
        while !client.value.needsMoreInput, toClient.count < Self.collectedBytesMax {
            if client.value.exchange.isNone {
                guard offset < bytes.count, !client.value.isClosing, !client.value.io.hasOutput else { break }
                client.value.headStartedAt = now
                client.value.exchange = beginExchange(client, handle).value.id
            }
            guard let exchange = exchanges.find(client.value.exchange), takesRequest(exchange) else { break }
            // In bounds: the decoder consumes no more than it is given.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            if exchange.value.isTunnel {
                unsafe requestBodyReceived(exchange, rest)
                return bytes.count
            }
            guard let consumed = unsafe decodeRequest(rest, client, exchange) else { return bytes.count }
            offset += consumed
        }
        return offset
    }

    /// One event. Returns the bytes it took; nil: what follows means nothing.
    private mutating func decodeRequest(
        _ bytes: UnsafeRawBufferPointer, _ client: SlabReference<ClientSession>, _ exchange: SlabReference<Exchange>
    ) -> Int? {
        // The bytes are lent for the length of the call.
        let input = unsafe Span<UInt8>(_unsafeBytes: bytes)
        let event = client.value.decoder.next(
            input, head: &exchange.value.heads.reference.value.request,
            trailers: &exchange.value.heads.reference.value.requestTrailers)
        switch event {
        case .needMoreBytes(let consumed):
            client.value.needsMoreInput = true
            if client.value.headStartedAt > 0 {
                lowerTimer(
                    client, exchange.value.client,
                    to: client.value.headStartedAt + client.value.settings.headerTimeout)
            }
            return consumed
        case .head(let consumed):
            client.value.headStartedAt = 0
            exchange.value.requestEnded = endsWithHead(client, exchange)
            requestHeadReceived(exchange, client, meaning(client, exchange))
            return consumed
        case .data(let consumed, let body):
            // In bounds: the decoder says where in its input the body lies.
            unsafe requestBodyReceived(exchange, UnsafeRawBufferPointer(rebasing: bytes[body]))
            return consumed
        case .end(let consumed):
            requestEnded(exchange)
            return consumed
        case .violation(let violation):
            requestRefused(exchange, client, violation)
            return nil
        }
    }

    private func meaning(
        _ client: SlabReference<ClientSession>, _ exchange: SlabReference<Exchange>
    ) -> RequestMeaning {
        RequestMeaning(
            framing: client.value.decoder.framing,
            version: exchange.value.heads.reference.value.request.minorVersion == 0 ? .http10 : .http11,
            upgrade: client.value.decoder.upgrade, expectsContinue: client.value.decoder.expectsContinue,
            keepsAlive: client.value.decoder.keepsAlive)
    }

    /// Whether the request that has just begun has no body: then its end is taken with its head.
    private func endsWithHead(
        _ client: SlabReference<ClientSession>, _ exchange: SlabReference<Exchange>
    ) -> Bool {
        guard client.value.decoder.framing == .none || client.value.decoder.framing == .length(0) else { return false }
        let event = client.value.decoder.next(
            Span(), head: &exchange.value.heads.reference.value.request,
            trailers: &exchange.value.heads.reference.value.requestTrailers)
        if case .end = event { return true }
        return false
    }

    /// FIN: nothing more will come. A client that waits for its response may half-close.
    private mutating func clientEnded(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        client.value.isClosing = true
        guard let exchange = exchanges.find(client.value.exchange) else {
            // Nothing under way: the turn's end closes.
            return
        }
        if exchange.value.isTunnel { return requestEnded(exchange) }
        if !exchange.value.requestEnded { closeClient(client, handle, .clientReset, by: .client) }
    }
}
