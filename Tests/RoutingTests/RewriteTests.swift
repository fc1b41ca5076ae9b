import HTTP
import Model
import Testing

@testable import Routing

/// What an upstream and a client see of a rule's changes.
struct RewriteTests {
    private static func tables(_ rule: Configuration.Rule, node: String = "node-a") throws -> Tables {
        var configuration = Configuration(
            node: .init(name: node),
            interception: .init(podCIDRs: [try #require(CIDR("10.1.0.0/24"))]),
            routes: [.init(name: "t", virtualHosts: [.init(domains: [.any], rules: [rule])])],
            clusters: [.init(name: "a", discovery: .endpoints([]))])
        configuration.pods = [
            .init(name: "shop/cart", addresses: [try #require(IPAddress("10.1.0.2"))]),
            .init(name: "shop/pay", addresses: [try #require(IPAddress("10.1.0.3"))]),
        ]
        configuration.listeners = [
            .init(name: "web", address: try #require(SocketAddress("127.0.0.1:80")), cluster: "a")
        ]
        return try Tables(configuration)
    }

    private static func rule(
        _ path: Configuration.RequestMatch.Path? = nil, _ change: (inout Configuration.Forwarding) throws -> Void
    ) rethrows -> Configuration.Rule {
        var forwarding = Configuration.Forwarding(targets: [.init(cluster: "a")])
        try change(&forwarding)
        return Configuration.Rule(match: .init(path: path), action: .forward(forwarding))
    }

    private static func field(_ name: String, _ value: String) throws -> Configuration.HeaderChanges.Field {
        .init(name: name, value: try HeaderTemplate(value))
    }

    /// The fields of a head as `name: value`.
    private static func fields(_ head: borrowing MessageHead) -> [String] {
        (0..<head.fieldCount).map { text(head, head.field($0).name) + ": " + text(head, head.field($0).value) }
    }

    @Test(arguments: [
        ("/v2", "/", "/v2", "/"), ("/v2", "/", "/v2/cart?a=b", "/cart?a=b"), ("/v2", "/", "/v2x", "/x"),
        ("/v2/", "/", "/v2/cart", "/cart"), ("/v2/", "/api", "/v2/cart", "/api/cart"), ("/v2/", "/api", "/v2/", "/api"),
        ("/v2", "/api", "/v2/cart", "/api/cart"), ("/v2", "/api/", "/v2/cart", "/api/cart"),
        ("/v2", "/api", "/v2?x", "/api?x"), ("/", "/api", "/cart", "/api/cart"), ("/", "/api", "/?", "/api?"),
    ])
    func prefixesAreReplaced(prefix: String, new: String, path: String, expected: String) throws {
        let tables = try Self.tables(Self.rule(.prefix(prefix)) { $0.rewrite.prefix = new })
        var head = request("GET", "h", path)
        let rule = tables.view.rule(0)
        #expect(rule.hasRequestEdits && !rule.hasResponseEdits)
        tables.view.rewriteRequest(rule, &head, RequestVariables())
        #expect(text(head, head.path) == expected)
        #expect(text(head, head.authority) == "h")
    }

    @Test func anExactPathIsReplacedAsAWhole() throws {
        let tables = try Self.tables(
            Self.rule(.exact("/a")) {
                $0.rewrite.prefix = "/b/c"
                $0.rewrite.host = "cart.internal:8080"
            })
        var head = request("GET", "h", "/a?q=/a")
        tables.view.rewriteRequest(tables.view.rule(0), &head, RequestVariables())
        #expect(text(head, head.path) == "/b/c?q=/a")
        #expect(text(head, head.authority) == "cart.internal:8080")
    }

    @Test func aLongPathIsRewrittenWhole() throws {
        let tables = try Self.tables(Self.rule(.prefix("/v2")) { $0.rewrite.prefix = "/x" })
        let rest = "/" + String(repeating: "abc/", count: 4000)
        var head = request("GET", "h", "/v2" + rest)
        tables.view.rewriteRequest(tables.view.rule(0), &head, RequestVariables())
        #expect(text(head, head.path) == "/x" + rest)
    }

    @Test func fieldsAreRemovedThenSetThenAdded() throws {
        let tables = try Self.tables(
            try Self.rule {
                $0.requestHeaders = try .init(
                    set: [Self.field("x-mesh", "apus"), Self.field("user-agent", "%%")],
                    add: [Self.field("x-more", "2"), Self.field("x-secret", "new")], remove: ["x-secret", "cookie"])
                $0.responseHeaders = try .init(set: [Self.field("server", "")], remove: ["x-powered-by"])
            })
        var head = request(
            headers: [
                ("x-secret", "1"), ("x-mesh", "a"), ("x-more", "1"), ("x-mesh", "b"), ("cookie", "c"),
                ("user-agent", "u"),
            ])
        tables.view.rewriteRequest(tables.view.rule(0), &head, RequestVariables())
        #expect(
            Self.fields(head).sorted() == ["user-agent: %", "x-mesh: apus", "x-more: 1", "x-more: 2", "x-secret: new"])
        var response = request(headers: [("server", "nginx"), ("x-powered-by", "p"), ("date", "d")])
        tables.view.rewriteResponse(tables.view.rule(0), &response, RequestVariables())
        #expect(Self.fields(response) == ["date: d", "server: "])
    }

    @Test func variablesStandForWhatIsKnown() throws {
        let template = HeaderTemplate.Variable.allCases.map { "%\($0.rawValue)%" }.joined(separator: "|")
        let tables = try Self.tables(
            try Self.rule {
                $0.requestHeaders.set = [try Self.field("x-all", template)]
                $0.responseHeaders.set = [try Self.field("x-id", "%request_id%")]
            })
        let rule = tables.view.rule(0)
        var head = request(headers: [("x-request-id", "mine")])
        var variables = RequestVariables()
        tables.view.rewriteRequest(rule, &head, variables)
        #expect(Self.fields(head).last == "x-all: -|-|0.0.0.0|0|0.0.0.0:0|mine|-|-|-|node-a")

        variables.pod = Int32(tables.snapshot.pods[1].slot)
        variables.destinationPod = Int32(tables.snapshot.pods[2].slot)
        variables.client = try #require(SocketAddress("10.1.0.2:4711"))
        variables.originalDestination = try #require(SocketAddress("[fd01::2]:80"))
        variables.requestId = (0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210)
        variables.listener = Int32(tables.snapshot.listeners[0].slot)
        variables.route = Int32(rule.slot)
        variables.cluster = Int32(tables.snapshot.clusters[1].slot)
        var second = request()
        tables.view.rewriteRequest(rule, &second, variables)
        let id = "01234567-89ab-cdef-fedc-ba9876543210"
        #expect(
            Self.fields(second)
                == ["x-all: shop/cart|shop/pay|10.1.0.2|4711|[fd01::2]:80|\(id)|t/0/0|a|web|node-a"])

        var other = MessageHead()
        tables.view.rewriteResponse(rule, &other, variables)
        #expect(Self.fields(other) == ["x-id: \(id)"])
        var response = MessageHead()
        variables.takeRequestId(from: head)
        tables.view.rewriteResponse(rule, &response, variables)
        #expect(Self.fields(response) == ["x-id: mine"])
    }

    /// Whatever comes in, a value stays a few variables long.
    @Test func aLongRequestIdIsCut() throws {
        let tables = try Self.tables(
            try Self.rule {
                $0.requestHeaders.set = [
                    try Self.field(
                        "x-a", String(repeating: "%request_id%", count: 8) + String(repeating: "b", count: 1000))
                ]
            })
        var head = request(headers: [("x-request-id", String(repeating: "i", count: 9000))])
        tables.view.rewriteRequest(tables.view.rule(0), &head, RequestVariables())
        #expect(Int(head.field(1).value.count) == 8 * RequestIdText.bytesMax + 1000)
    }

    @Test func aRuleWithoutChangesChangesNothing() throws {
        let tables = try Self.tables(Self.rule { _ in })
        #expect(!tables.view.rule(0).hasRequestEdits && !tables.view.rule(0).hasResponseEdits)
        var head = request("GET", "h", "/a?b", headers: [("a", "b")])
        tables.view.rewriteRequest(tables.view.rule(0), &head, RequestVariables())
        #expect(text(head, head.path) == "/a?b" && Self.fields(head) == ["a: b"])
    }

    @Test(arguments: [
        "1.2.3.4", "255.255.255.255", "0.0.0.0", "::", "::1", "fd01::2", "1:2:3:4:5:6:7:8", "2001:db8::1:0:0:1",
        "fe80::",
        "1:0:2:0:3:0:4:0", "::ffff:0:1", "1::8", "0:1::", "1:2:3:4:5:6:7:0", "a:b:c:d:0:0:e:f",
    ])
    func addressesReadAsElsewhere(text: String) throws {
        let address = try #require(IPAddress(text))
        // The memory is lent for the call.
        let written = unsafe [UInt8](unsafeUninitializedCapacity: 64) { memory, count in
            var writer = unsafe ValueWriter(memory)
            writer.append(address)
            count = writer.count
        }
        #expect(String(decoding: written, as: UTF8.self) == address.description)
    }
}
