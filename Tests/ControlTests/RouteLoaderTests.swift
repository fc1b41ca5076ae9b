import Model
import Testing

@testable import Control

/// What `routes`, filters and the HTTP keys of listeners, tables and limits mean.
struct RouteLoaderTests {
    private static let document = """
        version: 1
        interception: {podCIDRs: [10.1.0.0/24]}
        limits: {headerBytes: 32KiB, headerCount: 64, headerTimeout: 5s, requestTargetBytes: 4KiB, keepAliveTimeout: 1m,
                 streamIdleTimeout: 1h, retryBodyBytes: 0B, maxConnectionAge: 2h,
                 http2: {initialStreamWindow: 1MiB, resets: {burst: 5, perSecond: 6}}}
        listeners:
          - name: web
            address: 127.0.0.1:8080
            protocol: http
            routes: shop
            requestId: generate
            forwardedFor: append
            trustedHops: 2
            limits: {maxConnectionAge: 10m, headerCount: 7, http2: {maxConcurrentStreams: 7, pings: {burst: 9}}}
            filters: [{localRateLimit: {requests: 100, per: 1s, burst: 20, status: 503}}]
        pods:
          - name: a
            addresses: [10.1.0.2]
            outbound:
              - {match: {ports: [80]}, protocol: http, routes: shop, filters: [{localRateLimit: {requests: 5}}]}
              - {routes: shop}
              - {protocol: http1}
              - {protocol: http, cluster: cart-v2}
            inbound: [{protocol: http, routes: own}]
            limits: {pendingRequests: 7}
        routes:
          - name: shop
            virtualHosts:
              - domains: ["cart.shop", "*.cart.shop:8080", "cart.*", "*"]
                rules:
                  - name: main
                    match:
                      path: {prefix: /v2}
                      methods: [GET, PURGE]
                      headers: [{name: X-User, exact: "7"}, {name: x-a, regex: "[ab]+"}, {name: x-b, absent: true}]
                      query: [{name: debug, present: true}, {name: p, prefix: ""}]
                    route:
                      weightedClusters: [{cluster: cart-v2, weight: 90}, {cluster: other, weight: 10, labels: {b: c}}]
                      labels: {version: v2}
                      timeout: 2s
                      retry: {attempts: 2, perTryTimeout: 500ms, when: [connectFailure, reset, refusedStream, 5xx, 409],
                              grpc: [unavailable], backoff: {base: 50ms}, budget: 30%}
                      retryNonIdempotent: true
                      hashOn: {header: X-User}
                      requestHeaders: {set: {X-Mesh: "apus-%pod%"}, add: {}, remove: [X-Secret]}
                      responseHeaders: {remove: [server]}
                      rewrite: {prefix: /, host: cart.internal}
                      mirror: [{cluster: other, percent: 10}]
                    filters: [{fault: {match: {methods: [GET]}, delay: {percent: 1, duration: 100ms}, abort: {percent: 0.5%, status: 503}}}]
                  - {match: {path: {exact: /healthz}}, respond: {status: 200, body: "ok"}}
                  - {match: {path: {prefix: /old}}, redirect: {prefix: /new, status: 308, scheme: https, host: "n:1"}}
                  - {route: {cluster: other, timeout: 0s, retry: {}, hashOn: {sourceAddress: true}}}
          - {name: own, virtualHosts: [{domains: ["*"], rules: [{route: {cluster: self}}]}]}
        clusters:
          - {name: cart-v2, endpoints: []}
          - {name: other, protocol: http1, endpoints: []}
          - {name: self, originalDestination: true}
        """

    @Test func everyKeyIsRead() throws {
        let configuration = try LoaderTests.load(Self.document)
        let host = try #require(configuration.routes.first?.virtualHosts.first)
        #expect(host.domains.map(\.description) == ["cart.shop", "*.cart.shop:8080", "cart.*", "*"])
        let main = try #require(host.rules.first)
        #expect(main.name == "main")
        #expect(
            main.match
                == .init(
                    path: .prefix("/v2"), methods: ["GET", "PURGE"],
                    headers: [
                        .init(name: "x-user", .exact("7")), .init(name: "x-a", .regex("[ab]+")),
                        .init(name: "x-b", .absent),
                    ], query: [.init(name: "debug", .present), .init(name: "p", .prefix(""))]))
        var policy = RetryPolicy(
            attempts: 2, perTryTimeout: 500_000_000, when: [.connectFailure, .reset, .refusedStream, .serverError],
            grpc: 1 << 14, backoffBase: 50_000_000, backoffMax: 500_000_000, budgetPercent: 30)
        policy.insert(status: 409)
        #expect(
            main.action
                == .forward(
                    .init(
                        targets: [
                            .init(cluster: "cart-v2", weight: 90, labels: ["version": "v2"]),
                            .init(cluster: "other", weight: 10, labels: ["version": "v2", "b": "c"]),
                        ], timeout: .seconds(2), retry: policy, retriesNonIdempotent: true, hashOn: .header("x-user"),
                        requestHeaders: .init(
                            set: [.init(name: "x-mesh", value: try HeaderTemplate("apus-%pod%"))], remove: ["x-secret"]),
                        responseHeaders: .init(remove: ["server"]), rewrite: .init(prefix: "/", host: "cart.internal"),
                        mirrors: [.init(cluster: "other", share: 0.1)])))
        #expect(
            main.filters == [
                .init(
                    match: .init(methods: ["GET"]),
                    .fault(.init(delayShare: 0.01, delay: .milliseconds(100), abortShare: 0.005, abortStatus: 503)))
            ])
        #expect(host.rules[1].action == .respond(status: 200, body: "ok"))
        #expect(
            host.rules[2].action
                == .redirect(.init(scheme: "https", host: "n:1", prefix: "/new", status: 308)))
        #expect(
            host.rules[3].action
                == .forward(.init(targets: [.init(cluster: "other")], retry: RetryPolicy(), hashOn: .sourceAddress)))
    }

    @Test func listenersAndTablesSayHowTheyAreRead() throws {
        let configuration = try LoaderTests.load(Self.document)
        let address = try #require(SocketAddress("127.0.0.1:8080"))
        var own = configuration.limits.http
        own.headerCount = 7
        own.maxConnectionAge = .seconds(600)
        own.http2.maxConcurrentStreams = 7
        own.http2.pings = .init(burst: 9, perSecond: 200)
        #expect(
            configuration.listeners == [
                .init(
                    name: "web", address: address, protocolKind: .http, routes: "shop",
                    filters: [.init(.localRateLimit(.init(requests: 100, per: .seconds(1), burst: 20, status: 503)))],
                    requestId: .generate, forwardedFor: .append, trustedHops: 2, limits: own)
            ])
        let tables = try #require(configuration.pods.first?.tables)
        #expect(
            tables.outbound == [
                .init(
                    ports: [PortRange(80)], protocolKind: .http, routes: "shop",
                    filters: [.init(.localRateLimit(.init(requests: 5)))]),
                .init(protocolKind: .http, routes: "shop"), .init(protocolKind: .http1),
                .init(action: .cluster("cart-v2"), protocolKind: .http),
            ])
        #expect(tables.inbound == [.init(protocolKind: .http, routes: "own")])
        #expect(tables.pendingRequestsMax == 7)
        var http2 = Configuration.HTTP2Limits()
        http2.initialStreamWindow = 1 << 20
        http2.resets = .init(burst: 5, perSecond: 6)
        #expect(
            configuration.limits.http
                == .init(
                    headerBytes: 32 << 10, headerCount: 64, requestTargetBytes: 4 << 10, headerTimeout: .seconds(5),
                    keepAliveTimeout: .seconds(60), streamIdleTimeout: .seconds(3600), retryBodyBytes: 0,
                    maxConnectionAge: .seconds(7200), http2: http2))
    }

    @Test func aSmallHeadHasASmallTarget() throws {
        #expect(
            try LoaderTests.load("version: 1\nlimits: {headerBytes: 4KiB}").limits.http.requestTargetBytes == 4 << 10)
    }

    @Test(arguments: [
        ("a%pod%b", 3), ("%pod%%route%", 2), ("100%%", 1), ("", 0), ("%%%pod%%%", 3), ("plain", 1),
    ])
    func templatesReadAsTheyAreWritten(text: String, parts: Int) throws {
        let template = try HeaderTemplate(text)
        #expect(template.parts.count == parts && template.description == text)
    }
}
