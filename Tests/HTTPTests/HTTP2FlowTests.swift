import Buffers
import HTTP
import HTTPChecks
import Testing

/// Flow control, sending, and the ends of streams and connections.
struct HTTP2FlowTests {
    private typealias Wire = HTTP2Bytes

    // MARK: - what we may send

    @Test func aBodyStopsAtTheWindowsAndGoesOn() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.get) + Wire.headers(3, Wire.get))
        peer.respond(1, isEnd: false)
        peer.respond(3, isEnd: false)
        _ = peer.take()
        let body = [UInt8](repeating: 7, count: 70000)
        #expect(peer.session.sendWindow(1) == 65535 && peer.send(body, on: 1, isEnd: true) == 65535)
        #expect(peer.frames() == ["DATA 1 16384", "DATA 1 16384", "DATA 1 16384", "DATA 1 16383"])
        // The connection's window is used up, too.
        #expect(peer.session.sendWindow(3) == 0 && peer.send([1], on: 3) == 0)
        peer.feed(Wire.windowUpdate(1, 4465))
        #expect(peer.lines.last == "window 1 tag 0" && peer.session.sendWindow(1) == 0)
        peer.feed(Wire.windowUpdate(0, 5000))
        #expect(peer.lines.last == "window 0 tag 0" && peer.session.sendWindow(1) == 4465)
        #expect(peer.send(Array(body[65535...]), on: 1, isEnd: true) == 4465)
        #expect(peer.frames() == ["DATA 1 4465 end"])
        #expect(peer.session.sendWindow(3) == 535 && peer.session.streamCount == 1)
    }

    /// Who keeps a stream decides when it is over; the peer knows that it is.
    @Test func aKeptStreamStays() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.get) + Wire.headers(3, Wire.get))
        peer.session.setTag(1, 7, isKept: true)
        peer.respond(1, isEnd: true)
        peer.respond(3, isEnd: true)
        _ = peer.take()
        #expect(peer.session.streamCount == 1 && peer.session.tag(1) == 7)
        peer.session.reset(1, .cancel, into: &peer.output)
        #expect(peer.frames() == [] && peer.session.streamCount == 0)
    }

    @Test func windowsFollowSettings() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.get))
        peer.respond(1, isEnd: false)
        peer.send([UInt8](repeating: 1, count: 1000), on: 1)
        peer.feed(Wire.settings([(4, 100)]))
        // 65535 less 1000 less the difference is below 0.
        #expect(peer.session.sendWindow(1) == 0)
        peer.feed(Wire.windowUpdate(1, 900))
        #expect(peer.session.sendWindow(1) == 0 && !peer.lines.contains { $0.hasPrefix("window") })
        peer.feed(Wire.windowUpdate(1, 1))
        #expect(peer.session.sendWindow(1) == 1 && peer.lines.last == "window 1 tag 0")
        peer.feed(Wire.settings([(4, 0)]))
        peer.feed(Wire.settings([(4, 65535)]))
        #expect(peer.lines.last == "window 0 tag 0" && peer.session.sendWindow(1) > 60000)
    }

    @Test func framesAreAsLargeAsThePeerTakes() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.settings([(5, 20000), (4, 1 << 20)]) + Wire.windowUpdate(0, 1 << 20))
        peer.feed(Wire.headers(1, Wire.get))
        peer.respond(1, isEnd: false)
        _ = peer.take()
        peer.send([UInt8](repeating: 1, count: 50000), on: 1, isEnd: true)
        #expect(peer.frames() == ["DATA 1 20000", "DATA 1 20000", "DATA 1 10000 end"])
    }

    @Test(arguments: [16384, 16385, 40000, 70000]) func longHeadsAreContinued(count: Int) {
        var limits = HTTP2Limits()
        limits.headerBytes = 100_000
        var client = TestPeer(.client, limits: limits)
        var server = TestPeer(.server, limits: limits)
        var head = MessageHead()
        head.setMethod(Array("POST".utf8).span)
        head.setAuthority(Array("a".utf8).span)
        for index in 0..<count / 5000 {
            head.append(Array("x-\(index)".utf8).span, [UInt8](repeating: 0x61, count: 5000).span)
        }
        for isEnd in [true, false] {
            guard let stream = client.session.open(tag: 1) else { return }
            client.session.sendRequest(head, on: stream, framing: .chunked, isEnd: isEnd, into: &client.output)
            server.feed(client.take())
            #expect(server.lines.last?.count ?? 0 > count / 5000 * 5000 && server.violation == nil)
            #expect(server.ended.contains(stream) == isEnd)
        }
    }

    // MARK: - what the peer may send

    @Test func windowsOpenAsTheBodyIsPassedOn() {
        var limits = HTTP2Limits()
        limits.streamWindow = 100_000
        limits.connectionWindow = 150_000
        var peer = TestPeer(.server, limits: limits)
        #expect(peer.frames() == ["SETTINGS", "WINDOW_UPDATE 0 84465"])
        let piece = [UInt8](repeating: 1, count: 10000)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        _ = peer.take()
        for _ in 0..<9 { peer.feed(Wire.data(1, piece)) }
        peer.session.release(49_999, of: 1, into: &peer.output)
        #expect(peer.frames() == [])
        peer.session.release(1, of: 1, into: &peer.output)
        #expect(peer.frames() == ["WINDOW_UPDATE 1 50000"])
        peer.session.release(40_000, of: 1, into: &peer.output)
        #expect(peer.frames() == ["WINDOW_UPDATE 0 90000"])
        // More than came is not released.
        peer.session.release(1 << 40, of: 1, into: &peer.output)
        #expect(peer.frames() == [])
        for _ in 0..<6 { peer.feed(Wire.data(1, piece)) }
        #expect(peer.violation == nil && peer.lines.count == 1)
        peer.feed(Wire.data(1, [1]))
        #expect(peer.lines.last == "reset 1 tag 0 code 3 flowControl" && peer.violation == nil)
        #expect(peer.frames().last == "RST_STREAM 1 3")
        // What streams held that are gone is given back, as soon as it is worth it.
        peer.feed(Wire.headers(3, Wire.post, flags: 4))
        for _ in 0..<8 { peer.feed(Wire.data(3, piece)) }
        #expect(peer.frames() == ["WINDOW_UPDATE 0 60001"])
        peer.session.reset(3, .cancel, into: &peer.output)
        #expect(peer.frames() == ["WINDOW_UPDATE 0 80000", "RST_STREAM 3 8"])
    }

    /// However much of the connection's window streams hold that nobody reads, and in whatever order they took it: the rest
    /// goes round, and a stream that is read goes on.
    @Test(arguments: [0, 1, 50, 98, 99]) func aReaderGoesOnBesideOthersWhoDoNot(held: Int) {
        var limits = HTTP2Limits()
        limits.streamWindow = 100_000
        limits.connectionWindow = 100 * limits.streamWindow
        var peer = TestPeer(.server, limits: limits)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        var window = (connection: 100 * 100_000, stream: 100_000)
        func update(_ frame: String) {
            let words = frame.split(separator: " ")
            guard words[0] == "WINDOW_UPDATE", let count = Int(words[2]) else { return }
            if words[1] == "0" { window.connection += count } else { window.stream += count }
        }
        _ = peer.take()
        var (sent, others) = (0, 0)
        while sent < 30_000_000 {
            let size = min(16384, window.connection, window.stream)
            guard size > 0 else { break }
            peer.feed(Wire.data(1, [UInt8](repeating: 1, count: size)))
            peer.session.release(size, of: 1, into: &peer.output)
            window = (window.connection - size, window.stream - size)
            sent += size
            peer.frames().forEach(update)
            // One more that nobody reads takes all it may, however much of the window is not announced at the moment.
            if others < held, sent > others * 77_777 {
                let stream = UInt32(others * 2 + 3)
                peer.feed(Wire.headers(stream, Wire.post, flags: 4))
                for _ in 0..<8 where window.connection > 0 {
                    let piece = min(12_500, window.connection)
                    peer.feed(Wire.data(stream, [UInt8](repeating: 1, count: piece)))
                    window.connection -= piece
                    peer.frames().forEach(update)
                }
                others += 1
            }
        }
        #expect(sent >= 30_000_000 && others == held && peer.violation == nil, "\(sent) \(others) \(peer.lines)")
    }

    @Test func theConnectionsWindowIsNotExceeded() {
        var limits = HTTP2Limits()
        limits.streamWindow = 100_000
        limits.connectionWindow = 100_000
        var peer = TestPeer(.server, limits: limits)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4) + Wire.headers(3, Wire.post, flags: 4))
        let piece = [UInt8](repeating: 1, count: 10000)
        for _ in 0..<5 { peer.feed(Wire.data(1, piece) + Wire.data(3, piece)) }
        #expect(peer.violation == nil)
        peer.feed(Wire.data(3, [1]))
        #expect(peer.violation?.kind == .flowControl && peer.violation?.code == .flowControlError)
    }

    @Test func paddingIsReleasedByTheSession() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        _ = peer.take()
        // 256 bytes of the windows each, of which one is passed on.
        for _ in 0..<20000 {
            peer.feed(Wire.data(1, [254, 9] + [UInt8](repeating: 0, count: 254), flags: 8))
            peer.session.release(1, of: 1, into: &peer.output)
        }
        #expect(peer.violation == nil && peer.bodies[1]?.count == 20000)
    }

    @Test func aSmallWindowCountsFromTheAcknowledgement() {
        var limits = HTTP2Limits()
        limits.streamWindow = 1000
        var peer = TestPeer(.server, limits: limits)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        peer.feed(Wire.data(1, [UInt8](repeating: 1, count: 16384)))
        #expect(peer.violation == nil && peer.lines.count == 1)
        peer.feed(Wire.frame(4, flags: 1) + Wire.headers(3, Wire.post, flags: 4))
        peer.feed(Wire.data(3, [UInt8](repeating: 1, count: 1001)))
        #expect(peer.lines.last == "reset 3 tag 0 code 3 flowControl")
    }

    // MARK: - ends

    @Test func resetsAndWhatIsOnItsWay() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        peer.session.setTag(1, 42)
        #expect(peer.session.tag(1) == 42 && peer.session.tag(3) == nil)
        _ = peer.take()
        peer.session.reset(1, .cancel, into: &peer.output)
        peer.session.reset(1, .cancel, into: &peer.output)
        #expect(peer.frames() == ["RST_STREAM 1 8"] && peer.session.streamCount == 0)
        let field = HTTP2Bytes.fields([("x-y", "z")], first: 0x40)
        peer.feed(Wire.data(1, [1, 2]) + Wire.windowUpdate(1, 1) + Wire.headers(1, field))
        peer.feed(Wire.headers(3, Wire.get + [0xbe]))
        #expect(peer.violation == nil && peer.lines.last?.hasSuffix(#"[other "x-y"="z"]"#) == true)
        peer.feed(Wire.reset(3, 5))
        #expect(peer.lines.last == "reset 3 tag 0 code 5")
    }

    @Test func goAwayOfAServer() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4))
        _ = peer.take()
        peer.session.goAway(.noError, isFinal: false, into: &peer.output)
        peer.feed(Wire.headers(3, Wire.get))
        #expect(peer.lines.last?.hasPrefix("head 3") == true)
        peer.session.goAway(.noError, isFinal: true, into: &peer.output)
        #expect(peer.frames() == ["GOAWAY 2147483647 0", "GOAWAY 3 0"])
        peer.feed(Wire.headers(5, Wire.post, flags: 4) + Wire.data(5, [1]) + Wire.data(1, [1], flags: 1))
        #expect(peer.violation == nil && peer.lines.count == 2 && peer.ended == [1, 3])
    }

    /// What was opened before the peer knew is taken, and what it has answered says when that is over.
    @Test func goAwayInTwoSteps() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.get))
        _ = peer.take()
        peer.session.drain(into: &peer.output)
        peer.session.drain(into: &peer.output)
        let written = peer.take()
        #expect(HTTP2Bytes.describe(written) == ["GOAWAY 2147483647 0", "PING"] && !peer.session.hasSaidLast)
        // An answer to something else says nothing.
        peer.feed(Wire.headers(3, Wire.get) + Wire.frame(6, flags: 1, [1, 2, 3, 4, 5, 6, 7, 8]))
        #expect(peer.frames() == [] && !peer.session.hasSaidLast)
        peer.feed(Wire.frame(6, flags: 1, Array(written.suffix(8))) + Wire.headers(5, Wire.get))
        #expect(peer.frames() == ["GOAWAY 3 0"] && peer.session.hasSaidLast && peer.ended == [1, 3])
        peer.feed(Wire.frame(6, flags: 1, Array(written.suffix(8))))
        #expect(peer.frames() == [] && peer.violation == nil)
    }

    @Test func goAwayOfTheOtherSide() {
        var peer = TestPeer(.client)
        peer.feed(Wire.frame(4))
        let streams = (0..<3).map { _ in peer.request() }
        #expect(streams == [1, 3, 5] && peer.session.streamsMax == 100)
        _ = peer.take()
        peer.feed(Wire.frame(7, [0, 0, 0, 3, 0, 0, 0, 0]))
        #expect(peer.lines.last == "goaway 3 code 0" && peer.session.streamsMax == 0)
        #expect(peer.session.open(tag: 1) == nil)
        var found: [UInt32: UInt64] = [:]
        peer.session.forEachStream { found[$0] = $1 }
        #expect(found == [1: 77, 3: 77, 5: 77])
        // The peer does not know of 5.
        peer.session.reset(5, .cancel, into: &peer.output)
        peer.session.reset(3, .cancel, into: &peer.output)
        #expect(peer.frames() == ["RST_STREAM 3 8"])
        peer.feed(Wire.headers(1, Wire.fields([(":status", "200")])))
        #expect(peer.ended == [1] && peer.session.streamCount == 0)
    }

    @Test func aClientKeepsToThePeersLimit() {
        var peer = TestPeer(.client)
        peer.feed(Wire.settings([(3, 2), (8, 1)]))
        #expect(peer.session.streamsMax == 2 && peer.session.takesExtendedConnect)
        #expect(peer.request() == 1 && peer.request() == 3 && peer.session.open(tag: 0) == nil)
        peer.feed(Wire.headers(1, Wire.fields([(":status", "200")])))
        #expect(peer.request() == 5)
    }

    @Test func answersAreWritten() {
        var peer = TestPeer(.server)
        #expect(peer.frames().first == "SETTINGS")
        peer.feed(Wire.clientStart + Wire.frame(6, [1, 2, 3, 4, 5, 6, 7, 8]))
        peer.session.ping(0x0102_0304_0506_0708, into: &peer.output)
        #expect(
            peer.take() == Wire.frame(4, flags: 1) + Wire.frame(6, flags: 1, [1, 2, 3, 4, 5, 6, 7, 8])
                + Wire.frame(6, [1, 2, 3, 4, 5, 6, 7, 8]))
    }

    /// After a violation nothing is written any more, and it is said again.
    @Test func afterTheEnd() {
        var peer = TestPeer(.server)
        peer.feed(Wire.clientStart + Wire.headers(1, Wire.post, flags: 4) + Wire.frame(6, stream: 1))
        #expect(peer.frames().last == "GOAWAY 1 1")
        peer.respond(1, isEnd: true)
        peer.session.reset(1, .cancel, into: &peer.output)
        peer.session.goAway(.noError, isFinal: true, into: &peer.output)
        #expect(peer.send([1], on: 1) == 0 && peer.frames() == [] && peer.session.streamCount == 0)
        let event = peer.session.next([1, 2, 3].span, head: &peer.head, output: &peer.output, now: 2)
        #expect(event == peer.violation.map { .violation($0) })
    }
}
