import Buffers
import HTTP

/// Nanoseconds per message of the codecs, of each of their parts, for heads as they are in a mesh.
@main struct Codec {
    /// 335 bytes, ten fields: a request as browsers send it.
    static let request = Array(
        """
        GET /api/v2/carts/7d9f8c66?expand=items HTTP/1.1\r
        Host: cart.shop.svc.cluster.local\r
        User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r
        Accept: application/json\r
        Accept-Encoding: gzip, br\r
        Accept-Language: en-US\r
        Connection: keep-alive\r
        X-Request-Id: 0af7651916cd43dd\r
        X-B3-Sampled: 1\r
        Cache-Control: no-cache\r
        Cookie: session=b7ad6b7169203331\r
        \r

        """.utf8)
    static let response = Array(
        """
        HTTP/1.1 200 OK\r
        Server: nginx/1.22.1\r
        Date: Sat, 22 Nov 2025 19:40:00 GMT\r
        Content-Type: application/json; charset=utf-8\r
        Content-Length: 1024\r
        Last-Modified: Sat, 22 Nov 2025 19:00:00 GMT\r
        Connection: keep-alive\r
        ETag: "6921f3a0-400"\r
        Cache-Control: max-age=60\r
        X-Content-Type-Options: nosniff\r
        Accept-Ranges: bytes\r
        \r

        """.utf8)

    /// Short ones: the machine does other things, too, and the best batch is one that was left alone.
    static let batches = 2000

    static func main() {
        let rounds = CommandLine.arguments.dropFirst().first.flatMap { Int($0) } ?? 1_000
        print("request \(request.count) bytes, response \(response.count) bytes, best of \(batches) times \(rounds)")
        var head = MessageHead()
        var trailers = MessageHead()
        var output = OutputBuffer()
        report("decode request", rounds) {
            var decoder = HTTP1Decoder(.request)
            var sum = 0
            for _ in 0..<rounds {
                sum &+= consumed(decoder.next(request.span, head: &head, trailers: &trailers))
                sum &+= consumed(decoder.next(Span(), head: &head, trailers: &trailers))
            }
            precondition(sum == rounds * request.count)
        }
        report("normalize path", rounds) {
            for _ in 0..<rounds { precondition(head.normalizePath() == nil) }
        }
        report("encode request", rounds) {
            for _ in 0..<rounds {
                output.removeAll()
                HTTP1Encoder.request(head, framing: .none, upgrade: false, into: &output)
            }
        }
        report("decode response", rounds) {
            var decoder = HTTP1Decoder(.response)
            var sum = 0
            for _ in 0..<rounds {
                decoder.expectResponse(toHead: true, toConnect: false)
                sum &+= consumed(decoder.next(response.span, head: &head, trailers: &trailers))
                sum &+= consumed(decoder.next(Span(), head: &head, trailers: &trailers))
            }
            precondition(sum == rounds * response.count)
        }
        report("encode response", rounds) {
            for _ in 0..<rounds {
                output.removeAll()
                HTTP1Encoder.response(
                    head, framing: .length(1024), connection: .keepAlive(announce: false), into: &output)
            }
        }
        HTTP2Steps().run(rounds)
    }

    private static func consumed(_ event: HTTP1Event) -> Int {
        switch event {
        case .head(let consumed), .end(let consumed): consumed
        default: preconditionFailure("\(event)")
        }
    }

    private static func report(_ name: String, _ rounds: Int, _ body: () -> Void) {
        let clock = ContinuousClock()
        let best = (0..<batches).map { _ in clock.measure(body) }.min() ?? .zero
        let picoseconds =
            (best.components.seconds * 1_000_000_000_000 + best.components.attoseconds / 1_000_000) / Int64(rounds)
        print("\(name): \(picoseconds / 1000).\(picoseconds % 1000 / 100) ns")
    }
}
