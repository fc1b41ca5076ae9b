import Buffers
import HTTP
import HTTPChecks
import Testing

/// Frames that were on their way when their stream ended: however many streams others let end within a round trip, they end
/// nothing else.
struct HTTP2LateFrameTests {
    private typealias Wire = HTTP2Bytes

    /// A client's session whose requests are given up before the server answers, and a stream that stays.
    private func abandoned(_ count: Int, _ peer: inout TestPeer) -> [UInt32] {
        peer.feed(Wire.settings([(3, 1000)]))
        _ = peer.request()
        var streams: [UInt32] = []
        for _ in 0..<count {
            let stream = peer.request()
            streams.append(stream)
            peer.session.reset(stream, .cancel, into: &peer.output)
        }
        return streams
    }

    @Test(arguments: [1, 100, 101, 1000]) func answersToStreamsGivenUp(count: Int) {
        var peer = TestPeer(.client)
        let streams = abandoned(count, &peer)
        #expect(streams.count == count)
        let answer = Wire.fields([(":status", "200")])
        // The field enters the table, and is referred to by what comes later.
        let entry = Wire.fields([("x-y", "z")], first: 0x40)
        for stream in streams {
            peer.feed(Wire.headers(stream, answer + entry, flags: 4))
            peer.feed(Wire.data(stream, [UInt8](repeating: 1, count: 900)))
            peer.feed(Wire.headers(stream, Wire.fields([("x-end", "1")])))
        }
        peer.feed(Wire.headers(1, answer + [0xbe]))
        #expect(peer.violation == nil && peer.lines.last?.hasPrefix("head 1 tag 77") == true, "\(peer.lines)")
        #expect(peer.lines.last?.contains(#""x-y"="z""#) == true, "\(peer.lines)")
    }

    /// As many frames as the windows of the streams had room for.
    @Test func smallMessagesOfStreamsGivenUp() {
        var peer = TestPeer(.client)
        let streams = abandoned(90, &peer)
        let message = [UInt8](repeating: 1, count: 40)
        for stream in streams {
            peer.feed(Wire.headers(stream, Wire.fields([(":status", "200")]), flags: 4))
            peer.feed((0..<300).flatMap { _ in Wire.data(stream, message) })
        }
        #expect(peer.violation == nil)
    }

    /// Beyond the windows nothing can have been on its way.
    @Test func noMoreThanTheWindows() {
        var limits = HTTP2Limits()
        limits.ignoredFrames = .init(burst: 10, perSecond: 1)
        var peer = TestPeer(.client, limits: limits)
        let streams = abandoned(3, &peer)
        let piece = [UInt8](repeating: 1, count: 16384)
        for _ in 0..<3 * limits.streamWindow / 16384 { peer.feed(Wire.data(streams[0], piece)) }
        #expect(peer.violation == nil)
        var rounds = 0
        while peer.violation == nil, rounds < 100 {
            peer.feed(Wire.data(streams[0], piece))
            rounds += 1
        }
        #expect(peer.violation?.kind == .ignoredFrameFlood && rounds == 11, "\(rounds)")
        var other = TestPeer(.client, limits: limits)
        let heads = abandoned(3, &other)
        rounds = 0
        while other.violation == nil, rounds < 1000 {
            other.feed(Wire.headers(heads[0], Wire.fields([(":status", "103")]), flags: 4))
            rounds += 1
        }
        #expect(other.violation?.kind == .ignoredFrameFlood && rounds < 90, "\(rounds)")
    }

    /// Server: a client that begins uploads before it has seen our SETTINGS.
    @Test func uploadsThatAreRefused() {
        var peer = TestPeer(.server)
        let streams = (0..<600).map { UInt32($0 * 2 + 1) }
        peer.feed(Wire.clientStart + streams.flatMap { Wire.headers($0, Wire.post, flags: 4) })
        for stream in streams { peer.feed(Wire.data(stream, [1, 2, 3], flags: 1)) }
        #expect(peer.violation == nil && peer.session.streamCount == 100)
        #expect(peer.lines.filter { $0.hasSuffix("code 7 tooManyStreams") }.count == 500)
        #expect(peer.ended.count == 100)
    }

    /// What a peer sends on a stream that it has ended itself is wrong, also beside streams that were reset.
    @Test func closedIsClosed() {
        var peer = TestPeer(.client)
        _ = abandoned(50, &peer)
        peer.feed(Wire.headers(1, Wire.fields([(":status", "200")])))
        #expect(peer.ended == [1] && peer.violation == nil)
        peer.feed(Wire.data(1, [1]))
        #expect(peer.violation?.kind == .closedStream)
    }

    /// Resets that cross: both sides are done with the stream.
    @Test func resetsThatCross() {
        var limits = HTTP2Limits()
        limits.ignoredFrames = .init(burst: 5, perSecond: 1)
        var peer = TestPeer(.client, limits: limits)
        for stream in abandoned(1000, &peer) { peer.feed(Wire.reset(stream, 8)) }
        #expect(peer.violation == nil)
        for _ in 0..<1000 {
            let stream = peer.request()
            peer.feed(Wire.headers(stream, Wire.fields([(":status", "200")])) + Wire.reset(stream, 0))
        }
        #expect(peer.violation == nil)
    }
}
