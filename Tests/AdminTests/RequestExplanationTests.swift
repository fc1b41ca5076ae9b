import Model
import Testing

@testable import Admin

@Suite struct RequestExplanationTests {
    /// `httpSample()`, whose pod `shop/web` has routes of its own, and rules of every kind.
    private func configuration() throws -> Configuration {
        var configuration = Configuration.httpSample()
        var forwarding = Configuration.Forwarding(
            targets: [Configuration.Target(cluster: "web")], timeout: .seconds(2),
            retry: RetryPolicy(attempts: 2, perTryTimeout: 500_000_000, when: [.connectFailure, .serverError]),
            rewrite: Configuration.Rewrite(prefix: "/", host: "cart.internal"))
        forwarding.mirrors = [Configuration.Mirror(cluster: "postgres", share: 0.1)]
        configuration.routes[0].virtualHosts[0].rules[0].action = .forward(forwarding)
        configuration.routes[0].virtualHosts[0].rules[0].filters = [
            Configuration.Filter(.fault(Configuration.Fault(abortShare: 0.5)))
        ]
        configuration.routes[0].virtualHosts[0].rules.insert(
            Configuration.Rule(
                match: Configuration.RequestMatch(path: .prefix("/old")),
                action: .redirect(Configuration.Redirect(prefix: "/new", status: 308))), at: 2)
        configuration.routes.append(
            Configuration.RouteTable(
                name: "web-in",
                virtualHosts: [
                    Configuration.VirtualHost(
                        domains: [.any],
                        rules: [
                            Configuration.Rule(
                                match: Configuration.RequestMatch(path: .exact("/teapot")),
                                action: .respond(status: 418, body: "")),
                            Configuration.Rule(
                                action: .forward(
                                    Configuration.Forwarding(targets: [Configuration.Target(cluster: "passthrough")]))),
                        ])
                ]))
        configuration.pods[1].tables.inbound = [
            Configuration.TableEntry(ports: [PortRange(8080)], protocolKind: .http1, routes: "web-in")
        ]
        return configuration
    }

    private func explain(
        _ to: String = "10.96.0.1:80", from: String = "shop/cart", method: String? = nil,
        host: String? = "cart.shop", path: String? = "/", headers: [String] = [],
        _ change: (Snapshot, SharedState) -> Void = { _, _ in }
    ) throws -> Explanation {
        let proxy = try FakeProxy(try configuration())
        let snapshot = try #require(proxy.snapshot)
        change(snapshot, proxy.shared)
        let question = try RequestQuestion(method: method, host: host, path: path, headers: headers)
        return try Explanation(from: from, to: to, request: question, snapshot: snapshot, shared: proxy.shared)
    }

    @Test func theRouteIsWalkedWithReasons() throws {
        let explanation = try explain(host: "A.Cart.Shop:80", path: "/v2/%61/../x?y=1", headers: ["X-User=7"])
        let request = try #require(explanation.request)
        #expect(explanation.table?.action == "http routes shop")
        #expect(request.listener == "outbound of pod shop/cart" && request.table == "shop")
        #expect(request.path == "/v2/x?y=1", "normalised")
        #expect(request.domain == "by domain *.cart.shop" && request.rule == "v2" && request.position == 0)
        #expect(request.match == "path prefix /v2, methods GET, header x-user exact 7")
        #expect(request.filters == ["fault of the rule"])
        #expect(
            request.details == [
                "timeout 2s", "retries 2 on connectFailure 5xx, 500ms each, idempotent methods",
                "mirror 10% to postgres",
            ])
        #expect(request.sentPath == "/x?y=1" && request.sentHost == "cart.internal")
        #expect(explanation.cluster == "web" && explanation.outcome == .forwarded)
        #expect(explanation.verdict == "forwarded to 10.1.0.3:8080 of cluster web by route v2")
    }

    /// Same-node: outbound table, route, endpoint, inbound table, inbound routes, in one exchange.
    @Test func theReceivingPodsRoutesSeeTheRewrittenRequest() throws {
        let explanation = try explain(path: "/v2/teapot", headers: ["x-user=7"])
        let inbound = try #require(explanation.endpoints.first?.request)
        #expect(inbound.listener == "inbound of pod shop/web" && inbound.table == "web-in")
        #expect(inbound.path == "/teapot" && inbound.host == "cart.internal" && inbound.status == 418)
        #expect(explanation.notes.contains("at 10.1.0.3:8080 inbound of pod shop/web answers 418"))
        let direct = try explain("10.1.0.3:8080", path: "/teapot")
        #expect(direct.request == nil && direct.endpoints.first?.request?.status == 418)
        #expect(direct.notes.first?.contains("passes bytes on") == true, "\(direct.notes)")
        let arriving = try explain("10.1.0.3:8080", from: "192.0.2.1", path: "/teapot")
        #expect(arriving.verdict == "answered 418 by route web-in/0/0" && arriving.outcome == .answered)
    }

    @Test(
        arguments: [
            ("/v2", "POST", [], "method POST is not GET"), ("/v2", "GET", [], "header x-user is not \"7\""),
            ("/v2", "GET", ["x-user=8"], "header x-user is not \"7\""),
            ("/v3", "GET", ["x-user=7"], "path \"/v3\" does not begin with /v2"),
        ] as [(String, String, [String], String)])
    func rulesThatComeBeforeSayWhyNot(path: String, method: String, headers: [String], why: String) throws {
        let request = try #require(try explain(method: method, path: path, headers: headers).request)
        #expect(request.passed.first == Explanation.Request.Passed(rule: "v2", why: why))
        #expect(request.rule == "shop/0/3")
    }

    @Test(
        arguments: [
            ("cart.shop", "/healthz", "answered 200 by route shop/0/1", 200),
            ("cart.shop", "/old/x?y", "answered 308 by route shop/0/2", 308),
            ("other.shop", "/", "answered 404: no domain is for this host", 404),
            ("cart.shop", "/%00", "answered 400: nul_byte", 400),
            ("cart.shop", "/%zz", "answered 400: invalid_escape", 400),
            ("a b", "/", "answered 400: invalid_host", 400),
        ] as [(String, String, String, Int)])
    func whatIsAnsweredHere(host: String, path: String, verdict: String, status: Int) throws {
        let explanation = try explain(host: host, path: path)
        #expect(explanation.verdict == verdict)
        #expect(explanation.outcome == .answered && explanation.request?.status == status)
        #expect(explanation.endpoints.isEmpty)
    }

    @Test func redirectsShowTheLocation() throws {
        #expect(try explain(path: "/old/x?y").request?.action == "redirect 308 to /new/x?y")
    }

    @Test func withoutARequestItIsAGetOfTheRoot() throws {
        let proxy = try FakeProxy(try configuration())
        let snapshot = try #require(proxy.snapshot)
        let explanation = try Explanation(from: "192.0.2.1", to: "10.1.0.3:8080", snapshot: snapshot, shared: nil)
        #expect(explanation.request?.method == "GET" && explanation.request?.path == "/")
        #expect(explanation.request?.host == "10.1.0.3:8080" && explanation.outcome == .forwarded)
        #expect(explanation.notes.contains("for a GET of /: other requests may meet other rules"))
    }

    @Test func nothingToForwardToIsA503AndAFullPodAReset() throws {
        let full = try explain { snapshot, shared in shared.podConnections.add(100, at: snapshot.pods[1].slot) }
        #expect(full.outcome == .reset && full.verdict == "reset: connections of pod shop/cart: 100 of 100 in use")
        var configuration = try configuration()
        configuration.clusters[1].discovery = .endpoints([])
        let snapshot = try #require(try FakeProxy(configuration).snapshot)
        let empty = try Explanation(
            from: "shop/cart", to: "10.96.0.1:80", request: try RequestQuestion(host: "cart.shop"), snapshot: snapshot,
            shared: nil)
        #expect(empty.verdict == "answered 503: cluster web has no endpoint that may be used")
    }

    @Test(arguments: [
        (["x"], "header: x: expected NAME=VALUE"), (["=x"], "header: =x: expected NAME=VALUE"),
        (["a=b\r\nc: d"], "header: control characters cannot be sent"),
        (Array(repeating: "a=b", count: 101), "header: more than 100"),
    ])
    func badHeadersAreRefused(headers: [String], text: String) {
        let error = #expect(throws: Explanation.BadQuestion.self) { _ = try RequestQuestion(headers: headers) }
        #expect(error?.description == text)
    }

    @Test func theAdminAPIAndTheCommandAskTheSame() async throws {
        try await withServer(try FakeProxy(try configuration())) { address in
            let query =
                "from=shop/cart&to=10.96.0.1:80&host=cart.shop&path=%2Fv2%3Fa%3Db&header=x-user%3D7&header=a%3Db"
            let answer = try await curl(address, "/explain?\(query)")
            #expect(answer.status == 200 && answer.body.contains("\"rule\":\"v2\""), "\(answer.body)")
            #expect(try await curl(address, "/explain?\(query)&header=x").status == 400)
        }
    }
}
