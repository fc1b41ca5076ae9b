import Model
import Testing

@testable import Admin

@Suite struct ExplanationTests {
    private func explain(
        _ from: String, _ to: String, _ configuration: Configuration = .sample(),
        _ change: (Snapshot, SharedState) -> Void = { _, _ in }
    ) throws -> Explanation {
        let proxy = try FakeProxy(configuration)
        let snapshot = try #require(proxy.snapshot)
        change(snapshot, proxy.shared)
        return try Explanation(from: from, to: to, snapshot: snapshot, shared: proxy.shared)
    }

    @Test(
        arguments: [
            // from, to, leg, entry, cluster, outcome
            ("shop/cart", "10.96.0.1:80", "outbound", 0, "web", Explanation.Outcome.forwarded),
            ("10.1.0.2", "10.96.0.1:80", "outbound", 0, "web", .forwarded),
            ("::ffff:10.1.0.2", "8.8.8.8:5432", "outbound", 1, "postgres", .forwarded),
            ("shop/cart", "8.8.8.8:25", "outbound", 2, nil, .reset),
            ("shop/cart", "8.8.8.8:26", "outbound", nil, "passthrough", .forwarded),
            ("10.1.0.77", "8.8.8.8:26", "outbound", nil, "passthrough", .forwarded),
            ("shop/cart", "10.1.0.3:9090", "outbound", nil, "passthrough", .reset),
            ("shop/cart", "10.1.0.3:9091", "outbound", nil, "passthrough", .forwarded),
            ("192.0.2.1", "10.1.0.3:9090", "inbound", nil, "passthrough", .forwarded),
            ("192.0.2.1", "10.1.0.3:10250", "none", nil, nil, .notIntercepted),
            ("shop/cart", "169.254.1.1:80", "none", nil, nil, .notIntercepted),
            ("192.0.2.1", "192.0.2.2:80", "none", nil, nil, .notIntercepted),
            ("192.0.2.1", "127.0.0.1:8080", "listener edge", nil, "postgres", .forwarded),
        ] as [(String, String, String, Int?, String?, Explanation.Outcome)])
    func whoMeetsWhat(
        from: String, to: String, leg: String, entry: Int?, cluster: String?, outcome: Explanation.Outcome
    ) throws {
        let explanation = try explain(from, to)
        #expect(explanation.leg == leg)
        #expect(explanation.table?.entry == entry)
        #expect(explanation.cluster == cluster)
        #expect(explanation.outcome == outcome, "\(explanation.verdict)")
    }

    @Test func itSaysWhy() throws {
        let denied = try explain("shop/cart", "8.8.8.8:25")
        #expect(denied.verdict == "reset: entry 2 of outbound of pod shop/cart denies it")
        #expect(denied.table?.match == "ports 25" && denied.table?.action == "deny")
        let unknown = try explain("10.1.0.77", "8.8.8.8:25")
        #expect(unknown.from.pod == "unknown" && unknown.from.why == "inside podCIDRs, no pod has it: podDefaults")
        #expect(unknown.table?.table == "outbound of podDefaults")
        let inbound = try explain("shop/cart", "10.1.0.3:9090")
        #expect(inbound.endpoints[0].inbound?.action == "deny")
        #expect(inbound.verdict == "reset: inbound of pod shop/web denies it")
    }

    @Test func unhealthyEndpointsAreLeftOutUntilTooFewRemain() throws {
        let one = try explain("shop/cart", "8.8.8.8:5432") { snapshot, shared in
            shared.endpointHealth.store(1, at: snapshot.endpoints[0].slot)
        }
        #expect(one.endpoints.map(\.health) == ["unhealthy", "healthy"])
        #expect(one.endpoints.map(\.eligible) == [false, true])
        #expect(one.verdict == "forwarded to 10.2.0.4:5432 of cluster postgres")
        let panic = try explain("shop/cart", "8.8.8.8:5432") { snapshot, shared in
            for endpoint in snapshot.endpoints { shared.endpointHealth.store(1, at: endpoint.slot) }
        }
        #expect(panic.endpoints.map(\.eligible) == [true, true])
        #expect(
            panic.notes == [
                "if 8.8.8.8 is one of this host's own addresses, it is not intercepted",
                "too few endpoints are healthy (panicThreshold): health is ignored",
            ])
    }

    @Test func limitsThatAreReachedReset() throws {
        let pod = try explain("shop/cart", "8.8.8.8:26") { snapshot, shared in
            shared.podConnections.add(100, at: snapshot.pods[1].slot)
        }
        #expect(pod.verdict == "reset: connections of pod shop/cart: 100 of 100 in use")
        let breaker = try explain("shop/cart", "8.8.8.8:5432") { snapshot, shared in
            shared.clusterConnections.add(50, at: snapshot.clusters[1].slot)
        }
        #expect(breaker.verdict == "reset: circuitBreaker of cluster postgres: 50 of 50 in use")
    }

    @Test(arguments: [
        ("shop/cart", "8.8.8.8:26", "10.1.0.2, ports 10240-15119: the client's own"),
        ("192.0.2.1", "10.1.0.3:80", "192.0.2.1, ports 15120-19999: the client's own"),
        ("shop/cart", "[fd99::1]:26", "fd01::2, ports 10240-15119: the client's own"),
        ("shop/cart", "10.1.0.2:26", "the host's address: the endpoint is the client itself"),
        ("fd01::2", "10.96.0.1:80", "10.1.0.2, ports 10240-15119: the client's pod's address of the endpoint's family"),
        ("10.1.0.3", "[fd99::1]:26", "the host's address: the client has none of the endpoint's family"),
        ("192.0.2.1", "127.0.0.1:8080", "the host's address: explicit listeners never spoof"),
    ])
    func sources(from: String, to: String, source: String) throws {
        #expect(try explain(from, to).endpoints.first?.source == source)
    }

    @Test func withoutARunningProxyHealthAndUseAreUnknown() throws {
        let snapshot = try #require(try FakeProxy(.sample()).snapshot)
        let explanation = try Explanation(from: "shop/cart", to: "8.8.8.8:5432", snapshot: snapshot, shared: nil)
        #expect(explanation.endpoints.map(\.health) == ["unknown", "unknown"])
        #expect(explanation.limits.allSatisfy { $0.used == nil })
        #expect(explanation.outcome == .forwarded)
    }

    @Test(arguments: [
        ("nobody", "1.2.3.4:80", "from: nobody: neither an IP address nor a pod of this host or of one it protects"),
        ("shop/cart", "1.2.3.4", "to: 1.2.3.4: expected IP:PORT or [IPv6]:PORT"),
        ("shop/cart", "1.2.3.4:0", "to: 1.2.3.4:0: expected IP:PORT or [IPv6]:PORT"),
        ("shop/cart", "cart.shop:80", "to: cart.shop:80: expected IP:PORT or [IPv6]:PORT"),
    ])
    func badQuestions(from: String, to: String, text: String) throws {
        let error = #expect(throws: Explanation.BadQuestion.self) { _ = try explain(from, to) }
        #expect(error?.description == text)
    }
}
