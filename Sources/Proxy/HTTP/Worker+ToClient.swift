import Buffers
import EventLoop
import HTTP
import Model

/// What an exchange says to its client, in the words of that connection's codec.
extension Worker {
    /// The response's head, the final one. `framing` is the body's as it came, or is made.
    mutating func sendResponseHead(
        _ exchange: SlabReference<Exchange>, _ client: SlabReference<ClientSession>, _ framing: BodyFraming
    ) {
        if isLeaving(client) { leave(client, exchange.value.client) }
        if let multiplex = client.value.multiplex?.reference {
            return beginResponse(exchange, multiplex, framing)
        }
        // It was promised a word before it would send the body, and gets the final one: nobody knows whether a body follows.
        if exchange.value.expectsContinue, !exchange.value.requestEnded { client.value.isClosing = true }
        let isOld = exchange.value.heads.reference.value.request.minorVersion == 0
        switch framing {
        case .chunked, .untilClose:
            // HTTP/1.0 knows no chunks: the body ends with the connection.
            exchange.value.clientFraming = isOld ? .untilClose : .chunked
            if isOld { client.value.isClosing = true }
        case .none, .length: exchange.value.clientFraming = framing
        }
        collect(forClient: exchange.value.client)
        HTTP1Encoder.response(
            exchange.value.heads.reference.value.response, framing: exchange.value.clientFraming,
            connection: client.value.isClosing ? .close : .keepAlive(announce: isOld), into: &toClient)
    }

    private mutating func beginResponse(
        _ exchange: SlabReference<Exchange>, _ multiplex: SlabReference<Multiplex>, _ framing: BodyFraming
    ) {
        collect(forClient: exchange.value.client)
        exchange.value.clientFraming = framing
        let isEnd = isEmpty(exchange, framing)
        multiplex.value.codec.sendResponse(
            exchange.value.heads.reference.value.response, on: exchange.value.clientStream,
            framing: exchange.value.heads.reference.value.response.described(framing), isEnd: isEnd, into: &toClient)
        exchange.value.endedDown = isEnd
    }

    /// An interim head (1xx).
    mutating func sendInterimHead(_ exchange: SlabReference<Exchange>) {
        guard let client = clients.find(exchange.value.client) else { return }
        collect(forClient: exchange.value.client)
        if let multiplex = client.value.multiplex?.reference {
            multiplex.value.codec.sendResponse(
                exchange.value.heads.reference.value.response, on: exchange.value.clientStream, framing: .none,
                isEnd: false, into: &toClient)
        } else {
            HTTP1Encoder.response(
                exchange.value.heads.reference.value.response, framing: .none, connection: .keepAlive(announce: false),
                into: &toClient)
        }
    }

    /// Body bytes: as many as the client takes now. `isLast`: nothing follows.
    mutating func passDown(
        _ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer, isLast: Bool
    ) -> Int {
        guard bytes.count > 0 else { return 0 }
        // Nobody waits for the body of a mirrored copy.
        guard let client = clients.find(exchange.value.client), !exchange.value.endedDown else { return bytes.count }
        if let multiplex = client.value.multiplex?.reference {
            guard !client.value.io.isBlocked else {
                multiplex.value.isStalled = true
                return 0
            }
            collect(forClient: exchange.value.client)
            let isEnd = isLast && exchange.value.heads.reference.value.responseTrailers.fieldCount == 0
            let taken = unsafe multiplex.value.codec.sendData(
                bytes, on: exchange.value.clientStream, isEnd: isEnd, into: &toClient)
            if isEnd, taken == bytes.count { exchange.value.endedDown = true }
            return taken
        }
        // A server of one exchange is not read while this is so; one of many has to be.
        guard exchange.value.serverStream == 0 || !client.value.io.isBlocked else { return 0 }
        collect(forClient: exchange.value.client)
        guard exchange.value.clientFraming == .chunked else {
            unsafe appendToClient(bytes)
            return bytes.count
        }
        HTTP1Encoder.chunkPrefix(count: bytes.count, into: &toClient)
        unsafe appendToClient(bytes)
        HTTP1Encoder.chunkSuffix(into: &toClient)
        return bytes.count
    }

    /// The client may take more of what is held for it.
    mutating func pumpDown(_ exchange: SlabReference<Exchange>, atMost limit: Int = .max) {
        guard var chunk = exchange.value.heldDown.take() else { return }
        let isLast = exchange.value.responseEnded && chunk.count <= limit
        // The chunk owns its bytes while they are lent.
        let taken = unsafe chunk.withBytes {
            unsafe passDown(exchange, UnsafeRawBufferPointer(rebasing: $0.prefix(limit)), isLast: isLast)
        }
        chunk.consume(taken)
        if taken > 0 { exchange.value.lastActivity = now }
        guard chunk.isEmpty else {
            exchange.value.heldDown = consume chunk
            return releaseResponse(exchange, taken)
        }
        giveHeld(chunk, exchange)
        releaseResponse(exchange, taken)
        if exchange.value.responseEnded { return concludeResponse(exchange) }
        if exchange.value.serverStream == 0 { enqueueServer(exchange.value.server) }
    }

    /// The client is told that the response is over.
    mutating func endResponse(_ exchange: SlabReference<Exchange>) {
        guard !exchange.value.endedDown, let client = clients.find(exchange.value.client) else { return }
        exchange.value.endedDown = true
        if let multiplex = client.value.multiplex?.reference {
            collect(forClient: exchange.value.client)
            multiplex.value.codec.sendTrailers(
                exchange.value.heads.reference.value.responseTrailers, on: exchange.value.clientStream, into: &toClient)
        } else if exchange.value.clientFraming == .chunked {
            collect(forClient: exchange.value.client)
            HTTP1Encoder.lastChunk(trailers: exchange.value.heads.reference.value.responseTrailers, into: &toClient)
        }
    }

    /// So many bytes of a request have been passed on: the client may send as many more.
    mutating func releaseRequest(_ exchange: SlabReference<Exchange>, _ count: Int) {
        guard count > 0, exchange.value.clientStream != 0 else { return }
        let again = min(count, exchange.value.replayed)
        exchange.value.replayed -= again
        guard count > again, let multiplex = clients.find(exchange.value.client)?.value.multiplex?.reference else {
            return
        }
        collect(forClient: exchange.value.client)
        multiplex.value.codec.release(count - again, of: exchange.value.clientStream, into: &toClient)
    }

    /// What the client has of the response must not be taken for all of it.
    mutating func cutOffClient(_ exchange: SlabReference<Exchange>, _ code: HTTP2ErrorCode, _ reason: EndReason) {
        let id = exchange.value.client
        guard let client = clients.find(id) else { return }
        if let multiplex = client.value.multiplex?.reference {
            collect(forClient: id)
            return multiplex.value.codec.reset(exchange.value.clientStream, code, into: &toClient)
        }
        flushClient()
        client.value.abortReason = reason
        enqueue(client, id)
    }
}
