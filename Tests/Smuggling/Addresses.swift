extension SmugglingVector {
    private static func get(_ target: String, _ host: String) -> String { "GET \(target) HTTP/1.1\r\n\(host)\r\n" }

    /// Whom a request is for.
    static let addresses: [SmugglingVector] = [
        .init("no host", get("/", ""), .refused(400)),
        .init("no host for an absolute target", get("http://a/", ""), .refused(400)),
        .init("two hosts", get("/", "Host: a\r\nHost: b\r\n"), .refused(400)),
        .init("two equal hosts", get("/", "Host: a\r\nHost: a\r\n"), .refused(400)),
        .init("two hosts in a list", get("/", "Host: a, b\r\n"), .refused(400)),
        .init("two hosts with a comma", get("/", "Host: a,b\r\n"), .refused(400)),
        .init("host with a user", get("/", "Host: b@a\r\n"), .refused(400)),
        .init("host with a path", get("/", "Host: a/b\r\n"), .refused(400)),
        .init("host with a query", get("/", "Host: a?b\r\n"), .refused(400)),
        .init("host with a fragment", get("/", "Host: a#b\r\n"), .refused(400)),
        .init("host with a backslash", get("/", "Host: a\\b\r\n"), .refused(400)),
        .init("host with a space", get("/", "Host: a b\r\n"), .refused(400)),
        .init("host with a port of letters", get("/", "Host: a:b\r\n"), .refused(400)),
        .init("host with an empty port", get("/", "Host: a:\r\n"), .refused(400)),
        .init("host with a port too large", get("/", "Host: a:65536\r\n"), .refused(400)),
        .init("host with two ports", get("/", "Host: a:80:81\r\n"), .refused(400)),
        .init("host with a broken escape", get("/", "Host: a%4\r\n"), .refused(400)),
        .init("host with an open bracket", get("/", "Host: [::1\r\n"), .refused(400)),
        .init("host with bytes behind a bracket", get("/", "Host: [::1]a\r\n"), .refused(400)),
        .init("host with a byte above ASCII", get("/", "Host: \u{e9}\r\n"), .refused(400)),
        .init("target with a user", get("http://b@a/", "Host: a\r\n"), .refused(400)),
        .init("target with a bad port", get("http://a:99999/", "Host: a\r\n"), .refused(400)),
        .init("target without a host", get("http:///x", "Host: a\r\n"), .refused(400)),
        .init("target of another scheme", get("ftp://a/", "Host: a\r\n"), .refused(400)),
        .init("target without a slash", get("a", "Host: a\r\n"), .refused(400)),
        .init("target with a fragment", get("/a#b", "Host: a\r\n"), .refused(400)),
        .init("target above ASCII", get("/\u{e9}", "Host: a\r\n"), .refused(400)),
        .init("asterisk for GET", get("*", "Host: a\r\n"), .refused(400)),
        .init("CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        .init("CONNECT with a path", "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
        .init("CONNECT with a scheme", "CONNECT http://a:80 HTTP/1.1\r\nHost: a\r\n\r\n", .refused(400)),
    ]
}
