import HTTP
import Model
import Testing

@testable import Routing

/// What an operator reads about the way of a request.
struct ExplainTests {
    private func tables() throws -> Tables {
        try Tables([
            .init(domains: [try #require(Domain("pay.shop"))], rules: [.to()]),
            .init(
                domains: try ["*.shop", "cart.shop:80", "cart.shop"].map { try #require(Domain($0)) },
                rules: [
                    .to("a", .exact("/healthz")), .to("a", .prefix("/v2"), methods: ["POST", "PUT"]),
                    .to("a", .regex("/v[0-9]"), headers: [.init(name: "x-user", .exact("7"))]),
                    .to("a", query: [.init(name: "debug", .present)]),
                    .init(
                        name: "main", match: .init(path: .prefix("/v"), methods: ["GET"]),
                        action: .forward(
                            .init(
                                targets: [
                                    .init(cluster: "a", weight: 9), .init(cluster: "b", weight: 1, labels: ["v": "2"]),
                                ],
                                timeout: .seconds(2), rewrite: .init(prefix: "/")))),
                ]),
        ])
    }

    @Test func everyStepHasItsReason() throws {
        let explanation = try tables().tables.explain(table: 0, request("GET", "CART.shop:80", "/v2?a=b"))
        #expect(
            explanation.steps.map { "\($0.isChosen ? "+" : "-") \($0.subject): \($0.reason)" } == [
                "+ virtual host 1: by domain cart.shop:80",
                "- rule t/1/0: path \"/v2\" is not /healthz",
                "- rule t/1/1: method GET is not POST or PUT",
                "- rule t/1/2: header x-user is not \"7\"",
                "- rule t/1/3: query parameter debug is absent",
                "+ rule main: path begins with /v, method is GET",
            ])
        #expect(explanation.rule == 5 && explanation.routeName == "main")
        #expect(
            explanation.action
                == "forwards to cluster a (weight 9), b v=2 (weight 1), path rewritten to /, timeout 2.0 seconds")
        #expect(explanation.targets.map(\.cluster) == [1, 2] && explanation.targets.map(\.subset) == [-1, 0])
    }

    @Test func nothingFoundIsExplainedToo() throws {
        let noHost = try tables().tables.explain(table: 0, request("GET", "else.where"))
        #expect(noHost.steps.map(\.reason) == ["none of 2 has a domain for host \"else.where\""] && noHost.rule == nil)
        let noRule = try tables().tables.explain(table: 0, request("DELETE", "x.shop", "/w"))
        #expect(noRule.steps.first?.reason == "by domain *.shop")
        #expect(noRule.steps.last == .init(subject: "no rule", isChosen: false, reason: "the answer is 404"))
        #expect(try tables().tables.explain(table: 7, request()) == RouteExplanation())
    }

    @Test func longListsAreCut() throws {
        let tables = try Tables(rules: (0..<100).map { .to("a", .exact("/\($0)")) })
        let steps = tables.tables.explain(table: 0, request("GET", "h", "/99")).steps
        #expect(steps.count == 1 + RouteExplanation.rulesListedMax + 1 + 1)
        #expect(steps[21].subject == "79 more rules" && steps[22].isChosen)
    }
}
