import HTTP
import Model
import Testing

@testable import Routing

/// Which rule of a virtual host a request meets.
struct RuleTests {
    @Test func pathsAreComparedAsTheyAreSaidTo() throws {
        let tables = try Tables(rules: [
            .to("a", .exact("/v2/exact")), .to("a", .regex("/v2/[0-9]+(/.*)?")), .to("a", .prefix("/v2/")),
            .to("a", .prefix("/v2")), .to("a", .prefix("/")), .to(),
        ])
        let expected: [(String, Int)] = [
            ("/v2/exact", 0), ("/v2/exact?a=/b", 0), ("/v2/exact/", 2), ("/v2/17", 1), ("/v2/17/x?y", 1),
            ("/v2/17x", 2), ("/v2/", 2), ("/v2", 3), ("/v2x", 3), ("/V2", 4), ("/", 4), ("/?/v2/exact", 4), ("*", 5),
        ]
        for (path, rule) in expected { #expect(tables.find(request("GET", "h", path)) == rule, "\(path)") }
    }

    @Test func connectHasNoPath() throws {
        let tables = try Tables(rules: [
            .to("a", .prefix("/")), .to("a", .regex(".*")), .to("b", methods: ["CONNECT"]),
        ])
        var head = MessageHead()
        head.setMethod(Array("CONNECT".utf8).span)
        head.setAuthority(Array("db.shop:5432".utf8).span)
        #expect(tables.find(head) == 2)
    }

    /// The first one that matches, however specific another is.
    @Test func theOrderIsThatOfTheConfiguration() throws {
        let rules: [Configuration.Rule] = [
            .to("a", .prefix("/a/b"), methods: ["POST"]), .to("b", .prefix("/a")), .to("c", .exact("/a/b/c")),
            .to("c", .regex("/x.*")), .to("b", .exact("/x/y")),
        ]
        let tables = try Tables(rules: rules)
        #expect(tables.find(request("GET", "h", "/a/b/c")) == 1)
        #expect(tables.find(request("POST", "h", "/a/b/c")) == 0)
        #expect(tables.find(request("GET", "h", "/x/y")) == 3)
        let reversed = try Tables(rules: rules.reversed())
        #expect(reversed.find(request("GET", "h", "/a/b/c")) == 2)
        #expect(reversed.find(request("GET", "h", "/x/y")) == 0)
        #expect(reversed.find(request("GET", "h", "/nothing")) == nil)
    }

    @Test func methodsAreCaseSensitiveAndMayBeAnything() throws {
        let tables = try Tables(rules: [
            .to("a", methods: ["GET", "PURGE"]), .to("b", methods: ["PROPFIND", "PURGE"]), .to("c", methods: ["POST"]),
        ])
        let expected: [(String, Int?)] = [
            ("GET", 0), ("PURGE", 0), ("PROPFIND", 1), ("POST", 2), ("get", nil), ("PUT", nil), ("PURG", nil),
        ]
        for (method, rule) in expected { #expect(tables.find(request(method)) == rule, "\(method)") }
    }

    @Test func headersMustAllHold() throws {
        let tables = try Tables(rules: [
            .to("a", headers: [.init(name: "x-user", .exact("7")), .init(name: "x-other", .absent)]),
            .to("a", headers: [.init(name: "x-user", .prefix("7"))]),
            .to("a", headers: [.init(name: "x-user", .regex("[a-z]+"))]),
            .to("a", headers: [.init(name: "cookie", .present)]),
            .to("a", headers: [.init(name: "host", .exact("cart.shop"))]),
            .to("a", headers: [.init(name: "x-user", .absent)]),
        ])
        let expected: [([(String, String)], String, Int?)] = [
            ([("x-user", "7")], "h", 0), ([("x-user", "7"), ("x-other", "")], "h", 1), ([("x-user", "77")], "h", 1),
            ([("x-user", "1"), ("x-user", "7")], "h", 0), ([("x-user", "ab")], "h", 2), ([("x-user", "ab1")], "h", nil),
            ([("x-user", "AB"), ("cookie", "a=b")], "h", 3), ([], "cart.shop", 4), ([], "h", 5),
            ([("x-user", "")], "h", nil),
        ]
        for (headers, host, rule) in expected {
            #expect(tables.find(request("GET", host, "/", headers: headers)) == rule, "\(headers) \(host)")
        }
    }

    @Test func queryParametersAreComparedAsTheyStandThere() throws {
        let tables = try Tables(rules: [
            .to("a", query: [.init(name: "debug", .exact("1")), .init(name: "off", .absent)]),
            .to("a", query: [.init(name: "user", .regex("[0-9]{3}"))]),
            .to("a", query: [.init(name: "flag", .present)]),
            .to("a", query: [.init(name: "p", .prefix("ab"))]), .to("a", query: [.init(name: "e", .exact(""))]),
        ])
        let expected: [(String, Int?)] = [
            ("/?debug=1", 0), ("/?x=2&debug=1&y", 0), ("/?debug=0&debug=1", 0), ("/?debug=1&off", nil),
            ("/?Debug=1", nil),
            ("/?debug=10", nil), ("/?debug=1=1", nil), ("/?user=123", 1), ("/?user=1234", nil), ("/?flag", 2),
            ("/?flag=", 2),
            ("/?flags", nil), ("/?p=abc", 3), ("/?p=a", nil), ("/?e", 4), ("/?e=", 4), ("/", nil), ("/?", nil),
            ("/?&&=&", nil),
            ("/debug=1", nil),
        ]
        for (path, rule) in expected { #expect(tables.find(request("GET", "h", path)) == rule, "\(path)") }
    }

    @Test func implicitTablesSendEverythingToTheirCluster() throws {
        let address = try #require(SocketAddress("127.0.0.1:8080"))
        let tables = try Tables(
            Configuration(
                listeners: [.init(name: "l", address: address, cluster: "c", protocolKind: .http)],
                clusters: [.init(name: "c", discovery: .endpoints([]))]))
        let record = tables.snapshot.httpListeners[Int(tables.snapshot.listeners[0].http)]
        let found = tables.find(request("PURGE", nil, "*"), table: Int(record.routeTable))
        let rule = tables.view.rule(try #require(found))
        #expect(rule.isImplicit && rule.action == .forward && rule.timeout == 0 && rule.retry == nil)
        #expect(tables.view.target(try #require(found), random: 5) == ClusterTarget(cluster: 1, subset: -1))
    }

    @Test func ofManyRulesTheRightOneIsFound() throws {
        let paths = (0..<10_000).map { "/service/\($0)/x" }.shuffled()
        let tables = try Tables(rules: paths.map { .to("a", .prefix($0)) })
        for (index, path) in paths.enumerated().shuffled().prefix(500) {
            // `/service/1/x` is no prefix of `/service/10/x`.
            #expect(tables.find(request("GET", "h", path + "/deeper?q")) == index)
        }
        #expect(tables.find(request("GET", "h", "/service/10000/x")) == nil)
    }
}
