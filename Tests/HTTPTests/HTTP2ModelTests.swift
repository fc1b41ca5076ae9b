import Buffers
import HTTP
import HTTPChecks
import Testing

/// A client's and a server's session that talk to each other at random, over a wire that cuts anywhere: what is sent arrives,
/// windows hold, and all streams end.
struct HTTP2ModelTests {
    @Test(arguments: 0..<6) func whatIsSentArrives(round: Int) {
        let seed = UInt64.random(in: 0...UInt64.max)
        var model = Model(seed)
        for _ in 0..<1000 { model.step() }
        model.finish()
        #expect(model.problems == [], "seed \(seed)")
        #expect(model.done > 5, "seed \(seed): \(model.done) exchanges")
        #expect(model.client.session.streamCount == 0 && model.server.session.streamCount == 0, "seed \(seed)")
    }

    private struct Model: ~Copyable {
        var client: TestPeer
        var server: TestPeer
        var random: SeededRandom
        /// What is on the wire.
        var toServer: [UInt8] = []
        var toClient: [UInt8] = []
        /// By stream: what each side has sent, and of that still to send; what was passed on.
        var sent: [[UInt32: [UInt8]]] = [[:], [:]]
        var left: [[UInt32: [UInt8]]] = [[:], [:]]
        var released: [[UInt32: Int]] = [[:], [:]]
        var resets: Set<UInt32> = []
        var done = 0
        var problems: [String] = []

        init(_ seed: UInt64) {
            random = SeededRandom(seed)
            var limits = HTTP2Limits()
            limits.streamWindow = Int.random(in: 500...100_000, using: &random)
            limits.connectionWindow = Int.random(in: 65535...300_000, using: &random)
            limits.concurrentStreams = Int.random(in: 1...20, using: &random)
            limits.headerTableBytes = [0, 100, 4096, 10000].randomElement(using: &random) ?? 0
            client = TestPeer(.client, limits: limits)
            server = TestPeer(.server, limits: limits)
        }

        mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

        mutating func step() {
            switch number(0...9) {
            case 0: open()
            case 1: respond()
            case 2, 3: send(from: 0)
            case 4, 5: send(from: 1)
            case 6: release()
            case 7: if number(0...9) == 0 { reset() }
            default: move(all: false)
            }
        }

        /// Sends the rest of everything.
        mutating func finish() {
            for _ in 0..<4000 where client.session.streamCount + server.session.streamCount > 0 || isBusy {
                move(all: true)
                respond()
                for side in 0...1 { send(from: side) }
                release()
            }
            for stream in sent[0].keys where !resets.contains(stream) {
                if server.bodies[stream] ?? [] != sent[0][stream] { problems.append("request body \(stream)") }
                if client.bodies[stream] ?? [] != sent[1][stream] { problems.append("response body \(stream)") }
            }
            for line in client.lines + server.lines where line.hasPrefix("violation") { problems.append(line) }
            let ours = (client.lines + server.lines).filter {
                $0.hasPrefix("reset") && $0.split(separator: " ").count > 6
            }
            problems += ours
        }

        var isBusy: Bool { !toServer.isEmpty || !toClient.isEmpty || !client.output.isEmpty || !server.output.isEmpty }

        mutating func body() -> [UInt8] {
            let count = [0, 1, 100, 5_000, 60_000].randomElement(using: &random) ?? 0
            return (0..<(count == 0 ? 0 : number(1...count))).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        }

        mutating func open() {
            guard let stream = client.session.open(tag: 77) else { return }
            let body = body()
            var head = MessageHead()
            head.setMethod(Array(["GET", "POST", "PUT"].randomElement(using: &random)?.utf8 ?? "GET".utf8).span)
            head.setPath(Array("/\(stream)".utf8).span)
            head.setAuthority(Array("a".utf8).span)
            fill(&head)
            let framing: BodyFraming = number(0...1) == 0 ? .length(body.count) : .chunked
            client.session.sendRequest(
                head, on: stream, framing: framing, isEnd: body.isEmpty, into: &client.output)
            sent[0][stream] = body
            if !body.isEmpty { left[0][stream] = body }
        }

        mutating func fill(_ head: inout MessageHead) {
            for _ in 0..<number(0...8) {
                let value = Array(String(repeating: "v\(number(0...5))", count: number(0...30)).utf8)
                head.append(Array("x-\(number(0...9))".utf8).span, value.span)
            }
        }

        /// The server answers what it has the head of.
        mutating func respond() {
            let asked = server.lines.filter { $0.hasPrefix("head") }.compactMap { UInt32($0.split(separator: " ")[1]) }
            for stream in asked where sent[1][stream] == nil && server.session.tag(stream) != nil {
                if number(0...4) == 0 { server.respond(stream, 103, isEnd: false) }
                let body = body()
                var head = MessageHead()
                head.status = 200
                fill(&head)
                server.session.sendResponse(
                    head, on: stream, framing: .chunked, isEnd: body.isEmpty, into: &server.output)
                sent[1][stream] = body
                if !body.isEmpty { left[1][stream] = body }
                done += 1
            }
        }

        /// Some of a body, as far as the window goes; trailers at the end, sometimes.
        mutating func send(from side: Int) {
            for (stream, bytes) in left[side] {
                let isLast = number(0...3) == 0
                let count = isLast ? bytes.count : min(number(1...30_000), bytes.count)
                let hasTrailers = number(0...3) == 0
                let isEnd = count == bytes.count && !hasTrailers
                let taken =
                    side == 0
                    ? client.send(Array(bytes.prefix(count)), on: stream, isEnd: isEnd)
                    : server.send(Array(bytes.prefix(count)), on: stream, isEnd: isEnd)
                if taken < bytes.count {
                    left[side][stream] = Array(bytes[taken...])
                    continue
                }
                left[side][stream] = nil
                guard hasTrailers else { continue }
                var trailers = MessageHead()
                fill(&trailers)
                if side == 0 {
                    client.session.sendTrailers(trailers, on: stream, into: &client.output)
                } else {
                    server.session.sendTrailers(trailers, on: stream, into: &server.output)
                }
            }
        }

        /// Both sides pass on some of what they have.
        mutating func release() {
            for (stream, body) in server.bodies {
                let count = min(body.count - released[0][stream, default: 0], number(0...50_000))
                server.session.release(count, of: stream, into: &server.output)
                released[0][stream, default: 0] += count
            }
            for (stream, body) in client.bodies {
                let count = min(body.count - released[1][stream, default: 0], number(0...50_000))
                client.session.release(count, of: stream, into: &client.output)
                released[1][stream, default: 0] += count
            }
        }

        mutating func reset() {
            var open: [UInt32] = []
            client.session.forEachStream { stream, _ in open.append(stream) }
            guard let stream = open.randomElement(using: &random) else { return }
            resets.insert(stream)
            // The server may not know of it yet.
            if number(0...1) == 0 || server.session.tag(stream) == nil {
                client.session.reset(stream, .cancel, into: &client.output)
            } else {
                server.session.reset(stream, .internalError, into: &server.output)
            }
            for side in 0...1 { left[side][stream] = nil }
        }

        /// Bytes arrive, some or all.
        mutating func move(all: Bool) {
            toServer += client.take()
            toClient += server.take()
            let (up, down) = (all ? toServer.count : number(0...40_000), all ? toClient.count : number(0...40_000))
            server.feed(Array(toServer.prefix(up)))
            client.feed(Array(toClient.prefix(down)))
            toServer.removeFirst(min(up, toServer.count))
            toClient.removeFirst(min(down, toClient.count))
        }
    }
}
