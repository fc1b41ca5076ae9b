extension HTTP2HeaderBlock {
    func export(into writer: inout HandoverWriter) {
        writer.put(stream)
        writer.put(isEnd)
        writer.put(frames)
        writer.put(bytes)
    }

    init(from reader: inout HandoverReader, _ limits: HTTP2Limits) throws(HTTP2HandoverFlaw) {
        stream = try reader.word(0...HTTP2StreamIDs.max)
        isEnd = try reader.flag()
        frames = try reader.number(0...limits.continuationFrames)
        bytes = try reader.run(max: max(limits.headerBytes, HTTP2Frame.payloadMax))
    }
}

extension HTTP2BodyFrame {
    func export(into writer: inout HandoverWriter) {
        writer.put(stream)
        writer.put(isEnd)
        writer.put(left)
        writer.put(padding)
    }

    init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        stream = try reader.word(0...HTTP2StreamIDs.max)
        isEnd = try reader.flag()
        left = try reader.number(0...HTTP2Frame.payloadMax)
        padding = try reader.number(0...255)
    }
}

extension HTTP2PeerSettings {
    func export(into writer: inout HandoverWriter) {
        writer.put(maxFrameSize)
        writer.put(initialWindow)
        writer.put(concurrentStreams)
        writer.put(takesExtendedConnect)
    }

    init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        maxFrameSize = try reader.number(HTTP2Frame.payloadMax...0xff_ffff)
        initialWindow = try reader.number(0...HTTP2Frame.windowMax)
        concurrentStreams = try reader.number(0...Int(UInt32.max))
        takesExtendedConnect = try reader.flag()
    }
}

extension HTTP2ConnectionFlow {
    func export(into writer: inout HandoverWriter) {
        writer.put(sendWindow)
        writer.put(receiveWindow)
        writer.put(unannounced)
        writer.put(streamWindow)
    }

    /// What follows from limits is there already.
    mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        sendWindow = try reader.number(Int(Int32.min)...HTTP2Frame.windowMax)
        receiveWindow = try reader.number(0...HTTP2Frame.windowMax)
        unannounced = try reader.number(0...HTTP2Frame.windowMax)
        // What was announced, or, before the peer has acknowledged it, that of the start.
        streamWindow = try reader.number(0...max(streamWindow, HTTP2Frame.windowAtStart))
    }
}

extension HTTP2Gates {
    func export(into writer: inout HandoverWriter) {
        for gate in [resets, settings, pings, emptyFrames, ignoredFrames, windowUpdates] { writer.put(gate.paid) }
        writer.put(unreadAnswers)
    }

    /// The clock is the host's, and so the other process's, too.
    init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        resets.paid = try reader.number()
        settings.paid = try reader.number()
        pings.paid = try reader.number()
        emptyFrames.paid = try reader.number()
        ignoredFrames.paid = try reader.number()
        windowUpdates.paid = try reader.number()
        unreadAnswers = try reader.number(0...1 << 30)
    }
}

extension HTTP2Stream {
    func export(into writer: inout HandoverWriter) {
        writer.put(id)
        writer.put(flags.rawValue)
        writer.put(interimResponses)
        writer.put(sendWindow)
        writer.put(receiveWindow)
        writer.put(unreleased)
        writer.put(unannounced)
        writer.put(tag)
        writer.put(lengthLeft)
    }

    init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        id = try reader.word(1...HTTP2StreamIDs.max)
        flags = Flags(rawValue: try reader.number())
        interimResponses = try reader.number()
        sendWindow = try reader.number()
        receiveWindow = try reader.number()
        unreleased = try reader.number()
        unannounced = try reader.number()
        tag = try reader.number()
        lengthLeft = try reader.number()
        // A window is below 0 after it was made smaller, by what a connection starts with at most.
        guard id & 1 == 1, !isClosed, lengthLeft >= -1, receiveWindow >= -Int32(HTTP2Frame.windowAtStart) else {
            throw reader.flaw
        }
    }
}
