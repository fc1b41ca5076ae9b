import Buffers

/// Frames about streams and the connection (RFC 9113 6.3 to 6.9).
extension HTTP2Session {
    mutating func readSettings(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream != 0 { return fail(.streamIdentifier, &output) }
        guard gates.settings.passes(limits.settings, now: now) else { return fail(.settingsFlood, &output) }
        if frame.has(HTTP2Frame.Flag.acknowledgement) {
            guard payload.isEmpty else { return fail(.frameSize, &output) }
            acknowledge()
            return .consumed(frame.size)
        }
        guard payload.count % 6 == 0 else { return fail(.frameSize, &output) }
        state = .frames
        let oldWindow = peer.initialWindow
        for start in stride(from: 0, to: payload.count, by: 6) {
            let name = UInt16(payload[start]) &<< 8 | UInt16(payload[start &+ 1])
            if let kind = set(name, Int(payload.bigEndianWord(at: start &+ 2))) {
                return fail(kind, &output)
            }
        }
        if let event = countAnswer(&output) { return event }
        guard let hasOpened = moveWindows(peer.initialWindow - oldWindow) else { return fail(.windowOverflow, &output) }
        output.appendFrame(0, HTTP2Frame.Kind.settings, HTTP2Frame.Flag.acknowledgement, 0)
        return hasOpened ? .windowOpened(consumed: frame.size, stream: 0, tag: 0) : .consumed(frame.size)
    }

    /// One setting of the peer (RFC 9113 6.5.2); what is wrong with it.
    private mutating func set(_ name: UInt16, _ value: Int) -> HTTP2Violation.Kind? {
        switch name {
        case HTTP2Frame.Setting.headerTableSize: encoder.setPeerSize(value)
        case HTTP2Frame.Setting.enablePush:
            // A server says 0, if anything.
            if value > (role == .server ? 1 : 0) { return .settingsValue }
        case HTTP2Frame.Setting.maxConcurrentStreams:
            peer.concurrentStreams = value
        case HTTP2Frame.Setting.initialWindowSize:
            if value > HTTP2Frame.windowMax { return .windowOverflow }
            peer.initialWindow = value
        case HTTP2Frame.Setting.maxFrameSize:
            if value < HTTP2Frame.payloadMax || value > 0xff_ffff { return .settingsValue }
            peer.maxFrameSize = value
        case HTTP2Frame.Setting.enableConnectProtocol:
            // RFC 8441 3: it is not taken back.
            if value > 1 || (value == 0 && peer.takesExtendedConnect) { return .settingsValue }
            peer.takesExtendedConnect = value == 1
        default: break
        }
        return nil
    }

    /// RFC 9113 6.9.2. Whether a stream may send again that could not; nil: a window is too large.
    private mutating func moveWindows(_ difference: Int) -> Bool? {
        guard difference != 0 else { return false }
        var hasOpened = false
        for slot in streams.indices where streams[slot].id != 0 {
            let old = Int(streams[slot].sendWindow)
            let new = old + difference
            guard new <= HTTP2Frame.windowMax else { return nil }
            streams[slot].sendWindow = Int32(truncatingIfNeeded: max(new, Int(Int32.min)))
            if old <= 0 && new > 0 { hasOpened = true }
        }
        return hasOpened
    }

    /// Our settings count from now on.
    private mutating func acknowledge() {
        guard settingsUnanswered > 0 else { return }
        settingsUnanswered -= 1
        decoder.acknowledge(size: limits.headerTableBytes)
        let difference = flow.streamWindow - limits.streamWindow
        guard difference > 0 else { return }
        flow.streamWindow = limits.streamWindow
        for slot in streams.indices where streams[slot].id != 0 {
            streams[slot].receiveWindow -= Int32(truncatingIfNeeded: difference)
        }
    }

    mutating func readPing(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream != 0 { return fail(.streamIdentifier, &output) }
        guard payload.count == 8 else { return fail(.frameSize, &output) }
        guard gates.pings.passes(limits.pings, now: now) else { return fail(.pingFlood, &output) }
        if frame.has(HTTP2Frame.Flag.acknowledgement) {
            pingAnswered(payload, &output)
        } else {
            if let event = countAnswer(&output) { return event }
            output.appendFrame(8, HTTP2Frame.Kind.ping, HTTP2Frame.Flag.acknowledgement, 0)
            output.append(payload)
        }
        return .consumed(frame.size)
    }

    mutating func readReset(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream == 0 { return fail(.streamIdentifier, &output) }
        guard payload.count == 4 else { return fail(.frameSize, &output) }
        if isIdle(frame.stream) { return fail(.idleStream, &output) }
        let slot = streams.find(frame.stream)
        guard slot >= 0 else { return judgeLate(bytes: 0, &output, now) ?? .consumed(frame.size) }
        let stream = streams[slot]
        // Rapid reset: of a request that was not answered yet.
        if role == .server && !stream.has(.headSent) && !gates.resets.passes(limits.resets, now: now) {
            return fail(.resetFlood, &output)
        }
        close(slot, &output)
        return .reset(
            consumed: frame.size, stream: frame.stream, tag: stream.tag, code: payload.bigEndianWord(at: 0),
            isOurs: false)
    }

    mutating func readWindowUpdate(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        guard payload.count == 4 else { return fail(.frameSize, &output) }
        guard gates.takesWindowUpdate(limits.windowUpdates, now: now) else {
            return fail(.windowUpdateFlood, &output)
        }
        let increment = Int(payload.bigEndianWord(at: 0) & 0x7fff_ffff)
        if frame.stream == 0 { return openConnection(increment, consumed: frame.size, &output) }
        if isIdle(frame.stream) { return fail(.idleStream, &output) }
        let slot = streams.find(frame.stream)
        // It may have been sent before the peer knew of the end.
        guard slot >= 0 else { return .consumed(frame.size) }
        let old = Int(streams[slot].sendWindow)
        guard increment > 0 && old + increment <= HTTP2Frame.windowMax else {
            let kind: HTTP2Violation.Kind = increment > 0 ? .windowOverflow : .windowIncrement
            return refuse(frame.stream, slot, kind, isEnd: false, consumed: frame.size, &output, now)
        }
        streams[slot].sendWindow = Int32(truncatingIfNeeded: old + increment)
        guard old <= 0 && old + increment > 0 else { return .consumed(frame.size) }
        return .windowOpened(consumed: frame.size, stream: frame.stream, tag: streams[slot].tag)
    }

    private mutating func openConnection(
        _ increment: Int, consumed: Int, _ output: inout OutputBuffer
    ) -> HTTP2Event {
        guard increment > 0 else { return fail(.windowIncrement, &output) }
        let old = flow.sendWindow
        guard old + increment <= HTTP2Frame.windowMax else { return fail(.windowOverflow, &output) }
        flow.sendWindow = old + increment
        return old <= 0 ? .windowOpened(consumed: consumed, stream: 0, tag: 0) : .consumed(consumed)
    }

    mutating func readGoAway(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream != 0 { return fail(.streamIdentifier, &output) }
        guard payload.count >= 8 else { return fail(.frameSize, &output) }
        guard gates.ignoredFrames.passes(limits.ignoredFrames, now: now) else {
            return fail(.ignoredFrameFlood, &output)
        }
        let last = payload.bigEndianWord(at: 0) & 0x7fff_ffff
        ids.goAwayReceived = true
        ids.lastPeerAccepts = min(ids.lastPeerAccepts, last)
        return .goAway(consumed: frame.size, last: last, code: payload.bigEndianWord(at: 4))
    }

    /// RFC 9113 5.3: nothing is done with it.
    mutating func readPriority(
        _ frame: HTTP2Frame, _ payload: Span<UInt8>, _ output: inout OutputBuffer, _ now: Int64
    ) -> HTTP2Event {
        if frame.stream == 0 { return fail(.streamIdentifier, &output) }
        guard payload.count != 5 else { return ignore(frame, &output, now) }
        let slot = streams.find(frame.stream)
        // A stream that is not there cannot be reset.
        if slot < 0 { return fail(.frameSize, &output) }
        return refuse(frame.stream, slot, .frameSize, isEnd: false, consumed: frame.size, &output, now)
    }
}
