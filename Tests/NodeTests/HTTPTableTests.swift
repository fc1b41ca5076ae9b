import Foundation
import Lab
import Model
import Testing

/// HTTP by pod tables, between pods of different hosts: what is routed where, and what each side and the log see of it.
extension NodeTests {
    @Suite struct HTTPTableTests {
        static let service = SocketAddress(IPAddress(v4: 0x0a60_0014), 80)

        /// A1's requests to the service go by routes to B1.
        private func routed(_ plan: inout MeshPlan, endpoint: SocketAddress) {
            plan.a.outbound[.a1] = ["{match: {ports: [80]}, protocol: http, routes: shop}"]
            plan.a.clusters = ["{name: web, endpoints: [{address: \"\(endpoint)\"}]}"]
            plan.a.routes = [
                """
                {name: shop, virtualHosts: [{domains: ["*"], rules: [{name: all, match: {path: {prefix: /}}, \
                route: {cluster: web, requestHeaders: {set: {x-pod: "%pod%", x-from: "%source_address%"}}, \
                responseHeaders: {set: {x-mesh: "%route%"}}}}]}]}
                """
            ]
        }

        @Test(arguments: Mesh.Backend.usual)
        func requestsAreRoutedWithThePodsAddress(backend: Mesh.Backend) throws {
            for isV4 in [true, false] {
                let endpoint = SocketAddress(isV4 ? PodName.b1.v4 : PodName.b1.v6, 8080)
                try withMesh({
                    $0.backend = backend
                    routed(&$0, endpoint: endpoint)
                }) { mesh in
                    let server = try mesh.lab[.b1].serveHTTP()
                    let client = try mesh.lab[.a1].connectHTTP(to: Self.service)
                    for number in 0..<3 {
                        let reply = try client.request("GET", "/items/\(number)", host: "web.shop")
                        #expect(reply.status == 200)
                        let address = isV4 ? PodName.a1.v4 : PodName.a1.v6
                        #expect(try reply.greeting.peer.address == address)
                        #expect(reply.requestLine == "GET /items/\(number) HTTP/1.1")
                        #expect(reply.requestField("host") == "web.shop")
                        #expect(reply.requestField("x-pod") == "shop/a1")
                        // What the pod was when it connected, whatever family its upstream has.
                        #expect(reply.requestField("x-from") == "\(PodName.a1.v4)")
                        #expect(reply.field("x-mesh") == "all")
                        #expect(reply.requestField("x-forwarded-for") == nil, "the source address is real")
                        let id = try #require(reply.requestField("x-request-id"))
                        try checkLog(mesh, id, number, endpoint)
                    }
                    #expect(server.accepted == 1, "one connection serves one pod's requests one after the other")
                }
            }
        }

        private func checkLog(_ mesh: Mesh, _ id: String, _ number: Int, _ endpoint: SocketAddress) throws {
            let record = try mesh.a.record { $0.requestId == id }
            #expect(record.method == "GET" && record.path == "/items/\(number)" && record.status == 200)
            #expect(record.pod == "shop/a1" && record.route == "all" && record.cluster == "web")
            #expect(record.endpoint == "\(endpoint)" && record.originalDestination == "\(Self.service)")
            #expect(record.direction == "outbound" && record.responseFlags == "-" && record.attempts == 1)
            let source = try #require(record.source.flatMap { SocketAddress($0) })
            #expect(ProxyConfiguration.outboundPorts.contains(source.port), "outbound leg: \(source)")
        }

        /// An entry with neither routes nor cluster goes where the client dialled, directly or through a ClusterIP.
        @Test(arguments: Mesh.Backend.usual)
        func withoutRoutesToTheOriginalDestination(backend: Mesh.Backend) throws {
            let services = [
                KubeProxy.Service(
                    clusterIP: Self.service.address, port: 80, endpoint: SocketAddress(PodName.b1.v4, 8080))
            ]
            try withMesh({
                $0.backend = backend
                $0.a.outbound[.a1] = ["{match: {ports: [80, 8080]}, protocol: http}"]
                $0.b.inbound[.b1] = ["{match: {ports: [8080]}, protocol: http1}"]
                $0.prepare = { try KubeProxy(services).install(on: $0[.a]) }
            }) { mesh in
                let server = try mesh.lab[.b1].serveHTTP()
                let targets = [
                    SocketAddress(PodName.b1.v4, 8080), SocketAddress(PodName.b1.v6, 8080), Self.service,
                ]
                for target in targets {
                    let client = try mesh.lab[.a1].connectHTTP(to: target)
                    for _ in 0..<2 {
                        let reply = try client.request()
                        #expect(reply.status == 200)
                        let address = target.address.isV4 ? PodName.a1.v4 : PodName.a1.v6
                        #expect(try reply.greeting.peer.address == address, "to \(target)")
                        let id = try #require(reply.requestField("x-request-id"))
                        let sent = try mesh.a.record { $0.requestId == id }
                        #expect(sent.originalDestination == "\(target)" && sent.endpoint == "\(target)")
                        let received = try mesh.b.record { $0.requestId == id }
                        #expect(received.direction == "inbound" && received.destinationPod == "shop/b1")
                        #expect(received.client == sent.source)
                        #expect(received.source == "\(try reply.greeting.peer)")
                    }
                }
                #expect(server.requests.count == 6)
            }
        }

        /// The receiving pod's table is what its host's proxy obeys, and every answer is the proxy's own.
        @Test func inboundRoutesAnswerRedirectEditAndLimit() throws {
            try withMesh({
                $0.b.inbound[.b1] = [
                    "{match: {ports: [8081], cidrs: [\(PodName.a2.v4)/32]}, deny: true}",
                    "{match: {ports: [8080, 8081]}, protocol: http, routes: in}",
                ]
                $0.b.routes = [
                    """
                    {name: in, virtualHosts: [{domains: ["*"], rules: [\
                    {match: {path: {exact: /healthz}}, respond: {status: 200, body: "from the proxy"}}, \
                    {match: {path: {prefix: /old}}, redirect: {prefix: /new, status: 308}}, \
                    {match: {path: {prefix: /few}}, route: {cluster: own}, filters: [{localRateLimit: {requests: 2, per: 60s}}]}, \
                    {name: edits, match: {path: {prefix: /}}, route: {cluster: own, \
                    requestHeaders: {set: {x-to: "%destination_pod%"}, remove: [x-secret]}, \
                    responseHeaders: {remove: [x-app]}}}]}]}
                    """
                ]
                $0.b.clusters = ["{name: own, discovery: {originalDestination: true}}"]
            }) { mesh in
                let servers = try [mesh.lab[.b1].serveHTTP(), mesh.lab[.b1].serveHTTP(port: 8081)]
                let client = try mesh.lab[.a1].connectHTTP(to: SocketAddress(PodName.b1.v4, 8080))
                let health = try client.request("GET", "/healthz")
                #expect(health.status == 200 && health.body == "from the proxy")
                let moved = try client.request("GET", "/old/x?y=1")
                #expect(moved.status == 308 && moved.field("location")?.hasSuffix("/new/x?y=1") == true, "\(moved)")
                #expect(servers[0].accepted == 0)
                let edited = try client.request("GET", "/x", ["x-secret": "1", "x-other": "2"])
                #expect(edited.status == 200 && edited.field("x-app") == nil)
                #expect(edited.requestField("x-to") == "shop/b1" && edited.requestField("x-secret") == nil)
                #expect(edited.requestField("x-other") == "2")
                #expect(try edited.greeting.peer.address == PodName.a1.v4)
                let limited = try (0..<3).map { _ in try client.request("GET", "/few") }
                #expect(limited.map(\.status) == [200, 200, 429])
                #expect(limited[2].field("retry-after") != nil)
                let denied = SocketAddress(PodName.b1.v4, 8081)
                mesh.expectReset(from: mesh.lab[.a2], to: denied)
                #expect(try mesh.lab[.a1].connectHTTP(to: denied).request().status == 200)
                #expect(servers[1].accepted == 1)
            }
        }

        /// A silent server: as many of the pod's requests as may wait do, the next one is told at once, others' are not hurt.
        @Test func requestsThatWaitAreLimitedByPod() throws {
            try withMesh({
                let table = "{match: {ports: [80]}, protocol: http, cluster: web}"
                $0.a.outbound = [.a1: [table], .a2: [table]]
                $0.a.clusters = ["{name: web, connectTimeout: 1s, endpoints: [{address: \(PodName.b1.v4):9999}]}"]
                $0.a.limits[.a1] = "{pendingRequests: 2}"
                $0.a.extra = "passthrough: {connectTimeout: 5s}"
                $0.b.interception = ["excludeInboundPorts: [9999]"]
                $0.prepare = { lab in
                    let drop = ["iptables", "-w", "5", "-A", "INPUT", "-p", "tcp", "--dport", "9999", "-j", "DROP"]
                    try lab[.b1].run(drop).required()
                }
            }) { mesh in
                let clients = try (0..<3).map { _ in try mesh.lab[.a1].connectHTTP(to: Self.service) }
                let other = try mesh.lab[.a2].connectHTTP(to: Self.service)
                for client in clients.prefix(2) { try client.send() }
                try other.send()
                let isWaiting = try eventually { try mesh.a.admin.metric("apus_requests_active") >= 3 }
                #expect(isWaiting)
                let reply = try clients[2].request()
                #expect(reply.status == 503 && reply.body == "too many requests of the pod wait\n", "\(reply)")
                for client in clients.prefix(2) + [other] {
                    let late = try client.receive()
                    #expect(late.status == 503 && late.body == "no endpoint answers\n", "\(late)")
                }
                let record = try mesh.a.record { $0.reasons == "pending_overflow" }
                #expect(record.pod == "shop/a1" && record.attempts == 1)
                // Their places are free again.
                let again = try clients[2].request()
                #expect(again.body == "no endpoint answers\n", "\(again)")
            }
        }
    }
}
