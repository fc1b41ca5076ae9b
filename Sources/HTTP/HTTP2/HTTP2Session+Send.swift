import Buffers

/// What we send on streams.
extension HTTP2Session {
    /// A request's head (client role). `framing` says the Content-Length; extended CONNECT if the head has a protocol.
    public mutating func sendRequest(
        _ head: borrowing MessageHead, on stream: UInt32, framing: BodyFraming, isEnd: Bool,
        into output: inout OutputBuffer
    ) {
        let slot = streams.find(stream)
        guard slot >= 0, !streams[slot].has(.headSent), state != .failed else { return }
        streams[slot].set(.headSent)
        if head.method == .head { streams[slot].set(.isHead) }
        if head.method == .connect { streams[slot].set(.isConnect) }
        let start = beginHeaders(stream, isEnd: isEnd, &output)
        encoder.request(head, scheme: scheme, into: &output)
        finishMessage(head, framing, takesTrailers: true, &output)
        endHeaders(start, stream, &output)
        if isEnd { endStream(slot, &output) }
    }

    /// A response's head (server role). An interim one (status below 200) never ends the stream. With `none` a Content-Length
    /// of the head is passed on where it only describes (RFC 9110 8.6).
    public mutating func sendResponse(
        _ head: borrowing MessageHead, on stream: UInt32, framing: BodyFraming, isEnd: Bool,
        into output: inout OutputBuffer
    ) {
        let slot = streams.find(stream)
        guard slot >= 0, !streams[slot].has(.headSent), state != .failed else { return }
        let isInterim = head.status < 200
        let isEnd = isEnd && !isInterim
        if !isInterim { streams[slot].set(.headSent) }
        let start = beginHeaders(stream, isEnd: isEnd, &output)
        encoder.status(head.status, into: &output)
        var framing = framing
        if framing == .none && !isInterim && head.status != 204, let length = head.contentLength {
            framing = .length(length)
        }
        finishMessage(head, framing, takesTrailers: false, &output)
        endHeaders(start, stream, &output)
        if isEnd { endStream(slot, &output) }
    }

    /// Trailers, which end the stream.
    public mutating func sendTrailers(
        _ trailers: borrowing MessageHead, on stream: UInt32, into output: inout OutputBuffer
    ) {
        let slot = streams.find(stream)
        guard slot >= 0, canSendBody(slot) else { return }
        guard trailers.fieldCount > 0 else {
            _ = unsafe sendData(UnsafeRawBufferPointer(start: nil, count: 0), on: stream, isEnd: true, into: &output)
            return
        }
        let start = beginHeaders(stream, isEnd: true, &output)
        encoder.fields(of: trailers, takesTrailers: false, into: &output)
        endHeaders(start, stream, &output)
        endStream(slot, &output)
    }

    /// How many body bytes may be sent on the stream now.
    public func sendWindow(_ stream: UInt32) -> Int {
        let slot = streams.find(stream)
        guard slot >= 0 else { return 0 }
        return max(min(Int(streams[slot].sendWindow), flow.sendWindow), 0)
    }

    /// Sends as many of the bytes as the windows allow, and says how many. `isEnd`: the stream ends, if all were taken.
    public mutating func sendData(
        _ bytes: UnsafeRawBufferPointer, on stream: UInt32, isEnd: Bool, into output: inout OutputBuffer
    ) -> Int {
        let slot = streams.find(stream)
        guard slot >= 0, canSendBody(slot) else { return 0 }
        let count = min(bytes.count, max(min(Int(streams[slot].sendWindow), flow.sendWindow), 0))
        let isLast = isEnd && count == bytes.count
        var done = 0
        while done < count {
            let size = min(count &- done, peer.maxFrameSize)
            let isEndHere = isLast && done &+ size == count
            output.appendFrame(size, HTTP2Frame.Kind.data, isEndHere ? HTTP2Frame.Flag.endStream : 0, stream)
            // In bounds: `count` is not above the bytes'.
            unsafe output.append(UnsafeRawBufferPointer(rebasing: bytes[done..<done &+ size]))
            done &+= size
        }
        if count == 0 && isLast { output.appendFrame(0, HTTP2Frame.Kind.data, HTTP2Frame.Flag.endStream, stream) }
        streams[slot].sendWindow &-= Int32(truncatingIfNeeded: count)
        flow.sendWindow &-= count
        gates.earnWindowUpdates(count, isCutShort: count < bytes.count)
        if isLast { endStream(slot, &output) }
        return count
    }

    // MARK: - the end

    /// Ends a stream at once. Nothing happens if it is not there. Nothing is sent if both sides have ended. After a violation it only goes.
    public mutating func reset(_ stream: UInt32, _ code: HTTP2ErrorCode, into output: inout OutputBuffer) {
        let slot = streams.find(stream)
        guard slot >= 0 else { return }
        guard state != .failed else { return streams.remove(slot) }
        // It was only kept: the peer knows that it is over.
        if streams[slot].hasEnded { return close(slot, &output) }
        let isUnknownToPeer = role == .client && (!streams[slot].has(.headSent) || stream > ids.lastPeerAccepts)
        if !streams[slot].has(.remoteEnded) {
            let window = Int(streams[slot].receiveWindow)
            ids.noteReset(stream, window: window, limit: limits.concurrentStreams)
        }
        close(slot, &output)
        if !isUnknownToPeer { writeReset(stream, code, &output) }
    }

    // MARK: - frames

    private func canSendBody(_ slot: Int) -> Bool {
        state != .failed && streams[slot].has(.headSent) && !streams[slot].has(.localEnded)
    }

    /// The place of the frame's header, whose length is set at last.
    @inline(__always)
    private mutating func beginHeaders(_ stream: UInt32, isEnd: Bool, _ output: inout OutputBuffer) -> Int {
        let start = output.count
        let flags = HTTP2Frame.Flag.endHeaders | (isEnd ? HTTP2Frame.Flag.endStream : 0)
        output.appendFrame(0, HTTP2Frame.Kind.headers, flags, stream)
        encoder.begin(&output)
        return start
    }

    @inline(__always) private mutating func finishMessage(
        _ head: borrowing MessageHead, _ framing: BodyFraming, takesTrailers: Bool, _ output: inout OutputBuffer
    ) {
        if case .length(let length) = framing { encoder.contentLength(length, into: &output) }
        encoder.fields(of: head, takesTrailers: takesTrailers, into: &output)
    }

    @inline(__always)
    private func endHeaders(_ start: Int, _ stream: UInt32, _ output: inout OutputBuffer) {
        let length = output.count &- start &- HTTP2Frame.headerSize
        output.setFrameLength(length, at: start)
        if length > peer.maxFrameSize { splitHeaders(start, stream, length, &output) }
    }

    /// Cuts a block that is too long for a frame into CONTINUATION frames, from its end on.
    @inline(never)
    private func splitHeaders(_ start: Int, _ stream: UInt32, _ length: Int, _ output: inout OutputBuffer) {
        let size = peer.maxFrameSize
        let block = start + HTTP2Frame.headerSize
        var flags = HTTP2Frame.Flag.endHeaders
        var piece = (length - 1) / size
        while piece > 0 {
            let place = block + piece * size
            output.insertFrame(min(size, length - piece * size), HTTP2Frame.Kind.continuation, flags, stream, at: place)
            flags = 0
            piece -= 1
        }
        output.setFrameLength(size, at: start)
        let isEnd = unsafe output.withBytes { unsafe $0[start + 4] } & HTTP2Frame.Flag.endStream
        output.setByte(isEnd, at: start + 4)
    }

    /// We have ended our side.
    @inline(__always) private mutating func endStream(_ slot: Int, _ output: inout OutputBuffer) {
        streams[slot].set(.localEnded)
        if streams[slot].isClosed { close(slot, &output) }
    }

    func writeReset(_ stream: UInt32, _ code: HTTP2ErrorCode, _ output: inout OutputBuffer) {
        output.appendFrame(4, HTTP2Frame.Kind.resetStream, 0, stream)
        output.appendWord(code.rawValue)
    }
}
