extension SmugglingVector {
    private static func post(_ fields: String, _ body: String = "hello") -> String {
        "POST / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n\(body)"
    }

    /// Where the body ends.
    static let framing: [SmugglingVector] = [
        .init("CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked", "0\r\n\r\nG"), .refused(400)),
        .init("TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 4", "5c\r\nGPOST"), .refused(400)),
        .init("CL.TE, zero length", post("Content-Length: 0\r\nTransfer-Encoding: chunked", ""), .refused(400)),
        .init("CL.CL, different", post("Content-Length: 5\r\nContent-Length: 6"), .refused(400)),
        .init("CL.CL, equal", post("Content-Length: 5\r\nContent-Length: 5"), .refused(400)),
        .init("length as a list", post("Content-Length: 5, 5"), .refused(400)),
        .init("length as a list of different ones", post("Content-Length: 5,6"), .refused(400)),
        .init("length with a plus", post("Content-Length: +5"), .refused(400)),
        .init("length below zero", post("Content-Length: -1"), .refused(400)),
        .init("length in hexadecimal", post("Content-Length: 0x5"), .refused(400)),
        .init("length with an exponent", post("Content-Length: 5e0"), .refused(400)),
        .init("length with a fraction", post("Content-Length: 5.0"), .refused(400)),
        .init("length with a separator", post("Content-Length: 5_0"), .refused(400)),
        .init("length with a space inside", post("Content-Length: 1 0"), .refused(400)),
        .init("length with a letter behind", post("Content-Length: 5a"), .refused(400)),
        .init("length with a semicolon", post("Content-Length: 5;"), .refused(400)),
        .init("length in quotes", post("Content-Length: \"5\""), .refused(400)),
        .init("length empty", post("Content-Length:"), .refused(400)),
        .init("length of 2^63", post("Content-Length: 9223372036854775808"), .refused(400)),
        .init("length of 2^64 + 5", post("Content-Length: 18446744073709551621"), .refused(400)),
        .init("length of 2^32 + 5 with zeros", post("Content-Length: 0000000000000000004294967301"), .refused(400)),
        .init("length in other digits", post("Content-Length: \u{665}"), .refused(400)),
        .init("length behind a vertical tab", post("Content-Length: \u{b}5"), .refused(400)),
        .init("length with NUL", post("Content-Length: 5\0"), .refused(400)),
        .init(
            "TE.TE, twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", "0\r\n\r\n"), .refused(400)
        ),
        .init(
            "TE.TE, second is identity", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", "0\r\n\r\n"),
            .refused(400)),
        .init(
            "TE.TE, second unknown", post("Transfer-Encoding: chunked\r\nTransfer-encoding: cow", "0\r\n\r\n"),
            .refused(400)),
        .init("coding twice in a list", post("Transfer-Encoding: chunked, chunked", "0\r\n\r\n"), .refused(400)),
        .init("coding before chunked", post("Transfer-Encoding: gzip, chunked", "0\r\n\r\n"), .refused(501)),
        .init("coding behind chunked", post("Transfer-Encoding: chunked, identity", "0\r\n\r\n"), .refused(400)),
        .init("identity only", post("Transfer-Encoding: identity"), .refused(400)),
        .init("gzip only", post("Transfer-Encoding: gzip"), .refused(400)),
        .init("coding misspelt", post("Transfer-Encoding: xchunked", "0\r\n\r\n"), .refused(400)),
        .init("coding with a parameter", post("Transfer-Encoding: chunked;q=1", "0\r\n\r\n"), .refused(400)),
        .init("coding in quotes", post("Transfer-Encoding: \"chunked\"", "0\r\n\r\n"), .refused(400)),
        .init("coding empty", post("Transfer-Encoding:"), .refused(400)),
        .init("coding behind a vertical tab", post("Transfer-Encoding:\u{b}chunked", "0\r\n\r\n"), .refused(400)),
        .init("coding behind a form feed", post("Transfer-Encoding:\u{c}chunked", "0\r\n\r\n"), .refused(400)),
        .init("coding with NUL", post("Transfer-Encoding: chunked\0", "0\r\n\r\n"), .refused(400)),
        .init("coding with a byte above ASCII", post("Transfer-Encoding: \u{e9}chunked", "0\r\n\r\n"), .refused(400)),
        .init("coding in a folded line", post("Transfer-Encoding:\r\n chunked", "0\r\n\r\n"), .refused(400)),
        .init(
            "chunks in HTTP/1.0", "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            .refused(400)),
        .init(
            "body for CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nContent-Length: 5\r\n\r\nhello", .refused(400)
        ),
        .init(
            "chunks for CONNECT",
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", .refused(400)),
    ]
}
