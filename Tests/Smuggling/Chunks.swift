extension SmugglingVector {
    private static func chunked(_ body: String) -> String {
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\(body)"
    }

    /// Sizes and ends of chunks. The head is good, so it may be on its way already: the refusal is what counts.
    static let chunks: [SmugglingVector] = [
        .init("size in hexadecimal with a prefix", chunked("0x5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size with a plus", chunked("+5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size below zero", chunked("-1\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size behind a space", chunked(" 5\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size before a space", chunked("5 \r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size before a space and an extension", chunked("5 ;a\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size before a tab", chunked("5\t\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size with a separator", chunked("1_0\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size in quotes", chunked("\"5\"\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size missing", chunked("\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size missing before an extension", chunked(";a=b\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size of no digits", chunked("g\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size of 2^64 + 5", chunked("10000000000000005\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size of 2^64 - 1", chunked("ffffffffffffffff\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size with many zeros", chunked("00000000000000000005\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size with NUL", chunked("5\0\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size ended by LF", chunked("5\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("size ended by CR", chunked("5\rhello\r\n0\r\n\r\n"), .refused(400)),
        .init("extension ended by LF", chunked("5;a\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("extension with CR", chunked("5;a\rb\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("extension with a line break in quotes", chunked("5;a=\"\r\n\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("chunk longer than it says", chunked("4\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("chunk shorter than it says", chunked("6\r\nhello\r\n0\r\n\r\n"), .refused(400)),
        .init("chunk ended by LF", chunked("5\r\nhello\n0\r\n\r\n"), .refused(400)),
        .init("chunk ended by CR", chunked("5\r\nhello\r0\r\n\r\n"), .refused(400)),
        .init("chunk without an end", chunked("5\r\nhello0\r\n\r\n"), .refused(400)),
        .init("last chunk ended by LF", chunked("5\r\nhello\r\n0\n\r\n"), .refused(400)),
        .init("trailers ended by LF", chunked("0\r\nA: b\r\n\n"), .refused(400)),
        .init("trailer with a space before the colon", chunked("0\r\nA : b\r\n\r\n"), .refused(400)),
        .init("trailer folded", chunked("0\r\nA: b\r\n c\r\n\r\n"), .refused(400)),
        .init("trailer with NUL", chunked("0\r\nA: b\0\r\n\r\n"), .refused(400)),
        .init(
            "extensions without end", chunked("5;" + String(repeating: "a", count: 5000) + "\r\nhello\r\n0\r\n\r\n"),
            .refused(400)),
        .init(
            "trailers without end", chunked("0\r\n" + String(repeating: "A: b\r\n", count: 4000) + "\r\n"),
            .refused(431)),
    ]
}
