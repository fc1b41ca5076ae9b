import HTTP
import HTTPChecks
import Testing

/// Requests, and what the decoder makes of them.
struct RequestDecoderTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        let lines: [String]
        var testDescription: String { name }
    }

    private static let wait = ["0 bytes left, between messages: true", "end of input: clean"]
    private static let keeps = "keeps true continue false upgrade false"

    static let samples: [Sample] = [
        Sample(
            name: "plain", text: "GET /a?b=c HTTP/1.1\r\nHost: shop:80\r\nX-Y:  z \r\n\r\n",
            lines: [
                #"get "GET" path "/a?b=c" authority "shop:80" 1.1 none \#(keeps) [host "host"="shop:80", other "x-y"="z"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "length", text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            lines: [
                #"post "POST" path "/" authority "a" 1.1 length(5) \#(keeps) [host "host"="a", contentLength "content-length"="5"]"#,
                #"body "hello""#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "chunks",
            text: "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: x\r\n\r\n"
                + "5;n=\"v\"\r\nhello\r\n6\r\n world\r\n0\r\nX: 1\r\nContent-Length: 7\r\n\r\n",
            lines: [
                #"put "PUT" path "/" authority "a" 1.1 chunked \#(keeps) [host "host"="a", "#
                    + #"transferEncoding! "transfer-encoding"="chunked", trailer "trailer"="x"]"#,
                #"body "hello world""#, #"end, trailers: [other "x"="1"]"#,
            ] + wait),
        Sample(
            name: "HTTP/1.0", text: "GET / HTTP/1.0\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority - 1.0 none keeps false continue false upgrade false []"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "HTTP/1.0 that stays", text: "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority - 1.0 none \#(keeps) [connection! "connection"="Keep-Alive"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "close", text: "GET / HTTP/1.1\r\nHost:\r\nConnection: x, CLOSE\r\nX: 1\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority "" 1.1 none keeps false continue false upgrade false "#
                    + #"[host "host"="", connection! "connection"="x, CLOSE", other! "x"="1"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "absolute", text: "GET HTTP://[::1]:80?q HTTP/1.1\r\nHost: other\r\n\r\n",
            lines: [
                #"get "GET" path "/?q" authority "[::1]:80" 1.1 none \#(keeps) [host "host"="other"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "absolute with a path", text: "GET https://a.b/c/d HTTP/1.1\r\nHost: a.b\r\n\r\n",
            lines: [
                #"get "GET" path "/c/d" authority "a.b" 1.1 none \#(keeps) [host "host"="a.b"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "options for the server", text: "OPTIONS http://a HTTP/1.1\r\nHost: a\r\n\r\n",
            lines: [
                #"options "OPTIONS" path "*" authority "a" 1.1 none \#(keeps) [host "host"="a"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "asterisk", text: "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
            lines: [
                #"options "OPTIONS" path "*" authority "a" 1.1 none \#(keeps) [host "host"="a"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "connect", text: "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
            lines: [
                #"connect "CONNECT" path - authority "a:443" 1.1 none \#(keeps) [host "host"="a:443"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "continue", text: "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\nx",
            lines: [
                #"post "POST" path "/" authority "a" 1.1 length(1) keeps true continue true upgrade false "#
                    + #"[host "host"="a", expect "expect"="100-Continue", contentLength "content-length"="1"]"#,
                #"body "x""#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "websocket",
            text: "GET /w HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n",
            lines: [
                #"get "GET" path "/w" authority "a" 1.1 none keeps true continue false upgrade true [host "host"="a", "#
                    + #"connection! "connection"="keep-alive, upgrade", upgrade! "upgrade"="websocket"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "h2c", text: "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority "a" 1.1 none \#(keeps) [host "host"="a", "#
                    + #"connection! "connection"="upgrade", upgrade! "upgrade"="h2c"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "pipelined", text: "\r\nget / HTTP/1.1\r\nHost: a\r\n\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\nGE",
            lines: [
                #"other "get" path "/" authority "a" 1.1 none \#(keeps) [host "host"="a"]"#, "end, trailers: []",
                #"head "HEAD" path "/" authority "a" 1.1 none \#(keeps) [host "host"="a"]"#, "end, trailers: []",
                "2 bytes left, between messages: false", "end of input: truncated",
            ]),
        Sample(
            name: "credentials named by connection",
            text:
                "GET / HTTP/1.1\r\nHost: a\r\nConnection: cookie, x-a\r\nCookie: b\r\nX-A: c\r\nTE: trailers, gzip\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority "a" 1.1 none \#(keeps) [host "host"="a", "#
                    + #"connection! "connection"="cookie, x-a", cookie "cookie"="b", other! "x-a"="c", "#
                    + #"te! "te"="trailers, gzip"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "names and values of all kinds",
            text: "GET / HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09Az: \"\u{e9}\"\tx\r\nempty:\r\nA: \t\r\n\r\n",
            lines: [
                #"get "GET" path "/" authority "a" 1.1 none \#(keeps) [host "host"="a", "#
                    + #"other "!#$%&\'*+-.^_`|~09az"="\"é\"\tx", other "empty"="", other "a"=""]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "ends in the head", text: "GET / HTTP/1.1\r\nHost: a\r\n",
            lines: ["0 bytes left, between messages: false", "end of input: truncated"]),
        Sample(
            name: "ends in the body", text: "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhello",
            lines: [
                #"post "POST" path "/" authority "a" 1.1 length(9) \#(keeps) [host "host"="a", contentLength "content-length"="9"]"#,
                #"body "hello""#, "0 bytes left, between messages: false", "end of input: truncated",
            ]),
    ]

    @Test(arguments: samples) func requests(_ sample: Sample) {
        #expect(Transcript.requests(Array(sample.text.utf8)).lines == sample.lines)
    }

    @Test(arguments: samples) func splitAtEveryByte(_ sample: Sample) {
        let bytes = Array(sample.text.utf8)
        let singles = bytes.indices.map { [$0] } + [Array(bytes.indices)]
        #expect(Checks.requests(bytes, splits: singles) == nil)
    }

    @Test func splitAnywhere() {
        let bytes = Self.samples.filter { !$0.name.hasPrefix("ends") && $0.name != "pipelined" }
            .flatMap { Array($0.text.utf8) }
        let seed = UInt64.random(in: 0...UInt64.max)
        var random = SeededRandom(seed)
        let splits = (0..<50).map { _ in
            (0..<Int.random(in: 1...40, using: &random)).map { _ in Int.random(in: 0...bytes.count, using: &random) }
                .sorted()
        }
        #expect(Checks.requests(bytes, splits: splits) == nil, "seed \(seed)")
    }

    /// Quadratic work would take minutes: 64 KiB in a line, one byte at a time.
    @Test(.timeLimit(.minutes(1))) func aLongLineByteByByte() {
        let bytes = Array("GET / HTTP/1.1\r\nHost: a\r\nX: \(String(repeating: "y", count: 60_000))\r\n\r\n".utf8)
        let split = Transcript.requests(bytes, splits: Array(bytes.indices))
        #expect(split == Transcript.requests(bytes) && split.ends == 1)
    }

    @Test func expectationsAreSaidOnceAndViolationsAlways() {
        var decoder = HTTP1Decoder(.request)
        var head = MessageHead()
        var trailers = MessageHead()
        let bytes = Array("GET /\r\n\r\n".utf8)
        for _ in 0..<3 {
            let event = decoder.next(bytes.span, head: &head, trailers: &trailers)
            guard case .violation(let violation) = event else {
                Issue.record("\(event)")
                return
            }
            #expect(violation.kind == .malformedStartLine && violation.offset == 5 && violation.status == 400)
        }
        #expect(!decoder.keepsAlive && decoder.endOfInput() == .truncated)
    }
}

/// Small and repeatable (SplitMix64).
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64
    init(_ seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
        return mixed ^ (mixed >> 31)
    }
}
