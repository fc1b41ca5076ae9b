import Buffers
import EventLoop
import HTTP
import Model

/// What an exchange says to its upstream, in the words of that connection's codec.
extension Worker {
    /// The request's head. False: a connection of streams has no place for another one.
    mutating func beginRequest(_ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>) -> Bool {
        if let multiplex = server.value.multiplex?.reference {
            return beginStream(exchange, server, multiplex)
        }
        server.value.bytesSent = 0
        if exchange.value.awaitsTunnel { askForUpgrade(exchange) }
        server.value.decoder.expectResponse(
            toHead: exchange.value.heads.reference.value.request.method == .head,
            toConnect: exchange.value.heads.reference.value.request.method == .connect,
            toUpgrade: exchange.value.wantsUpgrade)
        collect(forServer: exchange.value.server)
        HTTP1Encoder.request(
            exchange.value.heads.reference.value.request, framing: exchange.value.requestFraming,
            upgrade: exchange.value.wantsUpgrade, into: &toServer)
        return true
    }

    private mutating func beginStream(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>,
        _ multiplex: SlabReference<Multiplex>
    ) -> Bool {
        if exchange.value.clientStream == 0 { askForStream(exchange) }
        guard let stream = multiplex.value.codec.open(tag: exchange.value.id.bits) else { return false }
        exchange.value.serverStream = stream
        collect(forServer: exchange.value.server)
        let isEnd = exchange.value.requestFraming == .none || exchange.value.requestFraming == .length(0)
        multiplex.value.codec.sendRequest(
            exchange.value.heads.reference.value.request, on: stream, framing: exchange.value.requestFraming,
            isEnd: isEnd, into: &toServer)
        exchange.value.endedUp = isEnd
        return true
    }

    /// Body bytes: as many as the upstream takes now. `isLast`: nothing follows.
    mutating func passUp(
        _ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer, isLast: Bool
    ) -> Int {
        guard let server = servers.find(exchange.value.server), bytes.count > 0 else { return 0 }
        // A server of HTTP/1 would take what comes before it has agreed for another request.
        guard !exchange.value.awaitsTunnel || exchange.value.serverStream != 0 else { return 0 }
        let taken: Int
        if let multiplex = server.value.multiplex?.reference {
            guard !server.value.io.isBlocked else {
                multiplex.value.isStalled = true
                return 0
            }
            collect(forServer: exchange.value.server)
            let isEnd = isLast && exchange.value.heads.reference.value.requestTrailers.fieldCount == 0
            taken = unsafe multiplex.value.codec.sendData(
                bytes, on: exchange.value.serverStream, isEnd: isEnd, into: &toServer)
            if isEnd, taken == bytes.count { exchange.value.endedUp = true }
        } else {
            // A client of one exchange is not read while this is so; one of many has to be.
            guard exchange.value.clientStream == 0 || !server.value.io.isBlocked else { return 0 }
            taken = bytes.count
            unsafe encodeBody(exchange, bytes)
        }
        exchange.value.passedOn += taken
        // In bounds: no more is taken than was offered.
        let sent = unsafe UnsafeRawBufferPointer(rebasing: bytes[..<taken])
        if exchange.value.keepsReplay { unsafe keepForReplay(exchange, sent) }
        return taken
    }

    private mutating func encodeBody(_ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer) {
        collect(forServer: exchange.value.server)
        guard exchange.value.requestFraming == .chunked else { return unsafe appendToServer(bytes) }
        HTTP1Encoder.chunkPrefix(count: bytes.count, into: &toServer)
        unsafe appendToServer(bytes)
        HTTP1Encoder.chunkSuffix(into: &toServer)
    }

    /// The upstream may take more of what is held for it.
    mutating func pumpUp(_ exchange: SlabReference<Exchange>, atMost limit: Int = .max) {
        guard exchange.value.phase == .open, var chunk = exchange.value.heldUp.take() else { return }
        let isLast = exchange.value.requestEnded && chunk.count <= limit
        // The chunk owns its bytes while they are lent.
        let taken = unsafe chunk.withBytes {
            unsafe passUp(exchange, UnsafeRawBufferPointer(rebasing: $0.prefix(limit)), isLast: isLast)
        }
        chunk.consume(taken)
        guard chunk.isEmpty else {
            exchange.value.heldUp = consume chunk
            return releaseRequest(exchange, taken)
        }
        giveHeld(chunk, exchange)
        releaseRequest(exchange, taken)
        if exchange.value.requestEnded { return finishRequest(exchange) }
        if exchange.value.clientStream == 0 { enqueueClient(exchange.value.client) }
    }

    /// All of the request has been received; if all of it has been taken, too, the upstream is told that it is over.
    mutating func finishRequest(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.heldUp == nil, !exchange.value.requestSent else { return }
        collect(forServer: exchange.value.server)
        if exchange.value.serverStream != 0 {
            endStream(exchange)
        } else if exchange.value.isTunnel || exchange.value.awaitsTunnel {
            guard exchange.value.isTunnel, finishTunnelUp(exchange) else { return }
        } else if exchange.value.requestFraming == .chunked {
            HTTP1Encoder.lastChunk(trailers: exchange.value.heads.reference.value.requestTrailers, into: &toServer)
        }
        exchange.value.requestSent = true
        exchange.value.lastActivity = now
        mirror(exchange)
        if exchange.value.responseEnded { finishExchange(exchange) }
    }

    private mutating func endStream(_ exchange: SlabReference<Exchange>) {
        guard !exchange.value.endedUp, let multiplex = servers.find(exchange.value.server)?.value.multiplex?.reference
        else { return }
        exchange.value.endedUp = true
        multiplex.value.codec.sendTrailers(
            exchange.value.heads.reference.value.requestTrailers, on: exchange.value.serverStream, into: &toServer)
    }

    /// So many bytes of a response have been passed on: the server may send as many more.
    mutating func releaseResponse(_ exchange: SlabReference<Exchange>, _ count: Int) {
        guard count > 0, exchange.value.serverStream != 0,
            let multiplex = servers.find(exchange.value.server)?.value.multiplex?.reference
        else { return }
        collect(forServer: exchange.value.server)
        multiplex.value.codec.release(count, of: exchange.value.serverStream, into: &toServer)
    }

    /// Keeps body bytes for another attempt, as far as the limit allows.
    private mutating func keepForReplay(_ exchange: SlabReference<Exchange>, _ bytes: UnsafeRawBufferPointer) {
        let limit = exchange.value.replayMax
        let before = SessionIO.capacity(exchange.value.replay)
        var chunk = exchange.value.replay.take() ?? pool.take(min(limit, ChunkPool.sizeMin))
        guard chunk.count + bytes.count <= limit else {
            pool.give(chunk)
            exchange.value.keepsReplay = false
            return keep(-before, exchange)
        }
        if chunk.room < bytes.count { chunk = grown(chunk, by: bytes.count) }
        unsafe chunk.append(bytes)
        if chunk.capacity != before { keep(chunk.capacity - before, exchange) }
        exchange.value.replay = consume chunk
    }
}
