import HTTP
import HTTPChecks
import Testing

/// Responses, and what the decoder makes of them.
struct ResponseDecoderTests {
    struct Sample: Sendable, CustomTestStringConvertible {
        let name: String
        let text: String
        var answers = [Transcript.Answer()]
        let lines: [String]
        var testDescription: String { name }
    }

    private static let wait = ["0 bytes left, between messages: true", "end of input: clean"]
    private static let keeps = "keeps true continue false tunnel false"

    static let samples: [Sample] = [
        Sample(
            name: "length", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
            lines: [
                #"200 "OK" 1.1 length(2) \#(keeps) [contentLength "content-length"="2"]"#, #"body "hi""#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "until close", text: "HTTP/1.1 200\r\nServer: x\r\n\r\nhi",
            lines: [
                #"200 "" 1.1 untilClose keeps false continue false tunnel false [server "server"="x"]"#, #"body "hi""#,
                "0 bytes left, between messages: false", "end of input: endOfBody",
            ]),
        Sample(
            name: "nothing", text: "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n",
            lines: [
                #"200 "" 1.1 length(0) \#(keeps) [contentLength "content-length"="0"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "chunks",
            text:
                "HTTP/1.1 200 Very \u{e9}ood\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nGrpc-Status: 0\r\n\r\n",
            lines: [
                #"200 "Very éood" 1.1 chunked \#(keeps) [transferEncoding! "transfer-encoding"="chunked"]"#,
                #"body "hi""#, #"end, trailers: [grpcStatus "grpc-status"="0"]"#,
            ] + wait),
        Sample(
            name: "answer to HEAD",
            text: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 1\r\n\r\nx",
            answers: [.init(toHead: true), .init()],
            lines: [
                #"200 "OK" 1.1 none \#(keeps) [contentLength "content-length"="5"]"#, "end, trailers: []",
                #"404 "No" 1.1 length(1) \#(keeps) [contentLength "content-length"="1"]"#, #"body "x""#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "no body",
            text: "HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nHTTP/1.1 304 No\r\nContent-Length: 5\r\n\r\n",
            answers: [.init(), .init()],
            lines: [
                #"204 "No" 1.1 none \#(keeps) [contentLength "content-length"="5"]"#, "end, trailers: []",
                #"304 "No" 1.1 none \#(keeps) [contentLength "content-length"="5"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "interim",
            text:
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            lines: [
                #"100 "Continue" 1.1 none \#(keeps) []"#, #"103 "Hints" 1.1 none \#(keeps) [other "link"="a"]"#,
                #"200 "OK" 1.1 length(0) \#(keeps) [contentLength "content-length"="0"]"#, "end, trailers: []",
            ] + wait),
        Sample(
            name: "HTTP/1.0",
            text:
                "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
            answers: [.init(), .init()],
            lines: [
                #"200 "OK" 1.0 length(0) \#(keeps) [connection! "connection"="keep-alive", contentLength "content-length"="0"]"#,
                "end, trailers: []",
                #"200 "OK" 1.0 length(0) keeps false continue false tunnel false [contentLength "content-length"="0"]"#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "other protocol",
            text: "HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\u{1}\u{2}",
            answers: [.init(toUpgrade: true)],
            lines: [
                #"101 "Go" 1.1 none keeps false continue false tunnel true [connection! "connection"="upgrade", upgrade! "upgrade"="websocket"]"#,
                #"body "\u{01}\u{02}""#, "0 bytes left, between messages: false", "end of input: clean",
            ]),
        Sample(
            name: "connected", text: "HTTP/1.1 200 Go\r\nContent-Length: 7\r\n\r\nbytes",
            answers: [.init(toConnect: true)],
            lines: [
                #"200 "Go" 1.1 none keeps false continue false tunnel true [contentLength "content-length"="7"]"#,
                #"body "bytes""#, "0 bytes left, between messages: false", "end of input: clean",
            ]),
        Sample(
            name: "not connected", text: "HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno",
            answers: [.init(toConnect: true)],
            lines: [
                #"403 "No" 1.1 length(2) \#(keeps) [contentLength "content-length"="2"]"#, #"body "no""#,
                "end, trailers: []",
            ] + wait),
        Sample(
            name: "too much", text: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhigh",
            lines: [
                #"200 "OK" 1.1 length(2) \#(keeps) [contentLength "content-length"="2"]"#, #"body "hi""#,
                "end, trailers: []", "refused: unexpectedResponse 502 at 0",
            ]),
        Sample(
            name: "ends in the head", text: "HTTP/1.1 200 OK\r\n",
            lines: ["0 bytes left, between messages: false", "end of input: truncated"]),
        Sample(
            name: "ends behind an interim head", text: "HTTP/1.1 100 Continue\r\n\r\n",
            lines: [
                #"100 "Continue" 1.1 none \#(keeps) []"#, "0 bytes left, between messages: false",
                "end of input: truncated",
            ]),
    ]

    @Test(arguments: samples) func responses(_ sample: Sample) {
        #expect(Transcript.responses(Array(sample.text.utf8), to: sample.answers).lines == sample.lines)
    }

    @Test(arguments: samples) func splitAtEveryByte(_ sample: Sample) {
        let bytes = Array(sample.text.utf8)
        let singles = bytes.indices.map { [$0] } + [Array(bytes.indices)]
        #expect(Checks.responses(bytes, to: sample.answers, splits: singles) == nil)
    }

    @Test(arguments: [
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Violation.Kind.lengthAndTransferEncoding
        ),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", .repeatedLength),
        ("HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", .invalidLength),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n", .invalidTransferEncoding),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", .unsupportedTransferEncoding),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", .transferEncodingInHTTP10),
        ("HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", .bareLineFeed),
        ("HTTP/1.1 200 O\0K\r\n\r\n", .controlCharacter),
        ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", .obsoleteFold),
        ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", .spaceBeforeColon),
        ("HTTP/1.1 20 OK\r\n\r\n", .malformedStatus), ("HTTP/1.1 2000 OK\r\n\r\n", .malformedStatus),
        ("HTTP/1.1 099 OK\r\n\r\n", .malformedStatus), ("HTTP/1.1 2x0 OK\r\n\r\n", .malformedStatus),
        ("HTTP/1.1  200 OK\r\n\r\n", .malformedStatus), ("HTTP/1.1\r\n\r\n", .malformedStartLine),
        ("HTTP/1.2 200 OK\r\n\r\n", .unsupportedVersion), ("HTTP/2 200 OK\r\n\r\n", .malformedVersion),
        ("<html>\r\n\r\n", .malformedVersion), ("\r\nHTTP/1.1 200 OK\r\n\r\n", .malformedStartLine),
        ("HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n", .unexpectedUpgrade),
        ("HTTP/1.1 200 OK\r\nConnection: content-length\r\n\r\n", .connectionNamesFraming),
        (String(repeating: "HTTP/1.1 100 Continue\r\n\r\n", count: 17), .tooManyInterimResponses),
    ])
    func refused(text: String, kind: Violation.Kind) {
        let transcript = Transcript.responses(Array(text.utf8), to: [.init()])
        #expect(transcript.violation?.kind == kind && transcript.violation?.status == 502, "\(transcript.lines)")
        #expect(
            Checks.responses(
                Array(text.utf8), to: [.init()], splits: text.utf8.indices.enumerated().map { [$0.offset] }) == nil)
    }

    @Test func nothingIsReadThatNobodyHasAskedFor() {
        let transcript = Transcript.responses(Array("HTTP/1.1 200 OK\r\n\r\n".utf8), to: [])
        #expect(transcript.violation?.kind == .unexpectedResponse)
    }
}
