import Buffers
import HTTP
import Testing

/// What is written, byte by byte.
struct EncoderTests {
    @Test func aRequestIsWrittenAsUnderstood() {
        let text =
            "POST http://b/x HTTP/1.0\r\nHost: a\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\n"
            + "Proxy-Connection: close\r\nTE: trailers;q=1, trailers\r\nA:1\r\nProxy-Authorization: p\r\nContent-Length: 3\r\nB: 2 \r\n\r\nabc"
        #expect(
            Self.forwarded(text, .length(3)) == "POST /x HTTP/1.1\r\nhost: b\r\nconnection: te\r\nte: trailers\r\n"
                + "content-length: 3\r\na:1\r\nproxy-authorization: p\r\nb: 2\r\n\r\n")
        #expect(
            Self.forwarded("GET / HTTP/1.0\r\n\r\n", .none) == "GET / HTTP/1.1\r\nhost: \r\n\r\n")
        #expect(
            Self.forwarded("CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n", .none)
                == "CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n")
    }

    @Test func anUpgradeIsAskedForOnlyWhenItIsWanted() {
        let text =
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n"
        #expect(
            Self.forwarded(text, .none, upgrade: true)
                == "GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\r\n"
        )
        #expect(Self.forwarded(text, .none) == "GET / HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n\r\n")
    }

    @Test(arguments: [
        (
            200, BodyFraming.length(7), HTTP1Encoder.ConnectionOption.keepAlive(announce: false),
            "200 OK\r\ncontent-length: 7\r\n"
        ),
        (
            200, .chunked, .keepAlive(announce: true),
            "200 OK\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n"
        ),
        (404, .untilClose, .close, "404 Not Found\r\nconnection: close\r\n"),
        (599, .none, .close, "599 \r\nconnection: close\r\ncontent-length: 9\r\n"),
        (304, .none, .keepAlive(announce: false), "304 Not Modified\r\ncontent-length: 9\r\n"),
        (204, .none, .keepAlive(announce: false), "204 No Content\r\n"),
        (103, .none, .keepAlive(announce: false), "103 Early Hints\r\n"),
    ])
    func responses(status: Int, framing: BodyFraming, connection: HTTP1Encoder.ConnectionOption, expected: String) {
        var head = MessageHeadTests.head(["content-length: 9", "keep-alive: 5", "server: x", "connection: close"])
        head.status = status
        let text = Self.output { HTTP1Encoder.response(head, framing: framing, connection: connection, into: &$0) }
        #expect(text == "HTTP/1.1 \(expected)server: x\r\n\r\n")
    }

    @Test func whatWasRemovedIsNotWritten() {
        var head = MessageHeadTests.head(["a: 1", "b: 2", "c: 3", "d: 4"])
        head.status = 200
        head.remove(named: Array("b".utf8).span)
        head.set(Array("a".utf8).span, Array("5".utf8).span)
        let text = Self.output {
            HTTP1Encoder.response(head, framing: .length(0), connection: .keepAlive(announce: false), into: &$0)
        }
        #expect(text == "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nc: 3\r\nd: 4\r\na: 5\r\n\r\n")
    }

    @Test func answersOfOurOwn() {
        func answer(_ status: Int, _ framing: BodyFraming) -> String {
            var head = MessageHead()
            head.status = status
            head.append(.contentType, "text/plain")
            return Self.output { HTTP1Encoder.response(head, framing: framing, connection: .close, into: &$0) }
        }
        #expect(
            answer(503, .length(2))
                == "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n\r\n"
        )
        #expect(
            answer(204, .none) == "HTTP/1.1 204 No Content\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n")
    }

    @Test func chunks() {
        let text = Self.output {
            HTTP1Encoder.chunk(Array("hello".utf8).span, into: &$0)
            HTTP1Encoder.chunk(Span(), into: &$0)
            HTTP1Encoder.chunkPrefix(count: 26, into: &$0)
            HTTP1Encoder.chunkSuffix(into: &$0)
            HTTP1Encoder.lastChunk(into: &$0)
            HTTP1Encoder.lastChunk(trailers: MessageHeadTests.head(["x: y"]), into: &$0)
        }
        #expect(text == "5\r\nhello\r\n1a\r\n\r\n0\r\n\r\n0\r\nx: y\r\n\r\n")
    }

    // MARK: - words

    private static func forwarded(_ text: String, _ framing: BodyFraming, upgrade: Bool = false) -> String {
        var decoder = HTTP1Decoder(.request)
        var head = MessageHead()
        var trailers = MessageHead()
        let event = decoder.next(Array(text.utf8).span, head: &head, trailers: &trailers)
        guard case .head = event else { return "\(event)" }
        return output { HTTP1Encoder.request(head, framing: framing, upgrade: upgrade, into: &$0) }
    }

    private static func output(_ write: (inout OutputBuffer) -> Void) -> String {
        var output = OutputBuffer(capacity: 1)
        write(&output)
        return unsafe output.withBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }
}
