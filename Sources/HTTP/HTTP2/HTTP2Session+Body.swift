import Buffers

/// DATA (RFC 9113 6.1): passed on as it comes, and what it takes of the windows.
extension HTTP2Session {
    mutating func readData(
        _ frame: HTTP2Frame, _ input: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream == 0 { return fail(.streamIdentifier, &output) }
        var start = HTTP2Frame.headerSize
        var padding = 0
        if frame.has(HTTP2Frame.Flag.padded) {
            guard frame.length > 0 else { return fail(.frameSize, &output) }
            guard input.count > start else { return .needMoreBytes(consumed: 0) }
            padding = Int(input[start])
            start &+= 1
            guard padding < frame.length else { return fail(.padding, &output) }
        }
        guard frame.length <= flow.receiveWindow else { return fail(.flowControl, &output) }
        let isEnd = frame.has(HTTP2Frame.Flag.endStream)
        let size = frame.size &- start &- padding
        let slot = streams.find(frame.stream)
        if slot < 0 {
            if let event = judgeStray(frame, &output, now) { return event }
        } else if let kind = problem(frame, size, isEnd, streams[slot]) {
            flow.receiveWindow &-= frame.length
            body = HTTP2BodyFrame(stream: frame.stream, isEnd: false, left: size, padding: padding)
            creditConnection(frame.length, &output)
            return refuse(frame.stream, slot, kind, isEnd: isEnd, consumed: start, &output, now)
        }
        if size == 0 && !isEnd && !gates.emptyFrames.passes(limits.emptyFrames, now: now) {
            return fail(.emptyFrameFlood, &output)
        }
        flow.receiveWindow &-= frame.length
        body = HTTP2BodyFrame(stream: frame.stream, isEnd: isEnd, left: size, padding: padding)
        guard slot >= 0 else {
            creditConnection(frame.length, &output)
            return skipBody(input, start)
        }
        announceConnection(&output)
        let overhead = frame.length &- size
        streams[slot].receiveWindow &-= Int32(truncatingIfNeeded: frame.length)
        streams[slot].unreleased &+= UInt32(truncatingIfNeeded: size)
        if streams[slot].lengthLeft >= 0 { streams[slot].lengthLeft &-= Int64(size) }
        if overhead > 0 {
            creditConnection(overhead, &output)
            creditStream(slot, overhead, &output)
        }
        return passBody(input, start, slot, &output)
    }

    /// What is wrong with a frame of `size` body bytes on this stream.
    @inline(__always) private func problem(
        _ frame: HTTP2Frame, _ size: Int, _ isEnd: Bool, _ stream: HTTP2Stream
    ) -> HTTP2Violation.Kind? {
        if stream.has(.remoteEnded) { return .closedStream }
        if !stream.has(.headReceived) { return .dataBeforeHeaders }
        if frame.length > Int(stream.receiveWindow) { return .flowControl }
        guard stream.lengthLeft >= 0 else { return nil }
        let left = stream.lengthLeft &- Int64(size)
        return left < 0 || isEnd && left != 0 ? .contentLength : nil
    }

    /// A frame of a stream that is not there. Nothing if it is only to be skipped: we have reset the stream.
    @inline(never)
    private mutating func judgeStray(
        _ frame: HTTP2Frame, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event? {
        if isIdle(frame.stream) { return fail(.idleStream, &output) }
        if !ids.mayBeInFlight(frame.stream) { return fail(.closedStream, &output) }
        return judgeLate(bytes: frame.length, &output, now)
    }

    /// More of a frame whose header was read.
    mutating func continueBody(_ input: Span<UInt8>, _ output: inout OutputBuffer) -> HTTP2Event {
        guard input.count > 0 else { return .needMoreBytes(consumed: 0) }
        let slot = body.left > 0 ? streams.find(body.stream) : -1
        return slot < 0 ? skipBody(input, 0) : passBody(input, 0, slot, &output)
    }

    /// Passes on what is there of the body behind `start`.
    @inline(__always) private mutating func passBody(
        _ input: Span<UInt8>, _ start: Int, _ slot: Int, _ output: inout OutputBuffer
    ) -> HTTP2Event {
        let end = start &+ min(body.left, input.count &- start)
        body.left &-= end &- start
        let stream = body.stream
        let tag = streams[slot].tag
        let isEnd = body.isEnd && body.left == 0
        var consumed = end
        if body.left == 0 {
            let skipped = min(body.padding, input.count &- end)
            body.padding &-= skipped
            consumed &+= skipped
        }
        if isEnd {
            streams[slot].set(.remoteEnded)
            if streams[slot].isClosed { close(slot, &output) }
        } else if end == start {
            return .consumed(consumed)
        }
        return .data(consumed: consumed, stream: stream, tag: tag, body: start..<end, isEnd: isEnd)
    }

    /// Skips what is there of a frame that nobody wants, or of padding.
    private mutating func skipBody(_ input: Span<UInt8>, _ start: Int) -> HTTP2Event {
        var position = start &+ min(body.left, input.count &- start)
        body.left &-= position &- start
        let padding = min(body.padding, input.count &- position)
        body.padding &-= padding
        position &+= padding
        return .consumed(position)
    }

    // MARK: - windows we give

    /// Body bytes of `data` that were passed on or dropped: the windows open again. For a stream that is gone it was done.
    public mutating func release(_ count: Int, of stream: UInt32, into output: inout OutputBuffer) {
        let slot = streams.find(stream)
        guard slot >= 0, count > 0, state != .failed else { return }
        let released = min(count, Int(streams[slot].unreleased))
        streams[slot].unreleased &-= UInt32(truncatingIfNeeded: released)
        creditConnection(released, &output)
        creditStream(slot, released, &output)
    }

    /// Opens the connection's window by `count`.
    @inline(__always) mutating func creditConnection(_ count: Int, _ output: inout OutputBuffer) {
        flow.unannounced &+= count
        announceConnection(&output)
    }

    /// Tells the peer of the connection's window when it is worth it: at half of it all, or of what streams that nobody reads
    /// have left of it. So nothing is kept from the peer once it has nothing, whoever holds the rest.
    @inline(__always) private mutating func announceConnection(_ output: inout OutputBuffer) {
        guard flow.unannounced >= min(flow.updateSize, max(flow.receiveWindow, 1)) else { return }
        output.appendFrame(4, HTTP2Frame.Kind.windowUpdate, 0, 0)
        output.appendWord(UInt32(truncatingIfNeeded: flow.unannounced))
        flow.receiveWindow &+= flow.unannounced
        flow.unannounced = 0
    }

    /// The same for a stream; one that has ended needs no window.
    @inline(__always) private mutating func creditStream(_ slot: Int, _ count: Int, _ output: inout OutputBuffer) {
        guard !streams[slot].has(.remoteEnded) else { return }
        streams[slot].unannounced &+= UInt32(truncatingIfNeeded: count)
        let unannounced = streams[slot].unannounced
        if Int(unannounced) >= max(limits.streamWindow / 2, 1) {
            output.appendFrame(4, HTTP2Frame.Kind.windowUpdate, 0, streams[slot].id)
            output.appendWord(unannounced)
            streams[slot].receiveWindow &+= Int32(truncatingIfNeeded: unannounced)
            streams[slot].unannounced = 0
        }
    }

    /// Takes a stream out; what it held of the connection's window is given back.
    @inline(__always) mutating func close(_ slot: Int, _ output: inout OutputBuffer) {
        let unreleased = Int(streams[slot].unreleased)
        streams.remove(slot)
        // A reset of the peer's own, which may cross the end.
        ids.expectLate(bytes: 0, frames: 1)
        if unreleased > 0 { creditConnection(unreleased, &output) }
    }
}
