import Buffers

/// From bytes to frames (RFC 9113 4).
extension HTTP2Session {
    /// The next event in `input`, the bytes that are not consumed yet; answers are appended to `output`. Call it until it needs
    /// more bytes. `head` holds something only after `head` and `trailers`. `now`: nanoseconds of a clock that never goes back.
    public mutating func next(
        _ input: Span<UInt8>, head: inout MessageHead, output: inout OutputBuffer, now: Int64
    ) -> HTTP2Event {
        if body.isOpen { return continueBody(input, &output) }
        if state == .preface || state == .failed { return begin(input, &output) }
        guard input.count >= HTTP2Frame.headerSize else { return .needMoreBytes(consumed: 0) }
        let frame = HTTP2Frame(input)
        if let kind = problem(of: frame) { return fail(kind, &output) }
        if frame.type == HTTP2Frame.Kind.data { return readData(frame, input, &output, now) }
        guard input.count >= frame.size else { return .needMoreBytes(consumed: 0) }
        let payload = input.extracting(HTTP2Frame.headerSize..<frame.size)
        switch frame.type {
        case HTTP2Frame.Kind.headers: return readHeaders(frame, payload, &head, &output, now)
        case HTTP2Frame.Kind.continuation: return readContinuation(frame, payload, &head, &output, now)
        case HTTP2Frame.Kind.windowUpdate: return readWindowUpdate(frame, payload, &output, now)
        case HTTP2Frame.Kind.resetStream: return readReset(frame, payload, &output, now)
        case HTTP2Frame.Kind.settings: return readSettings(frame, payload, &output, now)
        case HTTP2Frame.Kind.ping: return readPing(frame, payload, &output, now)
        case HTTP2Frame.Kind.goAway: return readGoAway(frame, payload, &output, now)
        case HTTP2Frame.Kind.priority: return readPriority(frame, payload, &output, now)
        // We have never allowed a server to push, and clients cannot (RFC 9113 8.4).
        case HTTP2Frame.Kind.pushPromise: return fail(.unexpectedFrame, &output)
        default: return ignore(frame, &output, now)
        }
    }

    /// What its header already says.
    @inline(__always) private func problem(of frame: HTTP2Frame) -> HTTP2Violation.Kind? {
        if state == .settings && (frame.type != HTTP2Frame.Kind.settings || frame.has(HTTP2Frame.Flag.acknowledgement))
        {
            return .missingSettings
        }
        if frame.length > HTTP2Frame.payloadMax { return .frameTooLarge }
        if block.isOpen && (frame.type != HTTP2Frame.Kind.continuation || frame.stream != block.stream) {
            return .brokenHeaderBlock
        }
        return nil
    }

    /// The client's preface (RFC 9113 3.4), or what ended the session.
    private mutating func begin(_ input: Span<UInt8>, _ output: inout OutputBuffer) -> HTTP2Event {
        if let failure { return .violation(failure) }
        let preface = Self.preface
        for index in 0..<min(preface.utf8CodeUnitCount, input.count) where input[index] != preface.byte(index) {
            return fail(.badPreface, &output)
        }
        guard input.count >= preface.utf8CodeUnitCount else { return .needMoreBytes(consumed: 0) }
        state = .settings
        return .consumed(preface.utf8CodeUnitCount)
    }

    // MARK: - what is wrong

    /// A connection error (RFC 9113 5.4.1).
    @inline(never)
    mutating func fail(_ kind: HTTP2Violation.Kind, _ output: inout OutputBuffer) -> HTTP2Event {
        let violation = HTTP2Violation(kind)
        failure = violation
        state = .failed
        body = HTTP2BodyFrame()
        writeGoAway(last: ids.lastProcessed, violation.code, &output)
        return .violation(violation)
    }

    /// A stream error (RFC 9113 5.4.2). `slot` is -1 for a stream that is not in the table.
    @inline(never)
    mutating func refuse(
        _ stream: UInt32, _ slot: Int, _ kind: HTTP2Violation.Kind, isEnd: Bool, consumed: Int,
        _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        guard gates.resets.passes(limits.resets, now: now) else { return fail(.resetFlood, &output) }
        if let event = countAnswer(&output) { return event }
        let violation = HTTP2Violation(kind)
        streamViolation = violation
        var tag: UInt64 = 0
        var hasEnded = isEnd
        var window = flow.streamWindow
        if slot >= 0 {
            tag = streams[slot].tag
            hasEnded = hasEnded || streams[slot].has(.remoteEnded)
            window = Int(streams[slot].receiveWindow)
            close(slot, &output)
        }
        if !hasEnded { ids.noteReset(stream, window: window, limit: limits.concurrentStreams) }
        writeReset(stream, violation.code, &output)
        return .reset(consumed: consumed, stream: stream, tag: tag, code: violation.code.rawValue, isOurs: true)
    }

    /// A frame of a stream that is gone, of so many body bytes. Nothing: it was on its way when the stream ended. Those are
    /// as many as others make them; what is beyond passes a gate.
    mutating func judgeLate(bytes: Int, _ output: inout OutputBuffer, _ now: Int64) -> HTTP2Event? {
        if ids.takeLate(bytes: bytes) || gates.ignoredFrames.passes(limits.ignoredFrames, now: now) { return nil }
        return fail(.ignoredFrameFlood, &output)
    }

    /// A frame that is read for its length only.
    mutating func ignore(_ frame: HTTP2Frame, _ output: inout OutputBuffer, _ now: Int64) -> HTTP2Event {
        guard gates.ignoredFrames.passes(limits.ignoredFrames, now: now) else {
            return fail(.ignoredFrameFlood, &output)
        }
        return .consumed(frame.size)
    }

    /// Counts an answer that the peer does not read; the violation, if there are too many.
    @inline(__always) mutating func countAnswer(_ output: inout OutputBuffer) -> HTTP2Event? {
        guard outputIsBlocked else { return nil }
        gates.unreadAnswers += 1
        return gates.unreadAnswers > limits.unreadAnswers ? fail(.unreadAnswers, &output) : nil
    }

    /// Whether `stream` was never used (RFC 9113 5.1). Nobody pushes: all even ones.
    @inline(__always) func isIdle(_ stream: UInt32) -> Bool {
        stream & 1 == 0 || stream >= (role == .server ? ids.highestPeer + 1 : ids.nextOwn)
    }
}
