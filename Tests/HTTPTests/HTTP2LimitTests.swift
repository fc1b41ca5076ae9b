import Buffers
import HTTP
import HTTPChecks
import Testing

/// Each named limit: what is within passes, what is beyond ends the stream or the connection, and time heals what is a rate.
struct HTTP2LimitTests {
    struct Flood: Sendable, CustomTestStringConvertible {
        let name: String
        let limit: any WritableKeyPath<HTTP2Limits, HTTP2Limits.Rate> & Sendable
        let kind: HTTP2Violation.Kind
        /// What comes first, once, and then again and again, with the number of the round.
        var start: [UInt8] = []
        let round: @Sendable (UInt32) -> [UInt8]
        var testDescription: String { name }
    }

    private typealias Wire = HTTP2Bytes
    private static let post = Wire.headers(1, Wire.post, flags: 4)

    static let floods: [Flood] = [
        Flood(name: "rapid reset", limit: \.resets, kind: .resetFlood) {
            Wire.headers($0 * 2 + 1, Wire.post, flags: 4) + Wire.reset($0 * 2 + 1, 8)
        },
        Flood(name: "resets we are made to send", limit: \.resets, kind: .resetFlood) {
            Wire.headers($0 * 2 + 1, Wire.post, flags: 4) + Wire.windowUpdate($0 * 2 + 1, 0)
        },
        Flood(name: "malformed requests", limit: \.resets, kind: .resetFlood) {
            Wire.headers($0 * 2 + 1, Wire.fields([("a", "b")]))
        },
        Flood(name: "SETTINGS", limit: \.settings, kind: .settingsFlood) { _ in Wire.settings([(3, 100)]) },
        Flood(name: "PING", limit: \.pings, kind: .pingFlood) { _ in Wire.frame(6, [1, 2, 3, 4, 5, 6, 7, 8]) },
        Flood(name: "empty DATA", limit: \.emptyFrames, kind: .emptyFrameFlood, start: post) { _ in Wire.data(1, []) },
        Flood(name: "PRIORITY", limit: \.ignoredFrames, kind: .ignoredFrameFlood) {
            Wire.frame(2, stream: $0 * 2 + 1, [0, 0, 0, 0, 1])
        },
        Flood(name: "unknown frames", limit: \.ignoredFrames, kind: .ignoredFrameFlood) { _ in Wire.frame(0x42, [1]) },
        Flood(
            name: "frames of a closed stream", limit: \.ignoredFrames, kind: .ignoredFrameFlood,
            start: Wire.headers(1, Wire.fields([("a", "b")]), flags: 4)
                + (0..<16).flatMap { _ in Wire.data(1, [UInt8](repeating: 1, count: 16384)) }
        ) { _ in Wire.data(1, [1]) },
        Flood(name: "WINDOW_UPDATE", limit: \.windowUpdates, kind: .windowUpdateFlood, start: post) { _ in
            Wire.windowUpdate(1, 1)
        },
    ]

    @Test(arguments: floods) func flood(_ flood: Flood) {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 1000
        limits[keyPath: flood.limit] = .init(burst: 20, perSecond: 10)
        // SETTINGS at the start count, too.
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart + flood.start)
        var rounds: UInt32 = 1
        while peer.violation == nil && rounds < 1000 {
            peer.feed(flood.round(rounds))
            rounds += 1
        }
        #expect(peer.violation?.kind == flood.kind && peer.violation?.code == .enhanceYourCalm, "\(peer.lines)")
        #expect((18...22).contains(rounds), "\(rounds)")

        var patient = TestPeer(.server, limits: limits)
        patient.feed(HTTP2Bytes.clientStart + flood.start)
        for round in 1...100 {
            patient.now += 100_000_000
            patient.feed(flood.round(UInt32(round)))
        }
        #expect(patient.violation == nil)
    }

    @Test func answeredResetsAreFree() {
        var limits = HTTP2Limits()
        limits.resets = .init(burst: 3, perSecond: 1)
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart)
        for round in 0..<50 {
            let stream = UInt32(round * 2 + 1)
            peer.feed(HTTP2Bytes.headers(stream, HTTP2Bytes.get))
            peer.respond(stream, isEnd: false)
            peer.feed(HTTP2Bytes.reset(stream, 8))
        }
        #expect(peer.violation == nil && peer.session.streamCount == 0)
    }

    @Test func updatesOfWindowsThatServeAreFree() {
        var limits = HTTP2Limits()
        limits.windowUpdates = .init(burst: 3, perSecond: 1)
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart + Self.post)
        peer.respond(1, isEnd: false)
        for _ in 0..<50 {
            peer.send([1, 2, 3], on: 1)
            peer.feed(HTTP2Bytes.windowUpdate(1, 3) + HTTP2Bytes.windowUpdate(0, 3))
        }
        #expect(peer.violation == nil)
    }

    /// A download whose reader says of each frame that it was read, late and in any number, is no flood, whether the window
    /// cuts what is sent or not.
    @Test(arguments: [1000, 65535, 1 << 20]) func updatesOfDownloadsAreFree(window: Int) {
        var limits = HTTP2Limits()
        limits.windowUpdates = .init(burst: 3, perSecond: 1)
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart + HTTP2Bytes.settings([(4, UInt32(window))]) + Self.post)
        if window > 65535 { peer.feed(HTTP2Bytes.windowUpdate(0, UInt32(window - 65535))) }
        peer.respond(1, isEnd: false)
        let body = [UInt8](repeating: 7, count: 4 << 20)
        for _ in 0..<20 where peer.violation == nil {
            _ = peer.take()
            peer.send(body, on: 1)
            let sizes = peer.frames().map { UInt32($0.split(separator: " ")[2]) ?? 0 }
            for size in sizes { peer.feed(HTTP2Bytes.windowUpdate(0, size) + HTTP2Bytes.windowUpdate(1, size)) }
        }
        #expect(peer.violation == nil && peer.session.sendWindow(1) == window)
    }

    /// A window that opens in crumbs is one, whatever was sent before.
    @Test func crumbsAreCounted() {
        var limits = HTTP2Limits()
        limits.windowUpdates = .init(burst: 20, perSecond: 1)
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart + Self.post)
        peer.respond(1, isEnd: false)
        let body = [UInt8](repeating: 7, count: 1 << 20)
        peer.send(body, on: 1)
        var rounds = 0
        while peer.violation == nil && rounds < 1000 {
            peer.feed(HTTP2Bytes.windowUpdate(0, 1) + HTTP2Bytes.windowUpdate(1, 1))
            peer.send(body, on: 1)
            rounds += 1
        }
        // The window of 65,535 bytes was worth 255 of them.
        #expect(peer.violation?.kind == .windowUpdateFlood && (130...145).contains(rounds), "\(rounds)")
    }

    @Test func continuations() {
        var limits = HTTP2Limits()
        limits.continuationFrames = 3
        for (frames, isRefused) in [(3, false), (4, true)] {
            var peer = TestPeer(.server, limits: limits)
            peer.feed(HTTP2Bytes.clientStart + HTTP2Bytes.headers(1, HTTP2Bytes.get, flags: 1))
            for frame in 1...frames {
                let field = HTTP2Bytes.fields([("a", "b")])
                peer.feed(HTTP2Bytes.frame(9, flags: frame == frames ? 4 : 0, stream: 1, field))
            }
            #expect((peer.violation?.kind == .continuationFlood) == isRefused, "\(peer.lines)")
        }
        var peer = TestPeer(.server)
        peer.feed(HTTP2Bytes.clientStart + HTTP2Bytes.headers(1, HTTP2Bytes.get, flags: 1))
        for _ in 0..<5 { peer.feed(HTTP2Bytes.frame(9, stream: 1, [UInt8](repeating: 0, count: 16384))) }
        #expect(peer.violation?.kind == .continuationFlood && peer.violation?.code == .enhanceYourCalm)
    }

    /// A block of a few bytes that stands for megabytes: it is not copied beyond the limit, and the table stays as it is.
    @Test func anHPACKBomb() {
        var peer = TestPeer(.server)
        let field = HTTP2Bytes.fields([("x", String(repeating: "y", count: 4000))], first: 0x40)
        peer.feed(HTTP2Bytes.clientStart + HTTP2Bytes.headers(1, HTTP2Bytes.get + field))
        peer.feed(HTTP2Bytes.headers(3, HTTP2Bytes.get + [UInt8](repeating: 0xbe, count: 16000)))
        #expect(peer.lines.last == "reset 3 tag 0 code 11 headTooLarge")
        #expect(peer.head.capacity <= 1 << 20)
        peer.feed(HTTP2Bytes.headers(5, HTTP2Bytes.get + [0xbe]))
        #expect(peer.lines.last?.hasPrefix("head 5") == true && peer.violation == nil)
    }

    @Test func headsAndTrailers() {
        var limits = HTTP2Limits()
        limits.headerCount = 6
        limits.trailerBytes = 100
        limits.bodyBytes = 1000
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart)
        let two = HTTP2Bytes.fields([("a", "b"), ("c", "d")])
        peer.feed(HTTP2Bytes.headers(1, HTTP2Bytes.get + two))
        #expect(peer.lines.last?.hasPrefix("head 1") == true)
        peer.feed(HTTP2Bytes.headers(3, HTTP2Bytes.get + two + HTTP2Bytes.fields([("e", "f")])))
        #expect(peer.lines.last == "reset 3 tag 0 code 11 tooManyFields")
        peer.feed(HTTP2Bytes.headers(5, HTTP2Bytes.post, flags: 4))
        peer.feed(HTTP2Bytes.headers(5, HTTP2Bytes.fields([("a", String(repeating: "b", count: 68))])))
        #expect(peer.lines.last == "reset 5 tag 0 code 11 trailersTooLarge")
        peer.feed(HTTP2Bytes.headers(7, HTTP2Bytes.post + HTTP2Bytes.fields([("content-length", "1001")]), flags: 4))
        #expect(peer.lines.last == "reset 7 tag 0 code 11 bodyTooLarge")
    }

    @Test func concurrentStreams() {
        var limits = HTTP2Limits()
        limits.concurrentStreams = 3
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart)
        for stream: UInt32 in [1, 3, 5, 7] { peer.feed(HTTP2Bytes.headers(stream, HTTP2Bytes.get)) }
        #expect(peer.lines.last == "reset 7 tag 0 code 7 tooManyStreams" && peer.session.streamCount == 3)
        peer.respond(3, isEnd: true)
        peer.feed(HTTP2Bytes.headers(9, HTTP2Bytes.get))
        #expect(peer.lines.last?.hasPrefix("head 9") == true && peer.violation == nil)
    }

    @Test func interimResponses() {
        var limits = HTTP2Limits()
        limits.interimResponses = 2
        var peer = TestPeer(.client, limits: limits)
        peer.feed(HTTP2Bytes.frame(4))
        let stream = peer.request()
        let interim = HTTP2Bytes.headers(stream, HTTP2Bytes.fields([(":status", "103")]), flags: 4)
        peer.feed(interim + interim)
        #expect(peer.lines.last?.hasPrefix("head 1") == true)
        peer.feed(interim)
        #expect(peer.lines.last == "reset 1 tag 77 code 11 tooManyInterimResponses")
    }

    @Test func answersThatNobodyReads() {
        var limits = HTTP2Limits()
        limits.unreadAnswers = 10
        var peer = TestPeer(.server, limits: limits)
        peer.feed(HTTP2Bytes.clientStart)
        let ping = HTTP2Bytes.frame(6, [1, 2, 3, 4, 5, 6, 7, 8])
        for _ in 0..<50 { peer.feed(ping) }
        #expect(peer.violation == nil)
        peer.session.outputIsBlocked = true
        for _ in 0..<10 { peer.feed(ping) }
        #expect(peer.violation == nil)
        peer.session.outputIsBlocked = false
        peer.session.outputIsBlocked = true
        for _ in 0..<11 { peer.feed(ping) }
        #expect(peer.violation?.kind == .unreadAnswers)
    }
}
