import Buffers
import HTTPChecks
import Testing

@testable import HTTP

private typealias Wire = HTTP2Bytes

/// A session that goes through bytes at any moment does what it would have done anyway.
struct HTTP2HandoverTests {
    /// A client and a server that talk at random, each twice: one of the two is handed over again and again. Both say and
    /// write the same, to the byte.
    @Test(arguments: 0..<8) func whatIsHandedOverGoesOn(round: Int) throws {
        let seed = UInt64.random(in: 0...UInt64.max)
        // HPACK's table has room for nothing, for a few fields, for all.
        let table = [0, 250, 4096, 10000][round % 4]
        var model = Model(seed, tableBytes: table)
        for _ in 0..<1500 {
            try model.step()
            guard model.problems.isEmpty else { break }
        }
        #expect(model.problems == [], "seed \(seed)")
        #expect(
            model.exports > 100 && model.exportedMidway > 10, "seed \(seed): \(model.exports), \(model.exportedMidway)")
        #expect(
            model.opened > 50 && (model.largestTable > 0) == (table > 0),
            "seed \(seed): \(model.opened), \(model.largestTable)")
    }

    @Test func whatIsCutShortIsNoSession() throws {
        var peer = TestPeer(.server)
        peer.feed(
            Wire.clientStart + Wire.headers(1, Wire.post + HTTP2Bytes.fields([("x-y", "z")], first: 0x40), flags: 4))
        let bytes = peer.session.exported()
        for count in 0..<bytes.count {
            #expect(throws: HTTP2HandoverFlaw.self) { _ = try HTTP2Session.imported(Array(bytes[..<count])) }
        }
        #expect(throws: HTTP2HandoverFlaw.self) { _ = try HTTP2Session.imported(bytes + [0]) }
        let again = try HTTP2Session.imported(bytes).exported()
        #expect(again == bytes)
    }

    /// Whatever other bytes say: a session that goes on, or none.
    @Test func otherBytesDoNoHarm() {
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        var (imported, refused) = (0, 0)
        for role in [HTTP2Session.Role.server, .client] {
            let bytes = Self.sample(role)
            for _ in 0..<1500 {
                var other = bytes
                for _ in 0...Int.random(in: 0...2, using: &random) {
                    other[Int.random(in: 0..<other.count, using: &random)] =
                        [0, 1, 0x7f, 0x80, 0xff, .random(in: 0...255, using: &random)]
                        .randomElement(using: &random) ?? 0
                }
                guard let session = try? HTTP2Session.imported(other) else {
                    refused += 1
                    continue
                }
                imported += 1
                Self.exercise(session, &random)
            }
        }
        #expect(imported > 100 && refused > 100, "seed \(seed): \(imported), \(refused)")
    }

    /// In the middle of everything.
    private static func sample(_ role: HTTP2Session.Role) -> [UInt8] {
        var peer = TestPeer(role)
        let field = HTTP2Bytes.fields([("x-y", "z"), ("x-z", "yyy")], first: 0x40)
        if role == .server {
            peer.feed(Wire.clientStart + Wire.headers(1, Wire.post + field, flags: 4) + Wire.data(1, [1, 2, 3]))
            peer.respond(1, isEnd: false)
            peer.feed(Wire.headers(3, Wire.get + [0xbe]) + Wire.data(1, [UInt8](repeating: 0, count: 100)).prefix(50))
        } else {
            peer.feed(Wire.frame(4))
            let stream = peer.request("POST", isEnd: false)
            _ = peer.request()
            peer.send([1, 2, 3], on: stream)
            peer.feed(Wire.headers(1, Wire.fields([(":status", "200")]) + field, flags: 4))
        }
        return peer.session.exported()
    }

    private static func exercise(_ session: consuming HTTP2Session, _ random: inout SeededRandom) {
        var head = MessageHead()
        var output = OutputBuffer()
        let input: [[UInt8]] = [
            Wire.data(1, [1, 2, 3]), Wire.headers(5, Wire.get + [0xbe, 0xbf]), Wire.windowUpdate(1, 1 << 20),
            Wire.frame(4, flags: 1),
            Wire.settings([(1, 100), (4, 1)]), Wire.reset(3, 8), Wire.data(1, [], flags: 1),
            [UInt8](repeating: 0, count: 60),
        ]
        var bytes = input.shuffled(using: &random).flatMap(\.self)
        for _ in 0..<20 {
            let event = session.next(bytes.span, head: &head, output: &output, now: 5)
            if case .violation = event { break }
            if case .data(_, let stream, _, let body, _) = event {
                session.release(body.count, of: stream, into: &output)
            }
            if case .needMoreBytes = event { break }
            bytes.removeFirst(event.consumedCount)
        }
        for stream: UInt32 in [1, 3] {
            session.release(1 << 16, of: stream, into: &output)
            // The array lives for the call.
            _ = unsafe input[0].withUnsafeBytes { unsafe session.sendData($0, on: stream, isEnd: false, into: &output) }
            session.reset(stream, .cancel, into: &output)
        }
        _ = session.exported()
    }

    /// Both ends, each twice.
    private struct Model: ~Copyable {
        private var client: TestPeer
        private var server: TestPeer
        /// These are handed over.
        private var movedClient: TestPeer
        private var movedServer: TestPeer
        private var random: SeededRandom
        private var toServer: [UInt8] = []
        private var toClient: [UInt8] = []
        /// Streams with a body to come, by side.
        private var sending: [Set<UInt32>] = [[], []]
        private var unanswered: Set<UInt32> = []
        private(set) var problems: [String] = []
        private(set) var exports = 0
        private(set) var exportedMidway = 0
        private(set) var opened = 0
        private(set) var largestTable = 0

        init(_ seed: UInt64, tableBytes: Int) {
            random = SeededRandom(seed)
            var limits = HTTP2Limits()
            limits.streamWindow = Int.random(in: 500...100_000, using: &random)
            limits.concurrentStreams = Int.random(in: 2...20, using: &random)
            limits.headerTableBytes = tableBytes
            client = TestPeer(.client, limits: limits)
            server = TestPeer(.server, limits: limits)
            movedClient = TestPeer(.client, limits: limits)
            movedServer = TestPeer(.server, limits: limits)
        }

        private mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

        mutating func step() throws {
            switch number(0...11) {
            case 0, 1: open()
            case 2, 3: respond()
            case 4: send(0)
            case 5: send(1)
            case 6: release()
            case 7: reset()
            case 8 where opened > 100: if number(0...40) == 0 { drain() }
            default: deliver()
            }
            collect()
            if number(0...2) == 0 { try handOver() }
        }

        /// Both copies say and write the same.
        private mutating func collect() {
            let (fromClient, fromServer) = (client.take(), server.take())
            if fromClient != movedClient.take() { problems.append("the client writes something else") }
            if fromServer != movedServer.take() { problems.append("the server writes something else") }
            if client.lines != movedClient.lines { problems.append("the client says something else") }
            if server.lines != movedServer.lines { problems.append("the server says something else") }
            for line in client.lines + server.lines where line.hasPrefix("violation") { problems.append(line) }
            for lines in [client.lines, server.lines] {
                for line in lines where line.hasPrefix("reset") { forget(line) }
            }
            unanswered.formUnion(server.lines.filter { $0.hasPrefix("head") }.compactMap(Self.stream))
            client.lines = []
            server.lines = []
            movedClient.lines = []
            movedServer.lines = []
            toServer += fromClient
            toClient += fromServer
        }

        private static func stream(_ line: String) -> UInt32? {
            line.split(separator: " ").dropFirst().first.flatMap { UInt32($0) }
        }

        private mutating func forget(_ line: String) {
            guard let stream = Self.stream(line) else { return }
            unanswered.remove(stream)
            sending[0].remove(stream)
            sending[1].remove(stream)
        }

        private mutating func handOver() throws {
            exports += 1
            if client.session.streamCount > 0 || server.session.streamCount > 0 { exportedMidway += 1 }
            largestTable = max(largestTable, server.session.decoder.table.count, client.session.encoder.table.count)
            movedClient.session = try HTTP2Session.imported(movedClient.session.exported())
            movedServer.session = try HTTP2Session.imported(movedServer.session.exported())
        }

        /// Some bytes of what is on the wire, at the same time for both copies.
        private mutating func deliver() {
            let now = client.now + Int64(number(0...50_000_000))
            client.now = now
            server.now = now
            movedClient.now = now
            movedServer.now = now
            let (up, down) = (min(number(0...3000), toServer.count), min(number(0...3000), toClient.count))
            server.feed(Array(toServer.prefix(up)))
            movedServer.feed(Array(toServer.prefix(up)))
            client.feed(Array(toClient.prefix(down)))
            movedClient.feed(Array(toClient.prefix(down)))
            toServer.removeFirst(up)
            toClient.removeFirst(down)
        }

        private mutating func fields() -> [(String, String)] {
            (0..<number(0...6)).map { _ in
                ("x-name-\(number(0...8))", String(repeating: "v", count: number(0...60)) + "\(number(0...3))")
            }
        }

        private mutating func open() {
            let (fields, isEnd, path) = (fields(), number(0...1) == 0, "/\(number(0...5))")
            func request(_ peer: inout TestPeer) -> UInt32? {
                guard let stream = peer.session.open(tag: 9) else { return nil }
                var head = Self.head(fields)
                head.setMethod(Array("POST".utf8).span)
                head.setPath(Array(path.utf8).span)
                head.setAuthority(Array("host".utf8).span)
                peer.session.sendRequest(
                    head, on: stream, framing: isEnd ? .none : .chunked, isEnd: isEnd, into: &peer.output)
                return stream
            }
            let stream = request(&client)
            if stream != request(&movedClient) { problems.append("another stream is opened") }
            guard let stream else { return }
            opened += 1
            if !isEnd { sending[0].insert(stream) }
        }

        private static func head(_ fields: [(String, String)]) -> MessageHead {
            var head = MessageHead()
            for (name, value) in fields { head.append(Array(name.utf8).span, Array(value.utf8).span) }
            return head
        }

        private mutating func respond() {
            guard let stream = unanswered.randomElement(using: &random) else { return }
            unanswered.remove(stream)
            let (fields, isEnd) = (fields(), number(0...2) == 0)
            func respond(_ peer: inout TestPeer) {
                var head = Self.head(fields)
                head.status = 200
                peer.session.sendResponse(
                    head, on: stream, framing: isEnd ? .none : .chunked, isEnd: isEnd, into: &peer.output)
            }
            respond(&server)
            respond(&movedServer)
            if !isEnd { sending[1].insert(stream) }
        }

        /// Body, and sometimes its end: with trailers, or without.
        private mutating func send(_ side: Int) {
            guard let stream = sending[side].randomElement(using: &random) else { return }
            let bytes = [UInt8](repeating: UInt8(side), count: number(0...5000))
            let end = number(0...5)
            let fields = fields()
            func send(_ peer: inout TestPeer) -> Int {
                let taken = peer.send(bytes, on: stream, isEnd: end == 0)
                if end == 1 { peer.session.sendTrailers(Self.head(fields), on: stream, into: &peer.output) }
                return taken
            }
            let taken = side == 0 ? send(&client) : send(&server)
            let other = side == 0 ? send(&movedClient) : send(&movedServer)
            if taken != other { problems.append("windows differ: \(taken), \(other)") }
            if end == 1 || end == 0 && taken == bytes.count { sending[side].remove(stream) }
        }

        private mutating func release() {
            let count = number(1...4000)
            for stream in client.bodies.keys.sorted() {
                client.session.release(count, of: stream, into: &client.output)
            }
            for stream in client.bodies.keys.sorted() {
                movedClient.session.release(count, of: stream, into: &movedClient.output)
            }
            for stream in server.bodies.keys.sorted() {
                server.session.release(count, of: stream, into: &server.output)
            }
            for stream in server.bodies.keys.sorted() {
                movedServer.session.release(count, of: stream, into: &movedServer.output)
            }
        }

        private mutating func reset() {
            guard number(0...4) == 0, let stream = sending[number(0...1)].randomElement(using: &random) else { return }
            if number(0...1) == 0 {
                client.session.reset(stream, .cancel, into: &client.output)
                movedClient.session.reset(stream, .cancel, into: &movedClient.output)
            } else {
                server.session.reset(stream, .internalError, into: &server.output)
                movedServer.session.reset(stream, .internalError, into: &movedServer.output)
            }
            sending[0].remove(stream)
            sending[1].remove(stream)
            unanswered.remove(stream)
        }

        private mutating func drain() {
            server.session.drain(into: &server.output)
            movedServer.session.drain(into: &movedServer.output)
        }
    }
}
