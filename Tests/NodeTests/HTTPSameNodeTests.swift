import Lab
import Model
import Testing

/// What a client sees does not depend on whether the server's pod is on its host: each test runs both ways.
extension NodeTests {
    @Suite struct HTTPSameNodeTests {
        /// A server on the other host, and on the client's.
        static let servers: [PodName] = [.b1, .a2]
        private static let service = HTTPTableTests.service
        private static let routed = "{match: {ports: [80]}, protocol: http, routes: out}"

        static func table(_ name: String, _ rules: String) -> String {
            "{name: \(name), virtualHosts: [{domains: [\"*\"], rules: [\(rules)]}]}"
        }

        /// `outbound` for A1, `inbound` for the server's pod, wherever it is.
        func plan(
            _ plan: inout MeshPlan, _ server: PodName, outbound: String, inbound: String, endpoints: [PodName] = []
        ) {
            let all = [server] + endpoints
            plan.a.outbound[.a1] = [outbound]
            let list = all.map { "{address: \"\($0.v4):8080\"}" }.joined(separator: ", ")
            plan.a.clusters = [
                "{name: web, endpoints: [\(list)]}", "{name: own, discovery: {originalDestination: true}}",
            ]
            plan.b.clusters = ["{name: own, discovery: {originalDestination: true}}"]
            plan.a.routes = [
                Self.table(
                    "out",
                    """
                    {name: out, match: {path: {prefix: /}}, route: {cluster: web, \
                    retry: {attempts: 2, when: [reset, connectFailure], budget: 100%}, requestHeaders: {add: {x-way: out}}}}
                    """)
            ]
            let inside = Self.table(
                "in",
                """
                {name: hello, match: {path: {exact: /hello}}, respond: {status: 200, body: hello}}, \
                {name: in, match: {path: {prefix: /}}, route: {cluster: own, requestHeaders: {add: {x-way: in}}, \
                responseHeaders: {set: {x-in: "%destination_pod%"}}}}
                """)
            plan.a.routes.append(inside)
            plan.b.routes = [inside]
            for (host, pods) in [(\MeshPlan.a, HostName.a.pods), (\MeshPlan.b, HostName.b.pods)]
            where pods.contains(server) {
                plan[keyPath: host].inbound[server] = [inbound]
            }
        }

        private func proxy(of server: PodName, _ mesh: Mesh) -> ProxyHost { server.host == .a ? mesh.a : mesh.b }

        /// Proxies between the two pods, by the addresses that each hop saw.
        private func hops(_ id: String, _ mesh: Mesh) throws -> [AccessRecord] {
            try mesh.proxies.flatMap { try $0.accessLog().filter { $0.requestId == id } }
        }

        @Test(arguments: servers) func bytesOutRequestsIn(server pod: PodName) throws {
            try withMesh({
                plan(
                    &$0, pod, outbound: "{match: {ports: [80]}, protocol: tcp, cluster: web}",
                    inbound: "{match: {ports: [8080]}, protocol: http, routes: in}")
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                for _ in 0..<3 {
                    let reply = try client.request("POST", "/x", body: "some text")
                    #expect(reply.status == 200 && reply.body.hasSuffix("\n\nsome text"))
                    #expect(try reply.greeting.peer.address == PodName.a1.v4)
                    #expect(reply.field("x-in") == ProxyConfiguration.name(of: pod))
                    #expect(reply.requestField("x-way") == "in")
                }
                #expect(try client.request("GET", "/hello").body == "hello")
                #expect(server.requests.count == 3 && server.accepted == 1)
                let record = try proxy(of: pod, mesh).record { $0.path == "/x" }
                #expect(record.destinationPod == ProxyConfiguration.name(of: pod))
                #expect(record.inboundRoute == "in" || record.route == "in", "\(record)")
                #expect(record.method == "POST" && record.status == 200)
            }
        }

        @Test(arguments: servers) func requestsOutBytesIn(server pod: PodName) throws {
            try withMesh({
                plan(&$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, protocol: tcp}")
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                for _ in 0..<3 {
                    let reply = try client.request()
                    #expect(reply.status == 200 && reply.requestField("x-way") == "out")
                    #expect(try reply.greeting.peer.address == PodName.a1.v4)
                }
                #expect(server.accepted == 1)
                let record = try mesh.a.record { $0.method != nil }
                #expect(record.pod == "shop/a1" && record.route == "out" && record.inboundRoute == nil)
                if pod.host == .a { #expect(record.destinationPod == "shop/a2") }
            }
        }

        /// Both tables in one exchange: one log line with both pods, one connection, one proxy.
        @Test(arguments: servers) func requestsOutRequestsIn(server pod: PodName) throws {
            try withMesh({
                plan(
                    &$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, protocol: http, routes: in}")
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                var ids: [String] = []
                for _ in 0..<3 {
                    let reply = try client.request()
                    #expect(reply.status == 200 && reply.field("x-in") == ProxyConfiguration.name(of: pod))
                    let seen = try #require(server.requests.last)
                    #expect(seen.fields.filter { $0.name == "x-way" }.map(\.value) == ["out", "in"])
                    #expect(try reply.greeting.peer.address == PodName.a1.v4)
                    ids.append(try #require(reply.requestField("x-request-id")))
                }
                #expect(try client.request("GET", "/hello").body == "hello")
                #expect(server.accepted == 1 && Set(ids).count == 3)
                let isLogged = try eventually { try hops(ids[2], mesh).count == (pod.host == .a ? 1 : 2) }
                let lines = try hops(ids[2], mesh)
                #expect(isLogged, "a line for each proxy that it passed: \(lines)")
                guard pod.host == .a else { return }
                let record = try #require(hops(ids[2], mesh).first)
                #expect(record.pod == "shop/a1" && record.destinationPod == "shop/a2")
                #expect(record.route == "out" && record.inboundRoute == "in" && record.direction == "outbound")
                // The port is the outbound leg's: nothing came in between.
                let peer = try #require(server.requests.last?.peer)
                #expect(record.source == "\(peer)" && ProxyConfiguration.outboundPorts.contains(peer.port))
                #expect(try mesh.a.accessLog().allSatisfy { $0.direction == "outbound" })
            }
        }

        /// A pod that denies is an endpoint that resets: another one is asked, and nothing of its edits is left.
        @Test(arguments: servers) func aDenyingEndpointIsPassedOver(server pod: PodName) throws {
            let other = pod == .a2 ? PodName.b2 : .b2
            try withMesh({
                plan(
                    &$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, deny: true}", endpoints: [other]
                )
            }) { mesh in
                let servers = try [mesh.lab[pod].serveHTTP(), mesh.lab[other].serveHTTP()]
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                for number in 0..<6 {
                    let reply = try client.request("GET", "/\(number)")
                    #expect(reply.status == 200, "request \(number): \(reply)")
                    #expect(try reply.greeting.app == "\(other)")
                }
                #expect(servers[0].accepted == 0 && servers[1].requests.count == 6)
                let isRetried = try eventually { try mesh.a.accessLog().contains { $0.attempts == 2 } }
                #expect(isRetried)
                for record in try mesh.a.accessLog() where record.method != nil {
                    #expect(record.destinationPod == nil, "\(other) is not on this host: \(record)")
                }
            }
        }

        /// Nobody else is there: the client is told the same, wherever the denying pod is.
        @Test(arguments: servers) func aDenyIsABadGateway(server pod: PodName) throws {
            try withMesh({
                plan(&$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, deny: true}")
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                for method in ["GET", "POST"] {
                    let reply = try client.request(method, "/", body: method == "POST" ? "x" : nil)
                    #expect(reply.status == 502, "\(method): \(reply)")
                    #expect(reply.body == "the connection to the endpoint ended before its response\n")
                }
                #expect(server.accepted == 0)
            }
        }

        /// Nobody listens in the pod.
        @Test(arguments: servers) func aRefusalIsUnavailability(server pod: PodName) throws {
            try withMesh({
                plan(
                    &$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, protocol: http, routes: in}")
            }) { mesh in
                let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                #expect(try client.request().status == 503)
                #expect(try client.request("GET", "/hello").body == "hello")
                let server = try mesh.lab[pod].serveHTTP()
                #expect(try client.request().status == 200)
                #expect(server.accepted == 1)
                // It restarts: what was pooled is dead, and nobody notices.
                server.stop()
                #expect(try client.request().status == 503)
                let again = try mesh.lab[pod].serveHTTP()
                #expect(try client.request("POST", "/", body: "x").status == 200)
                #expect(again.requests.count == 1)
            }
        }

        /// The server's address goes to another pod: what leads to the former one ends, pooled or not.
        @Test(arguments: servers) func aReceiverThatIsReplacedLosesItsConnections(server pod: PodName) throws {
            try withMesh({
                plan(
                    &$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, protocol: http, routes: in}")
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let clients = try (0..<4).map { _ in try mesh.lab[.a1].connectHTTP(to: Self.service) }
                for client in clients { try client.send("POST", "/wait/300", body: "x") }
                for client in clients { #expect(try client.receive().status == 200) }
                for client in clients.prefix(2) { try client.send("POST", "/wait/3000", body: "x") }
                #expect(eventually { server.requests.count == 6 })
                try proxy(of: pod, mesh).reload { $0.uids[pod] = "second" }
                for client in clients.prefix(2) {
                    let reply = try client.receive()
                    #expect(reply.status == 502 && reply.body.hasPrefix("the connection to the endpoint ended"))
                }
                let isLogged = try eventually {
                    try proxy(of: pod, mesh).accessLog().filter { $0.reasons?.contains("pod_gone") == true }.count == 2
                }
                #expect(isLogged)
                #expect(eventually { server.active == 0 }, "the pooled ones too: \(server.active) are left")
                for client in clients { #expect(try client.request().status == 200) }
            }
        }

        /// A pod that has as many connections as it may have resets the next one.
        @Test(arguments: servers) func aFullReceiverIsABadGateway(server pod: PodName) throws {
            try withMesh({
                plan(
                    &$0, pod, outbound: Self.routed, inbound: "{match: {ports: [8080]}, protocol: http, routes: in}")
                // Idle connections count, and are one worker's each.
                ($0.a.workers, $0.b.workers) = (1, 1)
                if pod.host == .a {
                    $0.a.limits[pod] = "{connections: 2}"
                } else {
                    $0.b.limits[pod] = "{connections: 2}"
                }
            }) { mesh in
                let server = try mesh.lab[pod].serveHTTP()
                let clients = try (0..<3).map { _ in try mesh.lab[.a1].connectHTTP(to: Self.service) }
                for client in clients.prefix(2) { try client.send("GET", "/wait/1000") }
                #expect(eventually { server.requests.count == 2 })
                let reply = try clients[2].request("POST", "/", body: "x")
                #expect(reply.status == 502, "\(reply)")
                for client in clients.prefix(2) { #expect(try client.receive().status == 200) }
                #expect(try clients[2].request().status == 200)
            }
        }
    }
}
