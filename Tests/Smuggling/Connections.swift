extension SmugglingVector {
    private static func get(_ fields: String) -> String { "GET / HTTP/1.1\r\nHost: a\r\n\(fields)\r\n\r\n" }

    /// Fields that one hop takes off and another one does not.
    static let connections: [SmugglingVector] = [
        .init("connection names the host", get("Connection: host"), .refused(400)),
        .init(
            "connection names the length", get("Connection: close, Content-Length\r\nContent-Length: 0"), .refused(400)),
        .init("connection names the coding", get("Connection: Transfer-Encoding"), .refused(400)),
        .init(
            "connection with many names",
            get("Connection: " + Array(repeating: "a", count: 200).joined(separator: ",")), .refused(400)),
        .init("expectation of something else", get("Expect: 200-ok"), .refused(417)),
        .init("expectation twice", get("Expect: 100-continue\r\nExpect: 100-continue"), .refused(417)),
    ]
}
