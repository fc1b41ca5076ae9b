/// A session as bytes, so that a connection can go on in another process: between two events, in the middle of streams, header
/// blocks, bodies and field tables. What the caller has (bytes not decoded yet, or not sent yet, what tags mean) is the
/// caller's to hand over.
///
/// The bytes come from another process: what does not fit is a flaw, and none of them can lead out of bounds.
extension HTTP2Session {
    private static let handoverVersion: UInt8 = 1
    /// More streams than any limit allows.
    private static let streamsMax = 1 << 20

    /// All that it knows.
    public func exported() -> [UInt8] {
        var writer = HandoverWriter()
        writer.put(Self.handoverVersion)
        writer.put(role.rawValue)
        limits.export(into: &writer)
        writer.put(state.rawValue)
        writer.put(failure?.kind.rawValue ?? .max)
        writer.put(scheme.rawValue)
        writer.put(outputIsBlocked)
        writer.put(settingsUnanswered)
        decoder.export(into: &writer)
        encoder.export(into: &writer)
        ids.export(into: &writer)
        block.export(into: &writer)
        body.export(into: &writer)
        peer.export(into: &writer)
        flow.export(into: &writer)
        gates.export(into: &writer)
        writer.put(UInt32(streams.count))
        for slot in streams.indices where streams[slot].id != 0 { streams[slot].export(into: &writer) }
        return writer.bytes
    }

    /// The session that was exported.
    public static func imported(_ bytes: [UInt8]) throws(HTTP2HandoverFlaw) -> HTTP2Session {
        var reader = HandoverReader(bytes)
        guard try reader.number(UInt8.self) == handoverVersion else { throw reader.flaw }
        let role = try reader.value(Role.self)
        var session = HTTP2Session(role, limits: try HTTP2Limits(from: &reader))
        try session.restore(from: &reader)
        guard reader.left == 0 else { throw reader.flaw }
        return session
    }

    private mutating func restore(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        state = try reader.value(State.self)
        let kind = try reader.number(UInt8.self)
        failure = HTTP2Violation.Kind(rawValue: kind).map(HTTP2Violation.init)
        // What has failed says why, each time it is asked.
        guard (state == .failed) == (failure != nil), failure != nil || kind == .max else { throw reader.flaw }
        scheme = try reader.value(Scheme.self)
        outputIsBlocked = try reader.flag()
        settingsUnanswered = try reader.number(0...1 << 20)
        try decoder.restore(from: &reader)
        try encoder.restore(from: &reader)
        ids = try HTTP2StreamIDs(from: &reader, resetsMax: limits.concurrentStreams)
        block = try HTTP2HeaderBlock(from: &reader, limits)
        body = try HTTP2BodyFrame(from: &reader)
        peer = try HTTP2PeerSettings(from: &reader)
        try flow.restore(from: &reader)
        // It sets back what is counted while it is so.
        gates = try HTTP2Gates(from: &reader)
        for _ in 0..<(try reader.word(0...UInt32(Self.streamsMax))) { try restoreStream(from: &reader) }
    }

    private mutating func restoreStream(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        let stream = try HTTP2Stream(from: &reader)
        let isUsed = role == .client ? stream.id < ids.nextOwn : stream.id <= ids.highestPeer
        guard isUsed, streams.find(stream.id) < 0 else { throw reader.flaw }
        streams.insert(stream)
    }
}

extension HTTP2Limits {
    fileprivate func export(into writer: inout HandoverWriter) {
        for number in [
            headerBytes, headerCount, trailerBytes, bodyBytes, interimResponses, concurrentStreams, streamWindow,
            connectionWindow, headerTableBytes, continuationFrames, unreadAnswers,
        ] {
            writer.put(number)
        }
        for rate in [resets, settings, pings, emptyFrames, ignoredFrames, windowUpdates] {
            writer.put(rate.burst)
            writer.put(rate.perSecond)
        }
    }

    fileprivate init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        self.init()
        headerBytes = try reader.number(0...1 << 30)
        headerCount = try reader.number(0...1 << 30)
        trailerBytes = try reader.number(0...1 << 30)
        bodyBytes = try reader.number(0...Int.max >> 1)
        interimResponses = try reader.number(0...255)
        concurrentStreams = try reader.number(0...1 << 20)
        streamWindow = try reader.number(0...HTTP2Frame.windowMax)
        connectionWindow = try reader.number(0...HTTP2Frame.windowMax)
        headerTableBytes = try reader.number(0...HPACKTable.capacityMax)
        continuationFrames = try reader.number(0...1 << 30)
        unreadAnswers = try reader.number(0...1 << 30)
        resets = try Rate(from: &reader)
        settings = try Rate(from: &reader)
        pings = try Rate(from: &reader)
        emptyFrames = try Rate(from: &reader)
        ignoredFrames = try Rate(from: &reader)
        windowUpdates = try Rate(from: &reader)
    }
}

extension HTTP2Limits.Rate {
    /// Bursts are bounded so that their time is.
    fileprivate init(from reader: inout HandoverReader) throws(HTTP2HandoverFlaw) {
        self.init(burst: try reader.number(0...1 << 30), perSecond: try reader.number(0...1 << 30))
    }
}
