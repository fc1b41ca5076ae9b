import HTTP
import Model
import Testing

@testable import Routing

/// Which virtual host a request meets.
struct DomainTests {
    private static let patterns = [
        "*", "cart.shop", "*.cart.shop", "cart.*", "*.shop", "cart.shop:8080", "*.shop:8080", "*:9000", "car*",
        "*-v2.shop",
        "[fd01::1]", "*:8080",
    ]

    private static func tables() throws -> Tables {
        try Tables(
            try patterns.map { pattern in
                Configuration.VirtualHost(domains: [try #require(Domain(pattern))], rules: [.to()])
            })
    }

    @Test(arguments: [
        ("cart.shop", "cart.shop"), ("CART.Shop", "cart.shop"), ("cart.shop.", "cart.shop"),
        ("cart.shop:80", "cart.shop"), ("cart.shop:8080", "cart.shop:8080"), ("a.cart.shop", "*.cart.shop"),
        ("a.b.cart.shop:1", "*.cart.shop"), ("other.shop", "*.shop"), ("other.shop:8080", "*.shop:8080"),
        ("a.cart.shop:8080", "*.cart.shop"), (".shop", "*"), ("cart.io", "cart.*"), ("cart.", "car*"),
        ("carts.io", "car*"), ("car", "*"), ("x:9000", "*:9000"), ("x:8080", "*:8080"), ("x:8081", "*"), ("", "*"),
        ("pay-v2.shop", "*-v2.shop"), ("[fd01::1]:443", "[fd01::1]"), ("[FD01::1]", "[fd01::1]"),
        ("cart.shop:x", "cart.*"),
        ("cart.shop:99999", "cart.shop"),
    ])
    func theMostSpecificOneDecides(host: String, pattern: String) throws {
        let tables = try Self.tables()
        #expect(tables.find(request("GET", host)).map { Self.patterns[$0] } == pattern)
    }

    @Test func aRequestWithoutHostMeetsTheOneForAll() throws {
        let tables = try Self.tables()
        #expect(tables.find(request("GET", nil)) == 0)
        #expect(tables.find(request("GET", String(repeating: "a", count: 300) + ".cart.shop")) == 0)
        #expect(tables.find(request(), table: 1) == nil)
        #expect(RouteView.empty.find(table: 0, request()) == nil)
    }

    @Test func noDomainNoRoute() throws {
        let tables = try Tables([Configuration.VirtualHost(domains: [try #require(Domain("a.b"))], rules: [.to()])])
        #expect(tables.find(request("GET", "a.b")) == 0)
        #expect(tables.find(request("GET", "a.c")) == nil)
        #expect(tables.find(request("GET", nil)) == nil)
    }

    @Test(arguments: [
        "", "**", "a.*.b", "*a*", "a b", "a:0", "a:65536", "a:", "[::1", "[1.2.3]", "*[::1]", "a/b", "ä.de",
    ])
    func whatIsNoPattern(text: String) { #expect(Domain(text) == nil) }

    @Test(arguments: ["*", "A.b:80", "*.x", "x.*", "*:1", "[::1]:80", "a_b"])
    func patternsReadAsTheyAreWritten(text: String) {
        #expect(Domain(text)?.description == text.lowercased())
    }
}
