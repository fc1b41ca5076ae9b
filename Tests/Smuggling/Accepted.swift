extension SmugglingVector {
    private static let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n"

    private static func post(_ fields: String, _ body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    /// What is unusual but has one meaning only: as many requests as that meaning says.
    static let accepted: [SmugglingVector] = [
        .init("pipelined", next + next + next, .requests(3)),
        .init("body that looks like a request", post("Content-Length: \(next.utf8.count)", next) + next, .requests(2)),
        .init(
            "chunk that looks like a request",
            post("Transfer-Encoding: chunked", "\(String(next.utf8.count, radix: 16))\r\n\(next)\r\n0\r\n\r\n") + next,
            .requests(2)),
        .init("length with zeros", post("Content-Length: 005", "hello") + next, .requests(2)),
        .init("length with spaces around", post("Content-Length: \t 5 \t", "hello") + next, .requests(2)),
        .init("length without a space", post("Content-Length:5", "hello") + next, .requests(2)),
        .init("coding in other case", post("tRANSFER-eNCODING: Chunked", "0\r\n\r\n") + next, .requests(2)),
        .init(
            "length in a trailer", post("Transfer-Encoding: chunked", "0\r\nContent-Length: 99\r\n\r\n") + next,
            .requests(2)),
        .init("host in a trailer", post("Transfer-Encoding: chunked", "0\r\nHost: b\r\n\r\n") + next, .requests(2)),
        .init(
            "extensions", post("Transfer-Encoding: chunked", "5;a=\"b;c\"\r\nhello\r\n0;x\r\n\r\n") + next, .requests(2)
        ),
        .init(
            "size in upper case", post("Transfer-Encoding: chunked", "A\r\nhellohello\r\n0\r\n\r\n") + next,
            .requests(2)),
        .init(
            "size with a zero", post("Transfer-Encoding: chunked", "05\r\nhello\r\n000\r\n\r\n") + next, .requests(2)),
        .init("body for GET", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello" + next, .requests(2)),
        .init("empty line first", "\r\n\r\n" + next, .requests(1)),
        .init("empty line between", post("Content-Length: 5", "hello") + "\r\n" + next, .requests(2)),
        .init("target wins over host", "GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n" + next, .requests(2)),
        .init("underscore is no dash", post("Content_Length: 5", "") + next, .requests(2)),
        .init("two requests, one refused", next + "GET / HTTP/1.1\r\n\r\n", .requestsThenRefused(1, 400)),
        .init("bytes behind the body", post("Content-Length: 5", "helloworld"), .requests(1)),
        .init(
            "bytes behind the body that are refused", post("Content-Length: 5", "hello\0"), .requestsThenRefused(1, 400)
        ),
        .init(
            "upgrade to HTTP/2 is not forwarded",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade, http2-settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
                + next, .requests(2)),
        .init(
            "connection names credentials",
            "GET / HTTP/1.1\r\nHost: a\r\nConnection: cookie, authorization\r\nCookie: a=b\r\n\r\n" + next, .requests(2)
        ),
    ]
}
