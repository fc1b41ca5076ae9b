import Model

@testable import Admin

extension Configuration {
    /// `sample()` with HTTP: a route table for the pod's port 80 and the listener `edge`.
    static func httpSample() -> Configuration {
        var configuration = sample()
        let match = RequestMatch(
            path: .prefix("/v2"), methods: ["GET"], headers: [ValueMatch(name: "x-user", .exact("7"))])
        let rules = [
            Rule(
                name: "v2", match: match,
                action: .forward(
                    Forwarding(
                        targets: [
                            Target(cluster: "web", weight: 90), Target(cluster: "postgres", weight: 10),
                        ]))),
            Rule(match: RequestMatch(path: .exact("/healthz")), action: .respond(status: 200, body: "ok")),
            Rule(action: .forward(Forwarding(targets: [Target(cluster: "web")]))),
        ]
        configuration.routes = [
            RouteTable(
                name: "shop",
                virtualHosts: [
                    VirtualHost(domains: ["cart.shop", "*.cart.shop"].compactMap(Domain.init), rules: rules)
                ])
        ]
        configuration.pods[0].tables.outbound?[0] = TableEntry(
            ports: [PortRange(80)], protocolKind: .http, routes: "shop")
        configuration.listeners[0] = Listener(
            name: "edge", address: SocketAddress(.loopbackV4, 8080), protocolKind: .http, routes: "shop")
        return configuration
    }
}

extension FakeProxy {
    func routeSlot(_ name: String) -> Int { names.all(.route).firstIndex(of: name) ?? -1 }
    func listenerSlot(_ name: String) -> Int { names.all(.listener).firstIndex(of: name) ?? -1 }

    /// A request of the pod `shop/cart` by route `v2` to the cluster `web`: 5 ms, 200.
    func request(_ change: (inout RequestRecord) -> Void = { _ in }) -> RequestRecord {
        var record = RequestRecord()
        record.startedWallNanoseconds = 1_795_352_400_000_000_000
        record.durationNanoseconds = 5_123_456
        record.upstreamFirstByteNanoseconds = 4_000_000
        record.upstreamNanoseconds = 4_500_789
        record.bytesSent = 10
        record.bytesReceived = 2000
        record.generation = 1
        record.client = .known("10.1.0.2:40000")
        record.originalDestination = .known("10.96.0.1:80")
        record.endpoint = .known("10.1.0.3:8080")
        record.source = .known("10.1.0.2:10300")
        record.pod = Int32(podSlot("shop/cart"))
        record.cluster = Int32(clusterSlot("web"))
        record.route = Int32(routeSlot("v2"))
        record.attempts = 1
        record.status = 200
        change(&record)
        return record
    }
}
