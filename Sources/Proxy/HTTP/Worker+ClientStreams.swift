import Buffers
import EventLoop
import HTTP
import Model
import Syscalls

/// Requests of one client connection of many streams: from its bytes to its exchanges.
///
/// As with one exchange, what happens to an exchange never ends its client's session from within.
extension Worker {
    /// A turn of such a connection. Returns the bytes moved. The session may be gone afterwards.
    mutating func serveStreams(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        var moved = 0
        if client.value.io.hasOutput, !client.value.io.isCollecting {
            _ = client.value.io.flush(multiplex, &pool, taken: &moved)
            sent(moved, to: client)
        }
        if client.value.io.isBroken {
            closeClient(client, handle, .broken(by: .client, client.value.io.transport.takeError()), by: .client)
            return moved
        }
        if client.value.state == .lingering { return moved + linger(client, handle) }
        if multiplex.value.isStalled, !client.value.io.isBlocked { resumeStreams(multiplex, pumpsDown: true) }
        moved += serveFrames(client, handle, multiplex)
        guard let client = clients.find(handle), let multiplex = client.value.multiplex?.reference else { return moved }
        if client.value.isClosing, multiplex.value.codec.streamCount == 0 { endStreams(client, handle, multiplex) }
        return moved
    }

    /// No stream is left, and none is to come: once the client knows that, ends.
    private mutating func endStreams(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        leave(client, handle)
        guard multiplex.value.codec.hasSaidLast else { return }
        flushClient()
        flushCollected()
        guard let client = clients.find(handle), !client.value.io.hasOutput, !client.value.io.isBroken else { return }
        endClient(client, handle)
    }

    mutating func receiveFrames(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        var (moved, reads) = (0, 0)
        var share = FrameShare(output: client.value.io.outputCount)
        decodeKeptFrames(client, handle, multiplex, &share)
        while moved < Self.streamBytesMax, reads < Self.streamReadsMax, mayReceiveFrames(client, multiplex),
            client.value.io.input == nil || client.value.needsMoreInput
        {
            reads += 1
            let kept = client.value.io.inputCount
            switch client.value.io.read(into: scratch, &pool) {
            case .bytes(let count):
                moved += count - kept
                received(count - kept, from: client)
                // Valid until the next read into the scratch memory.
                let bytes = unsafe UnsafeRawBufferPointer(scratch.prefix(count))
                let consumed = unsafe decodeFrames(bytes, client, handle, multiplex, &share)
                unsafe client.value.io.keepInput(UnsafeRawBufferPointer(rebasing: bytes[consumed...]), &pool)
                flushAll()
            case .nothing: return moved + share.weight
            case .end:
                // Nobody half-closes here: what its streams still need, more bytes or wider windows, will not come.
                sayLast(client, handle, multiplex)
                abandonStreams(multiplex, .clientReset)
                return moved + share.weight
            case .broken(let error):
                closeClient(client, handle, .broken(by: .client, error), by: .client)
                return moved + share.weight
            }
        }
        return moved + share.weight
    }

    private mutating func decodeKeptFrames(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>,
        _ share: inout FrameShare
    ) {
        guard !client.value.needsMoreInput, mayReceiveFrames(client, multiplex),
            var chunk = client.value.io.input.take()
        else { return }
        // The chunk owns its bytes while they are lent; nothing keeps them.
        let consumed = unsafe chunk.withBytes { unsafe decodeFrames($0, client, handle, multiplex, &share) }
        if consumed < chunk.count {
            chunk.consume(consumed)
            client.value.io.input = consume chunk
        } else {
            pool.give(chunk)
        }
        flushAll()
    }

    /// Whether a byte more of it could be used now. Even while it takes nothing it is read: what it says may be that it
    /// wants to take more. Until the answers to that are too many.
    func mayReceiveFrames(
        _ client: SlabReference<ClientSession>, _ multiplex: SlabReference<Multiplex>
    ) -> Bool {
        client.value.state == .open && client.value.abortReason == nil && client.value.io.hasInput
            && !client.value.io.isBroken && !multiplex.value.isBroken
            && client.value.io.outputCount <= SessionIO.collectedBytesMax
    }

    /// Decodes what there is, or what its share of the turn allows. Returns the bytes consumed.
    private mutating func decodeFrames(
        _ bytes: UnsafeRawBufferPointer, _ client: SlabReference<ClientSession>, _ handle: SlabHandle,
        _ multiplex: SlabReference<Multiplex>, _ share: inout FrameShare
    ) -> Int {
        var offset = 0
        client.value.needsMoreInput = false
        while client.value.abortReason == nil {
            // What the codec answers goes to this client.
            collect(forClient: handle)
            if share.isSpent(output: client.value.io.outputCount + toClient.count) {
                // What is left is ours to do, not the client's to complete.
                client.value.headStartedAt = 0
                break
            }
            // In bounds: the codec consumes no more than it is given; the bytes are lent for the length of the call.
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[offset...])
            let input = unsafe Span<UInt8>(_unsafeBytes: rest)
            let event = multiplex.value.codec.next(input, head: &streamHead, output: &toClient, now: now)
            switch event {
            case .needMoreBytes(let consumed):
                client.value.needsMoreInput = true
                let isUnfinished = consumed < rest.count || multiplex.value.codec.isInBlock
                noteUnfinished(client, handle, isUnfinished: isUnfinished)
                return offset + consumed
            case .violation(let violation):
                multiplex.value.isBroken = true
                countViolation(violation, .client)
                endClientStreams(client, handle, multiplex)
                return bytes.count
            default:
                offset += event.consumedCount
                // A frame has come to its end: the time of the next one is its own.
                if !multiplex.value.codec.isInBlock { client.value.headStartedAt = 0 }
                share.count(event)
                // In bounds: the codec says where in its input a body lies.
                unsafe obey(event, rest, client, handle, multiplex)
            }
        }
        return offset
    }

    /// A frame, or a block of several, has begun and is not complete: it has to be within the time of a head.
    private mutating func noteUnfinished(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, isUnfinished: Bool
    ) {
        guard isUnfinished else {
            client.value.headStartedAt = 0
            return
        }
        guard client.value.headStartedAt == 0 else { return }
        client.value.headStartedAt = now
        lowerTimer(client, handle, to: now + client.value.settings.headerTimeout)
    }

    private mutating func obey(
        _ event: HTTP2Event, _ input: UnsafeRawBufferPointer, _ client: SlabReference<ClientSession>,
        _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        switch event {
        case .head(_, let stream, _, let framing, let isEnd):
            beginStream(client, handle, multiplex, stream, framing, isEnd: isEnd)
        case .data(_, let stream, let tag, let body, let isEnd):
            guard let exchange = exchanges.find(SlabHandle(bits: tag)) else {
                return multiplex.value.codec.release(body.count, of: stream, into: &toClient)
            }
            // In bounds: the codec says where in its input the body lies.
            unsafe requestBodyReceived(exchange, UnsafeRawBufferPointer(rebasing: input[body]), isLast: isEnd)
            if isEnd { streamRequestEnded(tag) }
        case .trailers(_, _, let tag):
            guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { return }
            swap(&exchange.value.heads.reference.value.requestTrailers, &streamHead)
            requestEnded(exchange)
        case .reset(_, _, let tag, _, let isOurs):
            let violation = isOurs ? multiplex.value.codec.streamViolation : nil
            if let violation { countViolation(violation, .client) }
            guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { return }
            if let violation {
                exchange.value.record.flags.add(.badRequest)
                exchange.value.detail = violation.kind.label
            }
            abandon(exchange.value.id, .clientReset)
        case .windowOpened(_, let stream, let tag):
            noteOpened(stream, tag, multiplex)
        case .goAway:
            // It begins no more streams.
            client.value.isClosing = true
        case .consumed, .needMoreBytes, .violation: break
        }
    }

    /// It may have been answered, and so be gone, by its last bytes.
    private mutating func streamRequestEnded(_ tag: UInt64) {
        guard let exchange = exchanges.find(SlabHandle(bits: tag)), !exchange.value.requestEnded else { return }
        requestEnded(exchange)
    }

    private mutating func beginStream(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>,
        _ stream: UInt32, _ framing: BodyFraming, isEnd: Bool
    ) {
        guard multiplex.value.headBytes < Multiplex.headBytesMax else {
            countViolation(HTTP2Violation(.tooManyStreams), .client)
            return multiplex.value.codec.reset(stream, .refusedStream, into: &toClient)
        }
        let exchange = beginExchange(client, handle, stream: stream)
        // Whatever of the exchange is still under way when both sides of the stream have ended goes with the connection.
        multiplex.value.codec.setTag(stream, exchange.value.id.bits, isKept: true)
        swap(&exchange.value.heads.reference.value.request, &streamHead)
        keepHead(exchange, multiplex)
        exchange.value.requestEnded = isEnd
        var meaning = RequestMeaning(framing: framing, version: .http2)
        meaning.expectsTunnel = exchange.value.heads.reference.value.request.method == .connect
        gatherIfBusy(client, handle, multiplex)
        requestHeadReceived(exchange, client, meaning)
    }

    /// The client breaks the protocol: it has been told, its requests end, the connection ends.
    private mutating func endClientStreams(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        client.value.isClosing = true
        abandonStreams(multiplex, .clientReset)
        flushClient()
        enqueue(client, handle)
    }

    /// All exchanges of the connection end.
    mutating func abandonStreams(_ multiplex: SlabReference<Multiplex>, _ reason: EndReason) {
        for tag in tags(of: multiplex) where exchanges.find(SlabHandle(bits: tag)) != nil {
            abandon(SlabHandle(bits: tag), reason)
        }
    }

    /// The tags of its streams: a copy, because what is done with them changes the streams. Only where a connection's
    /// state changes, not for requests.
    func tags(of multiplex: SlabReference<Multiplex>) -> [UInt64] {
        var tags: [UInt64] = []
        multiplex.value.codec.forEachStream { _, tag in if tag != 0 { tags.append(tag) } }
        return tags
    }

    /// A stream's exchange is over. What is left of the stream ends.
    mutating func finishStream(
        _ stream: UInt32, _ client: SlabReference<ClientSession>, _ handle: SlabHandle,
        _ multiplex: SlabReference<Multiplex>
    ) {
        collect(forClient: handle)
        multiplex.value.codec.reset(stream, .cancel, into: &toClient)
        client.value.lastActivity = now
        guard multiplex.value.codec.streamCount == 0 else { return }
        let timeout = client.value.settings.keepAliveTimeout
        lowerTimer(client, handle, to: now + (isDraining ? min(timeout, Self.drainIdleNanoseconds) : timeout))
        if client.value.isClosing { enqueue(client, handle) }
    }
}
