import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// Limits hold exactly, and what was counted is given back.
    @Suite(.timeLimit(.minutes(1))) struct LimitTests {
        @Test func theCircuitBreakerHoldsAndLetsGoExactly() async throws {
            let server = try Server.greeter("x")
            let configuration = Configuration.web(to: [server.address]) { $0.clusters[0].connectionsMax = 3 }
            try await withProxy(configuration, workers: 2) { proxy in
                var open = try (0..<3).map { _ in try proxy.client() }
                for client in open { #expect(try client.receive(asLongAs: "x") == "x") }
                for _ in 0..<5 { #expect(try proxy.client().end() == connectionReset) }
                #expect(proxy.sum(.circuitBreakerOpen) == 5)
                // One goes, one comes, and not a second one.
                open.removeFirst().close()
                let slot = try #require(proxy.clusterSlot())
                #expect(await eventually { proxy.server.shared.clusterConnections.load(slot) == 2 })
                let next = try proxy.client()
                #expect(try next.receive(asLongAs: "x") == "x")
                #expect(try proxy.client().end() == connectionReset)
                let records = await proxy.records(7)
                #expect(records.filter { $0.reason == .circuitBreaker && $0.closedBy == .proxy }.count == 6)
                open.removeAll()
            }
        }

        @Test func refusedConnectionsGiveTheirCountBack() async throws {
            let closed = try Acceptor(isListening: false)
            let configuration = Configuration.web(to: [closed.address]) { $0.clusters[0].connectionsMax = 2 }
            try await withProxy(configuration) { proxy in
                for _ in 0..<50 {
                    let client = try proxy.client()
                    #expect(client.end() == connectionReset)
                }
                #expect(await proxy.records(50).allSatisfy { $0.reason == .connectFailed })
            }
        }

        @Test func theProcessHasALimit() async throws {
            let server = try Server.greeter("x")
            let limit = ProxyServer.descriptorReserve(workers: 1, listeners: 1) + 8
            try await withProxy(.web(to: [server.address]), workers: 2, descriptorLimit: limit) { proxy in
                var open = try (0..<4).map { _ in try proxy.client() }
                for client in open { #expect(try client.receive(asLongAs: "x") == "x") }
                for _ in 0..<10 { #expect(try proxy.client().end() == connectionReset) }
                let refused = await proxy.records(10)
                #expect(refused.allSatisfy { $0.reason == .nodeLimit && $0.endpoint.port == 0 })
                open.removeAll()
                #expect(await eventually { proxy.server.connectionCount == 0 })
                #expect(try proxy.client().receive(asLongAs: "x") == "x")
            }
        }

        @Test func aReceivingPodsLimitAndTableHoldForListenersToo() async throws {
            let server = try Server.greeter("x")
            let configuration = Configuration.web(to: [server.address]) {
                $0.pods = [
                    Configuration.Pod(
                        name: "shop/cart", addresses: [.loopbackV4],
                        tables: Configuration.PodTables(
                            inbound: [], connectionsMax: 1))
                ]
            }
            try await withProxy(configuration) { proxy in
                let first = try proxy.client()
                #expect(try first.receive(asLongAs: "x") == "x")
                #expect(try proxy.client().end() == connectionReset)
                first.close()
                #expect(await proxy.records(2).map(\.reason) == [.podLimit, .completed])
                #expect(try proxy.client().receive(asLongAs: "x") == "x")

                var denied = configuration
                denied.pods[0].tables.inbound = [Configuration.TableEntry(action: .deny)]
                try await proxy.apply(denied)
                #expect(try proxy.client().end() == connectionReset)
                #expect(await eventually { proxy.server.connectionCount == 0 })
                #expect(await proxy.records(4).last?.reason == .deniedInbound)
                #expect(server.accepted == 2)
            }
        }
    }
}

extension TestProxy {
    /// A counter of the cluster `servers`.
    func sum(_ counter: ClusterCounter) -> Int { sum(cluster: "servers", counter) }
}
