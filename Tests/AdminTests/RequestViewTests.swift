import Foundation
import Model
import Testing

@testable import Admin

@Suite struct RequestViewTests {
    @Test func quantilesAreThoseOfAllWorkers() async throws {
        let proxy = try FakeProxy(.httpSample())
        // 1 to 1000 ms, one of each, dealt out to two workers.
        for milliseconds in 1...1000 {
            proxy.workerStatistics[milliseconds % 2].countRequest(
                proxy.request { $0.durationNanoseconds = Int64(milliseconds) * 1_000_000 })
        }
        try await withServer(proxy) { address in
            let body = try await curl(address, "/clusters").body
            let clusters = try JSONDecoder().decode([ClusterView].self, from: Data(body.utf8))
            let requests = try #require(clusters.first { $0.name == "web" }?.requests)
            #expect(requests.total == 1000 && requests.byClass == ["2xx": 1000] && requests.flags.isEmpty)
            for (estimate, exact) in [
                (requests.p50Milliseconds, 500), (requests.p99Milliseconds, 990), (requests.p999Milliseconds, 999),
            ] as [(Double?, Double)] {
                #expect(abs(try #require(estimate) - exact) <= exact / 16, "\(exact)")
            }
            #expect(clusters.first { $0.name == "postgres" }?.requests == nil)
            let pods = try JSONDecoder().decode(
                [PodView].self, from: Data(try await curl(address, "/pods").body.utf8))
            let cart = try #require(pods.first { $0.name == "shop/cart" })
            #expect(cart.requestsSent?.total == 1000 && cart.requestsReceived == nil)
            #expect(cart.bytesSent == 10_000 && cart.bytesReceived == 2_000_000)
            let status = try JSONDecoder().decode(
                StatusView.self, from: Data(try await curl(address, "/status").body.utf8))
            #expect(status.requests == 1000 && status.requestsActive == 0)
        }
    }

    @Test func routesAreListedInTheirOrderWithTheirRequests() async throws {
        let proxy = try FakeProxy(.httpSample())
        proxy.workerStatistics[0].countRequest(
            proxy.request {
                $0.status = 504
                $0.attempts = 2
                $0.flags.add(.upstreamTimeout)
            })
        proxy.shared.routeRequests.add(3, at: proxy.routeSlot("v2"))
        try await withServer(proxy) { address in
            let body = try await curl(address, "/routes").body
            let routes = try JSONDecoder().decode([RouteStatusView].self, from: Data(body.utf8))
            #expect(routes.map(\.name) == ["v2", "shop/0/1", "shop/0/2"])
            #expect(routes[0].domains == ["cart.shop", "*.cart.shop"] && routes[0].table == "shop")
            #expect(routes[0].match == "path prefix /v2, methods GET, header x-user exact 7")
            #expect(routes[0].action == "clusters web 90, postgres 10" && routes[0].requestsActive == 3)
            #expect(routes[1].match == "path exact /healthz" && routes[1].action == "respond 200")
            #expect(routes[2].match == "any" && routes[2].action == "cluster web")
            let requests = try #require(routes[0].requests)
            #expect(requests.byClass == ["5xx": 1] && requests.retries == 1)
            #expect(requests.flags == ["upstream_timeout": 1] && routes[1].requests == nil)
        }
    }

    @Test func theConfigurationShowsRoutesAndHidesCredentials() async throws {
        var configuration = Configuration.httpSample()
        var forwarding = Configuration.Forwarding(targets: [Configuration.Target(cluster: "web")])
        forwarding.requestHeaders.set = [
            Configuration.HeaderChanges.Field(name: "authorization", value: try HeaderTemplate("Bearer secret")),
            Configuration.HeaderChanges.Field(name: "x-pod", value: try HeaderTemplate("%pod%")),
        ]
        forwarding.timeout = .milliseconds(1500)
        forwarding.mirrors = [Configuration.Mirror(cluster: "postgres", share: 0.1)]
        configuration.routes[0].virtualHosts[0].rules[2].action = .forward(forwarding)
        try await withServer(try FakeProxy(configuration)) { address in
            let body = try await curl(address, "/config").body
            #expect(!body.contains("secret"))
            #expect(body.contains("\"authorization\":\"***\"") && body.contains("\"x-pod\":\"%pod%\""))
            #expect(body.contains("\"timeout\":\"1500ms\"") && body.contains("\"percent\":10"))
            #expect(body.contains("\"weightedClusters\":[{\"cluster\":\"web\",\"weight\":90}"))
            #expect(body.contains("\"headerTimeout\":\"10s\""))
        }
    }
}
