import Buffers
import HTTP
import Model
import Testing

@testable import Routing

/// Answers that a rule gives itself.
struct RedirectTests {
    private static func location(
        _ redirect: Configuration.Redirect, _ match: Configuration.RequestMatch.Path?, _ host: String?, _ path: String,
        isTLS: Bool = false
    ) throws -> String {
        let tables = try Tables(rules: [
            Configuration.Rule(match: .init(path: match), action: .redirect(redirect))
        ])
        let rule = tables.view.rule(0)
        #expect(rule.action == .redirect(status: redirect.status))
        var output = OutputBuffer()
        tables.view.redirectLocation(rule, request("GET", host, path), isTLS: isTLS, into: &output)
        // Copied while it is lent.
        return unsafe output.withBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    @Test func theQueryIsKept() throws {
        let old = Configuration.Redirect(prefix: "/new", status: 308)
        #expect(try Self.location(old, .prefix("/old"), "h", "/old/a?b=c&d") == "/new/a?b=c&d")
        #expect(try Self.location(.init(path: "/there"), .prefix("/"), "h", "/a/b?c") == "/there?c")
        #expect(try Self.location(.init(prefix: "/there"), .exact("/a"), "h", "/a?c") == "/there?c")
    }

    @Test func anotherHostOrSchemeNeedsAllOfTheAddress() throws {
        #expect(try Self.location(.init(host: "b.c:81"), nil, "a", "/x?y") == "http://b.c:81/x?y")
        #expect(try Self.location(.init(host: "b.c"), nil, "a", "/x", isTLS: true) == "https://b.c/x")
        #expect(try Self.location(.init(scheme: "https"), nil, "a.b:8080", "/x") == "https://a.b/x")
        #expect(try Self.location(.init(scheme: "https"), nil, "[::1]:8080", "/x") == "https://[::1]/x")
        #expect(
            try Self.location(.init(scheme: "https", host: "c", prefix: "/n"), .prefix("/o"), "a", "/o/x")
                == "https://c/n/x")
        #expect(try Self.location(.init(scheme: "https"), nil, nil, "/x") == "/x", "no host to write")
    }

    /// A browser would take `//evil` for a host.
    @Test func aClientCannotChooseTheHost() throws {
        let strip = Configuration.Redirect(prefix: "/")
        #expect(try Self.location(strip, .prefix("/old"), "h", "/old//evil.com/x") == "/evil.com/x")
        #expect(try Self.location(strip, .prefix("/old/"), "h", "/old/\\/evil.com") == "/evil.com")
        #expect(try Self.location(strip, .prefix("/old"), "h", "/old") == "/")
    }

    @Test func aDirectAnswerHasItsBody() throws {
        let tables = try Tables(rules: [
            Configuration.Rule(action: .respond(status: 200, body: "ok")),
            Configuration.Rule(action: .respond(status: 204, body: "")),
        ])
        let body = tables.view.directBody(tables.view.rule(0))
        #expect(body.indices.map { body[$0] } == Array("ok".utf8))
        #expect(tables.view.rule(0).action == .respond(status: 200))
        #expect(tables.view.directBody(tables.view.rule(1)).count == 0)
    }
}
