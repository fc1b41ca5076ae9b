/// What is known of the ids of streams that are not in the table (RFC 9113 5.1.1), and of GOAWAY.
struct HTTP2StreamIDs: Sendable {
    static let max: UInt32 = 0x7fff_ffff

    /// Client: the next id we open.
    var nextOwn: UInt32 = 1
    /// Server: the highest id the client has used.
    private(set) var highestPeer: UInt32 = 0
    /// Whether it has used each of the 64 up to that; bit 0 is the highest.
    private var used: UInt64 = 0
    /// Server: the highest id whose head was returned, and the one above which we have said that we take none.
    var lastProcessed: UInt32 = 0
    var lastAccepted: UInt32 = max
    /// Client: the id above which the peer takes none.
    var lastPeerAccepts: UInt32 = max
    var goAwayReceived = false
    var goAwaySent = false
    /// Streams we have reset, whose frames may still be on their way: a ring of the latest ones, and the highest id that had
    /// to leave it.
    private var resets: [UInt32] = []
    private var resetPlace = 0
    private var highestForgotten: UInt32 = 0
    /// What may still come of streams that are gone: body bytes, as many as their windows allowed, and other frames.
    private var lateBytes = 0
    private var lateFrames = 0

    var isGoingAway: Bool { goAwayReceived || goAwaySent }

    /// Notes that the client has used `id`, which is above all others.
    @inline(__always) mutating func use(_ id: UInt32) {
        let distance = (id &- highestPeer) &>> 1
        // From none to 1 it is no whole step; what is shifted is empty then.
        used = distance >= 64 ? 1 : used &<< UInt64(distance) | 1
        highestPeer = id
    }

    /// Whether the client has used `id`, not above the highest. Of those long ago it is said so.
    func wasUsed(_ id: UInt32) -> Bool {
        let distance = (highestPeer &- id) &>> 1
        return distance >= 64 || used &>> UInt64(distance) & 1 == 1
    }

    /// Notes that we have reset `id`, whose window is `window`; as many as `limit` are remembered exactly.
    mutating func noteReset(_ id: UInt32, window: Int, limit: Int) {
        expectLate(bytes: window, frames: Self.lateFramesMax)
        if resets.count < limit {
            if resets.isEmpty { resets.reserveCapacity(limit) }
            resets.append(id)
        } else if limit > 0 {
            highestForgotten = Swift.max(highestForgotten, resets[resetPlace])
            resets[resetPlace] = id
            resetPlace = (resetPlace + 1) % limit
        }
    }

    /// Whether frames of `id` may still come that were sent before the peer knew that we do not want them. How many streams
    /// are reset within a round trip, others decide: of those long ago, and all between them, it is said so.
    func mayBeInFlight(_ id: UInt32) -> Bool { id > lastAccepted || id <= highestForgotten || resets.contains(id) }

    /// So much more may come late.
    @inline(__always) mutating func expectLate(bytes: Int, frames: Int) {
        lateBytes &+= Swift.max(bytes, 0)
        lateFrames &+= frames
    }

    /// A frame of a stream that is gone. False: there are more of them than could be on their way.
    mutating func takeLate(bytes: Int) -> Bool {
        guard bytes > 0 else { return takeLateFrame() }
        guard lateBytes >= bytes else { return false }
        lateBytes -= bytes
        return true
    }

    private mutating func takeLateFrame() -> Bool {
        guard lateFrames > 0 else { return false }
        lateFrames -= 1
        return true
    }

    /// Interim heads, a head, trailers, a reset of the peer's own.
    private static let lateFramesMax = 20
}

// MARK: - hand-over

extension HTTP2StreamIDs {
    func export(into writer: inout HandoverWriter) {
        for number in [nextOwn, highestPeer, lastProcessed, lastAccepted, lastPeerAccepts] { writer.put(number) }
        writer.put(used)
        writer.put(goAwayReceived)
        writer.put(goAwaySent)
        writer.put(UInt32(resets.count))
        for id in resets { writer.put(id) }
        writer.put(UInt32(resetPlace))
    }

    /// `resetsMax`: as many are remembered at most.
    init(from reader: inout HandoverReader, resetsMax: Int) throws(HTTP2HandoverFlaw) {
        nextOwn = try reader.word(1...Self.max + 2)
        highestPeer = try reader.word(0...Self.max)
        lastProcessed = try reader.word(0...highestPeer)
        lastAccepted = try reader.word(0...Self.max)
        lastPeerAccepts = try reader.word(0...Self.max)
        guard nextOwn & 1 == 1 else { throw reader.flaw }
        used = try reader.number()
        goAwayReceived = try reader.flag()
        goAwaySent = try reader.flag()
        for _ in 0..<(try reader.number(UInt32.self)) {
            guard resets.count < resetsMax else { throw reader.flaw }
            resets.append(try reader.number())
        }
        resetPlace = Int(try reader.word(0...UInt32(Swift.max(resets.count - 1, 0))))
    }
}
