import Buffers

/// HEADERS and CONTINUATION (RFC 9113 6.2, 6.10): requests, responses, trailers.
extension HTTP2Session {
    mutating func readHeaders(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ head: inout MessageHead, _ output: inout OutputBuffer,
        _ now: Int64
    ) -> HTTP2Event {
        // No stream of a server's own: nobody pushes.
        if frame.stream & 1 == 0 { return fail(.streamIdentifier, &output) }
        if role == .client && frame.stream >= ids.nextOwn { return fail(.idleStream, &output) }
        var start = 0
        var end = payload.count
        if frame.has(HTTP2Frame.Flag.padded) {
            guard end > 0 else { return fail(.frameSize, &output) }
            end &-= Int(payload[0])
            start = 1
        }
        if frame.has(HTTP2Frame.Flag.priority) {
            guard payload.count >= start &+ 5 else { return fail(.frameSize, &output) }
            start &+= 5
        }
        guard start <= end else { return fail(.padding, &output) }
        let isEnd = frame.has(HTTP2Frame.Flag.endStream)
        let fragment = payload.extracting(start..<end)
        if frame.has(HTTP2Frame.Flag.endHeaders) {
            return finishBlock(frame.stream, fragment, isEnd: isEnd, consumed: frame.size, &head, &output, now)
        }
        block.stream = frame.stream
        block.isEnd = isEnd
        block.frames = 0
        return gather(fragment, consumed: frame.size, &output, now)
    }

    mutating func readContinuation(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ head: inout MessageHead, _ output: inout OutputBuffer,
        _ now: Int64
    ) -> HTTP2Event {
        guard block.isOpen else { return fail(.brokenHeaderBlock, &output) }
        block.frames += 1
        guard block.frames <= limits.continuationFrames else { return fail(.continuationFlood, &output) }
        let event = gather(payload, consumed: frame.size, &output, now)
        guard frame.has(HTTP2Frame.Flag.endHeaders), state != .failed else { return event }
        // Taken out, so that its memory goes, too.
        let gathered = block
        block = HTTP2HeaderBlock()
        return finishBlock(
            gathered.stream, gathered.bytes.span, isEnd: gathered.isEnd, consumed: frame.size, &head, &output, now)
    }

    /// Keeps a fragment of a block that goes on.
    private mutating func gather(
        _ fragment: Span<UInt8>, consumed: Int, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if fragment.isEmpty && !gates.emptyFrames.passes(limits.emptyFrames, now: now) {
            return fail(.emptyFrameFlood, &output)
        }
        guard block.bytes.count + fragment.count <= limits.headerBytes else { return fail(.continuationFlood, &output) }
        for index in fragment.indices { block.bytes.append(fragment[index]) }
        return .consumed(consumed)
    }

    /// A whole block: decoded whatever becomes of it, because the table must stay as the peer has it.
    private mutating func finishBlock(
        _ id: UInt32, _ bytes: Span<UInt8>, isEnd: Bool, consumed: Int, _ head: inout MessageHead,
        _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        let slot = streams.find(id)
        if slot < 0 {
            if role == .server && id > ids.highestPeer {
                return readRequest(id, bytes, isEnd: isEnd, consumed: consumed, &head, &output, now)
            }
            return readStray(id, bytes, consumed: consumed, &head, &output, now)
        }
        let kind = sectionKind(streams[slot])
        var section = FieldSection(
            kind, bytes: kind == .trailers ? limits.trailerBytes : limits.headerBytes, count: limits.headerCount)
        head.removeAll()
        guard decoder.decode(bytes, &section, into: &head) else { return fail(.compression, &output) }
        switch kind {
        case .response: return finishResponse(slot, &section, isEnd: isEnd, consumed: consumed, &head, &output, now)
        case .trailers: return finishTrailers(slot, &section, isEnd: isEnd, consumed: consumed, &head, &output, now)
        case .request, .ignored:
            return refuse(id, slot, .closedStream, isEnd: isEnd, consumed: consumed, &output, now)
        }
    }

    /// What a field section is that comes on this stream now.
    private func sectionKind(_ stream: HTTP2Stream) -> FieldSection.Kind {
        if stream.has(.remoteEnded) { return .ignored }
        return stream.has(.headReceived) ? .trailers : .response
    }

    /// A block for a stream that is not there any more.
    private mutating func readStray(
        _ id: UInt32, _ bytes: Span<UInt8>, consumed: Int, _ head: inout MessageHead, _ output: inout OutputBuffer,
        _ now: Int64
    ) -> HTTP2Event {
        guard ids.mayBeInFlight(id) else {
            let wasUsed = role == .client || ids.wasUsed(id)
            return fail(wasUsed ? .closedStream : .streamIdentifier, &output)
        }
        var section = FieldSection(.ignored, bytes: limits.headerBytes, count: limits.headerCount)
        head.removeAll()
        guard decoder.decode(bytes, &section, into: &head) else { return fail(.compression, &output) }
        return judgeLate(bytes: 0, &output, now) ?? .consumed(consumed)
    }

    // MARK: - messages

    private mutating func readRequest(
        _ id: UInt32, _ bytes: Span<UInt8>, isEnd: Bool, consumed: Int, _ head: inout MessageHead,
        _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        ids.use(id)
        // RFC 9113 6.8: it was told.
        if id > ids.lastAccepted {
            if !isEnd { ids.expectLate(bytes: flow.streamWindow, frames: 0) }
            return readStray(id, bytes, consumed: consumed, &head, &output, now)
        }
        let isOne = streams.count < limits.concurrentStreams
        var section = FieldSection(isOne ? .request : .ignored, bytes: limits.headerBytes, count: limits.headerCount)
        head.removeAll()
        guard decoder.decode(bytes, &section, into: &head) else { return fail(.compression, &output) }
        if !isOne { section.fail(.tooManyStreams) }
        let length = section.problem == nil ? section.judgeRequest(&head, limits) : nil
        if isEnd, let length, length > 0 { section.fail(.contentLength) }
        if let kind = section.problem {
            return refuse(id, -1, kind, isEnd: isEnd, consumed: consumed, &output, now)
        }
        ids.lastProcessed = id
        let slot = addStream(id, tag: 0)
        streams[slot].set(.headReceived)
        if isEnd {
            streams[slot].set(.remoteEnded)
        } else if let length {
            streams[slot].lengthLeft = Int64(length)
        }
        return .head(consumed: consumed, stream: id, tag: 0, framing: Self.framing(length, isEnd), isEnd: isEnd)
    }

    private mutating func finishResponse(
        _ slot: Int, _ section: inout FieldSection, isEnd: Bool, consumed: Int, _ head: inout MessageHead,
        _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        let stream = streams[slot]
        var length = section.problem == nil ? section.judgeResponse(&head, limits) : nil
        let isInterim = head.status < 200
        if isInterim {
            if isEnd { section.fail(.interimWithEnd) }
            if Int(stream.interimResponses) >= limits.interimResponses { section.fail(.tooManyInterimResponses) }
        }
        // RFC 9110 6.4.1: these have no content, whatever they say.
        let isEmpty = stream.has(.isHead) || head.status == 204 || head.status == 304
        if isInterim || isEmpty || (stream.has(.isConnect) && head.status / 100 == 2) { length = nil }
        if isEnd, let length, length > 0 { section.fail(.contentLength) }
        if let kind = section.problem {
            return refuse(stream.id, slot, kind, isEnd: isEnd, consumed: consumed, &output, now)
        }
        if isInterim {
            streams[slot].interimResponses &+= 1
            return .head(consumed: consumed, stream: stream.id, tag: stream.tag, framing: .none, isEnd: false)
        }
        streams[slot].set(.headReceived)
        if isEnd {
            end(slot, &output)
        } else if isEmpty {
            streams[slot].lengthLeft = 0
        } else if let length {
            streams[slot].lengthLeft = Int64(length)
        }
        let framing = Self.framing(length, isEnd || isEmpty)
        return .head(consumed: consumed, stream: stream.id, tag: stream.tag, framing: framing, isEnd: isEnd)
    }

    private mutating func finishTrailers(
        _ slot: Int, _ section: inout FieldSection, isEnd: Bool, consumed: Int, _ head: inout MessageHead,
        _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        let stream = streams[slot]
        if !isEnd { section.fail(.unexpectedHeaders) }
        if stream.lengthLeft > 0 { section.fail(.contentLength) }
        if let kind = section.problem {
            return refuse(stream.id, slot, kind, isEnd: isEnd, consumed: consumed, &output, now)
        }
        end(slot, &output)
        return .trailers(consumed: consumed, stream: stream.id, tag: stream.tag)
    }

    /// The peer has ended its side.
    private mutating func end(_ slot: Int, _ output: inout OutputBuffer) {
        streams[slot].set(.remoteEnded)
        if streams[slot].isClosed { close(slot, &output) }
    }

    private static func framing(_ length: Int?, _ isEmpty: Bool) -> BodyFraming {
        // A length of nothing that was announced is passed on: some servers ask for it.
        if isEmpty { return length == 0 ? .length(0) : .none }
        return length.map(BodyFraming.length) ?? .chunked
    }
}
