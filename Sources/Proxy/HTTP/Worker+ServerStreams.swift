import Buffers
import EventLoop
import HTTP
import Model
import Syscalls

/// Responses of one upstream connection of many streams: from its bytes to its exchanges.
extension Worker {
    /// A turn of such a connection. Returns the bytes moved. The session may be gone afterwards.
    mutating func serveStreams(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        if settingsTimedOut(server, handle, multiplex) { return 0 }
        var moved = 0
        if server.value.io.hasOutput, !server.value.io.isCollecting {
            _ = server.value.io.flush(multiplex, &pool, taken: &moved)
            sent(moved, to: server)
        }
        if multiplex.value.isStalled, !server.value.io.isBlocked { resumeStreams(multiplex, pumpsDown: false) }
        moved += receiveFrames(server, handle, multiplex)
        guard let server = servers.find(handle) else {
            opened.removeAll(keepingCapacity: true)
            return moved
        }
        resumeOpened(multiplex, pumpsDown: false)
        if server.value.io.isBroken, !server.value.io.isReadable { streamsBroken(server, handle, multiplex) }
        return moved
    }

    private mutating func receiveFrames(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        var (moved, reads) = (0, 0)
        while moved < Self.streamBytesMax, reads < Self.streamReadsMax, servers.find(handle) != nil,
            mayReceiveFrames(server)
        {
            reads += 1
            let kept = server.value.io.inputCount
            switch server.value.io.read(into: scratch, &pool) {
            case .bytes(let count):
                moved += count - kept
                server.value.lastActivity = now
                // Valid until the next read into the scratch memory.
                let bytes = unsafe UnsafeRawBufferPointer(scratch.prefix(count))
                let consumed = unsafe decodeFrames(bytes, server, handle, multiplex)
                if servers.find(handle) != nil {
                    unsafe server.value.io.keepInput(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), &pool)
                }
                flushAll()
            case .nothing: return moved
            case .end, .broken:
                streamsBroken(server, handle, multiplex)
                return moved
            }
        }
        return moved
    }

    /// Whether a byte more of it could be used now: what its streams' clients do not take is bounded by windows.
    func mayReceiveFrames(_ server: SlabReference<ServerSession>) -> Bool {
        server.value.state != .connecting && server.value.io.isReadable && !server.value.io.inputEnded
            && server.value.io.outputCount <= SessionIO.collectedBytesMax
    }

    private mutating func decodeFrames(
        _ bytes: UnsafeRawBufferPointer, _ server: SlabReference<ServerSession>, _ handle: SlabHandle,
        _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        var offset = 0
        while servers.find(handle) != nil {
            // What the codec answers goes to this server.
            collect(forServer: handle)
            // In bounds: the codec consumes no more than it is given; the bytes are lent for the length of the call.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let input = unsafe Span<UInt8>(_unsafeBytes: rest)
            let event = multiplex.value.codec.next(input, head: &streamHead, output: &toServer, now: now)
            switch event {
            case .needMoreBytes(let consumed): return offset + consumed
            case .violation(let violation):
                countViolation(violation, .endpoint)
                flushServer()
                flushCollected()
                failStreams(handle, .protocolError)
                return bytes.count
            default:
                offset += event.consumedCount
                unsafe obey(event, rest, server, handle, multiplex)
            }
        }
        return bytes.count
    }

    private mutating func obey(
        _ event: HTTP2Event, _ input: UnsafeRawBufferPointer, _ server: SlabReference<ServerSession>,
        _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        switch event {
        case .head(_, let stream, let tag, let framing, let isEnd):
            guard let exchange = findExchange(tag, of: handle, stream) else { return }
            swap(&exchange.value.heads.reference.value.response, &streamHead)
            // Nothing lies behind a head but other streams' frames.
            let none = unsafe UnsafeRawBufferPointer(start: nil, count: 0)
            let meaning = ResponseMeaning(framing: framing, isEnd: isEnd)
            unsafe responseHeadReceived(exchange, server, handle, meaning, after: none)
            if isEnd { streamResponseEnded(tag, handle, stream) }
        case .data(_, let stream, let tag, let body, let isEnd):
            guard let exchange = findExchange(tag, of: handle, stream) else {
                return multiplex.value.codec.release(body.count, of: stream, into: &toServer)
            }
            // In bounds: the codec says where in its input the body lies.
            unsafe responseBodyReceived(exchange, UnsafeRawBufferPointer(rebasing: input[body]), isLast: isEnd)
            if isEnd { streamResponseEnded(tag, handle, stream) }
        case .trailers(_, let stream, let tag):
            guard let exchange = findExchange(tag, of: handle, stream) else { return }
            swap(&exchange.value.heads.reference.value.responseTrailers, &streamHead)
            streamResponseEnded(tag, handle, stream)
        case .reset(_, let stream, let tag, let code, let isOurs):
            let violation = isOurs ? multiplex.value.codec.streamViolation : nil
            if let violation { countViolation(violation, .endpoint) }
            guard let exchange = findExchange(tag, of: handle, stream) else { return }
            if let violation { exchange.value.detail = violation.kind.label }
            streamReset(exchange, code, isOurs: isOurs)
        case .windowOpened(_, let stream, let tag):
            noteOpened(stream, tag, multiplex)
            if stream == 0 { settingsReceived(server, handle, multiplex) }
        case .goAway(_, let last, _): serverGoesAway(server, handle, multiplex, last: last)
        case .consumed: settingsReceived(server, handle, multiplex)
        case .needMoreBytes, .violation: break
        }
    }

    /// The exchange of a stream, as long as this is the stream it has: another attempt may be on the same connection.
    private func findExchange(_ tag: UInt64, of handle: SlabHandle, _ stream: UInt32) -> SlabReference<Exchange>? {
        guard let exchange = exchanges.find(SlabHandle(bits: tag)), exchange.value.server == handle,
            exchange.value.serverStream == stream
        else { return nil }
        return exchange
    }

    /// It may have been given up, and so be another attempt's or gone, by its head.
    private mutating func streamResponseEnded(_ tag: UInt64, _ handle: SlabHandle, _ stream: UInt32) {
        guard let exchange = findExchange(tag, of: handle, stream), !exchange.value.responseEnded else { return }
        responseEnded(exchange)
    }

    private mutating func streamReset(_ exchange: SlabReference<Exchange>, _ code: UInt32, isOurs: Bool) {
        if isOurs { return upstreamFailed(exchange, .protocolError) }
        if isTimeOver(exchange) { return upstreamFailed(exchange, .timeout) }
        if code == HTTP2ErrorCode.refusedStream.rawValue { return upstreamFailed(exchange, .refused) }
        // RFC 9113 8.1: all has been said, and the rest of the request is not wanted.
        if code == HTTP2ErrorCode.noError.rawValue, exchange.value.responseEnded {
            if exchange.value.isTunnel { tunnelRefusesMore(exchange) }
            return
        }
        upstreamFailed(exchange, .reset)
    }

    /// GOAWAY: no more streams, and those above `last` have not been looked at.
    private mutating func serverGoesAway(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>,
        last: UInt32
    ) {
        stopSharing(server, handle, multiplex)
        for tag in tags(of: multiplex) {
            guard let exchange = exchanges.find(SlabHandle(bits: tag)), exchange.value.serverStream > last else {
                continue
            }
            upstreamFailed(exchange, last == 0 ? .turnedAway : .goneAway)
        }
        guard servers.find(handle) != nil, multiplex.value.codec.streamCount == 0 else { return }
        closeServer(handle)
    }

    /// FIN or an error, after all that came before it has been decoded.
    private mutating func streamsBroken(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        let error = server.value.io.transport.takeError()
        failStreams(handle, error?.isVanishedPeer == true ? .vanished : .reset)
        flushAll()
    }

    /// The connection is of no more use: it closes, and all its exchanges learn why.
    mutating func failStreams(_ handle: SlabHandle, _ failure: UpstreamFailure) {
        guard let server = servers.find(handle), let multiplex = server.value.multiplex?.reference else { return }
        stopSharing(server, handle, multiplex)
        let tags = tags(of: multiplex)
        let waiters = multiplex.value.waiters
        closeServer(handle)
        for tag in tags + waiters.map(\.bits) {
            guard let exchange = exchanges.find(SlabHandle(bits: tag)), exchange.value.server == handle else {
                continue
            }
            upstreamFailed(exchange, failure)
        }
    }
}
