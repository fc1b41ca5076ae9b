import HTTP
import HTTPChecks
import Testing

/// What a session makes of bytes, whole and split at every place.
struct HTTP2SplitTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        var role = HTTP2Session.Role.server
        let bytes: [UInt8]
        let lines: [String]
        var testDescription: String { name }
    }

    private static let start = HTTP2Bytes.clientStart
    private static let server = HTTP2Bytes.frame(4)
    private static let cookies = HTTP2Bytes.fields([("cookie", "a=1"), ("x", "y"), ("cookie", "b=2"), ("cookie", "c")])
    private static let length = HTTP2Bytes.fields([("content-length", "5")])
    private static let connect = [(":method", "CONNECT"), (":authority", "a:443")]
    private static let socket = [
        (":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/chat"),
        (":authority", "a"), ("sec-websocket-version", "13"),
    ]
    private static let ok = HTTP2Bytes.fields([(":status", "200"), ("server", "s")])
    private static let getLine = #"get "GET" path "/" authority "a""#
    private static let postLine = #"post "POST" path "/" authority "a""#

    static let samples: [Sample] = [
        Sample(name: "nothing", bytes: start, lines: ["0 bytes left"]),
        Sample(
            name: "get", bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.get),
            lines: ["head 1 tag 0 none end \(getLine) []", "0 bytes left"]),
        Sample(
            name: "two at a time",
            bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.post, flags: 4)
                + HTTP2Bytes.headers(3, HTTP2Bytes.post + length, flags: 4) + HTTP2Bytes.data(3, Array("hel".utf8))
                + HTTP2Bytes.data(1, Array("one".utf8), flags: 1) + HTTP2Bytes.data(3, Array("lo".utf8), flags: 1),
            lines: [
                "head 1 tag 0 chunked \(postLine) []",
                #"head 3 tag 0 length(5) \#(postLine) [contentLength "content-length"="5"]"#, #"body 3 "hel""#,
                #"body 1 "one""#, "end 1 tag 1001", #"body 3 "lo""#, "end 3 tag 1003", "0 bytes left",
            ]),
        Sample(
            name: "padding everywhere",
            bytes: start + HTTP2Bytes.headers(1, [3] + HTTP2Bytes.post + [0, 0, 0], flags: 4 | 8)
                + HTTP2Bytes.data(1, [5] + Array("abc".utf8) + [0, 0, 0, 0, 0], flags: 8)
                + HTTP2Bytes.data(1, [2, 0, 0], flags: 8) + HTTP2Bytes.data(1, [0] + Array("d".utf8), flags: 8 | 1),
            lines: [
                "head 1 tag 0 chunked \(postLine) []", #"body 1 "abcd""#, "end 1 tag 1001", "0 bytes left",
            ]),
        Sample(
            name: "a block in three frames, with priority",
            bytes: start + HTTP2Bytes.headers(1, [0, 0, 0, 0, 9] + HTTP2Bytes.get.prefix(5), flags: 1 | 32)
                + HTTP2Bytes.frame(9, stream: 1)
                + HTTP2Bytes.frame(9, flags: 4, stream: 1, Array(HTTP2Bytes.get[5...])),
            lines: ["head 1 tag 0 none end \(getLine) []", "0 bytes left"]),
        Sample(
            name: "trailers",
            bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.post, flags: 4) + HTTP2Bytes.data(1, Array("x".utf8))
                + HTTP2Bytes.headers(1, HTTP2Bytes.fields([("grpc-status", "0"), ("host", "b")])),
            lines: [
                "head 1 tag 0 chunked \(postLine) []", #"body 1 "x""#,
                #"trailers 1 tag 1001 [grpcStatus "grpc-status"="0"]"#, "0 bytes left",
            ]),
        Sample(
            name: "crumbs of cookies", bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.get + cookies),
            lines: [
                #"head 1 tag 0 none end \#(getLine) [cookie "cookie"="a=1; b=2; c", other "x"="y"]"#, "0 bytes left",
            ]),
        Sample(
            name: "connect", bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.fields(connect), flags: 4),
            lines: [#"head 1 tag 0 chunked connect "CONNECT" path - authority "a:443" []"#, "0 bytes left"]),
        Sample(
            name: "extended connect", bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.fields(socket), flags: 4),
            lines: [
                #"head 1 tag 0 chunked connect "CONNECT" path "/chat" authority "a" protocol "websocket" "#
                    + #"[other "sec-websocket-version"="13", upgrade! "upgrade"="websocket"]"#, "0 bytes left",
            ]),
        Sample(
            name: "host stands in",
            bytes: start
                + HTTP2Bytes.headers(
                    1,
                    HTTP2Bytes.fields([(":method", "OPTIONS"), (":scheme", "http"), (":path", "*"), ("host", "h:1")])),
            lines: [
                #"head 1 tag 0 none end options "OPTIONS" path "*" authority "h:1" [host "host"="h:1"]"#,
                "0 bytes left",
            ]),
        Sample(
            name: "control frames",
            bytes: start + HTTP2Bytes.frame(6, [1, 2, 3, 4, 5, 6, 7, 8])
                + HTTP2Bytes.frame(2, stream: 7, [0, 0, 0, 0, 1])
                + HTTP2Bytes.frame(0x77, flags: 255, stream: 5, [1, 2, 3]) + HTTP2Bytes.windowUpdate(0, 1000)
                + HTTP2Bytes.frame(4, flags: 1) + HTTP2Bytes.frame(7, [0, 0, 0, 0, 0, 0, 0, 2, 65])
                + HTTP2Bytes.headers(1, HTTP2Bytes.get),
            lines: ["goaway 0 code 2", "head 1 tag 0 none end \(getLine) []", "0 bytes left"]),
        Sample(
            name: "responses", role: .client,
            bytes: server + HTTP2Bytes.headers(1, HTTP2Bytes.fields([(":status", "103")]), flags: 4)
                + HTTP2Bytes.headers(1, ok + length, flags: 4) + HTTP2Bytes.data(1, Array("hello".utf8), flags: 1)
                + HTTP2Bytes.headers(3, ok + length) + HTTP2Bytes.reset(5, 8),
            lines: [
                "head 1 tag 10 none 103 []",
                #"head 1 tag 10 length(5) 200 [server "server"="s", contentLength "content-length"="5"]"#,
                #"body 1 "hello""#, "end 1 tag 10",
                #"head 3 tag 11 none end 200 [server "server"="s", contentLength "content-length"="5"]"#,
                "reset 5 tag 12 code 8", "0 bytes left",
            ]),
        Sample(
            name: "refused", bytes: Array("GET / HTTP/1.1\r\n".utf8), lines: ["violation badPreface protocolError"]),
        Sample(
            name: "a stream error stays in the stream",
            bytes: start + HTTP2Bytes.headers(1, HTTP2Bytes.fields([(":method", "GET")]), flags: 4)
                + HTTP2Bytes.data(1, [1, 2, 3], flags: 1) + HTTP2Bytes.headers(3, HTTP2Bytes.get),
            lines: [
                "reset 1 tag 0 code 1 missingPseudoField", "head 3 tag 0 none end \(getLine) []", "0 bytes left",
            ]),
    ]

    @Test(arguments: samples) func whole(_ sample: Sample) {
        #expect(HTTP2Transcript(sample.role, sample.bytes).lines == sample.lines)
    }

    @Test(arguments: samples) func splitAtEveryByte(_ sample: Sample) {
        let singles = sample.bytes.indices.map { [$0] } + [Array(sample.bytes.indices)]
        let problem = HTTP2Checks.session(sample.role, sample.bytes, splits: singles)
        #expect(problem == nil)
    }

    @Test func everySplitOfThePrefaceWithWrongBytes() {
        for index in 0..<24 {
            var bytes = Self.start
            bytes[index] ^= 1
            let transcript = HTTP2Transcript(.server, bytes, splits: Array(0..<24))
            #expect(transcript.violation?.kind == .badPreface, "byte \(index)")
        }
    }
}
