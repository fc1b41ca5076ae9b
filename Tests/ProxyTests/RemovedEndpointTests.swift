import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// Pooled connections to endpoints that a reload, or discovery, has taken away.
    @Suite(.timeLimit(.minutes(2))) struct RemovedEndpointTests {
        private static let ok = "HTTP/1.1 200 OK x"

        private func configuration(_ servers: [PooledServer]) -> Configuration {
            .web(to: servers.map(\.address)) {
                $0.listeners[0].protocolKind = .http1
                $0.clusters[0].idleTimeout = .seconds(600)
            }
        }

        /// Requests that are all under way at once, half of them with each server; then their connections rest.
        private func fill(_ proxy: TestProxy, _ servers: [PooledServer], _ count: Int) async throws -> [Peer] {
            let clients = try (0..<count).map { _ in try proxy.client() }
            for client in clients { try client.ask("/hold") }
            #expect(await eventually(within: .seconds(30)) { servers.reduce(0) { $0 + $1.held } == count })
            for server in servers { server.release(server.held) }
            for client in clients { #expect(try client.pooledAnswer() == Self.ok) }
            #expect(await eventually { proxy.sum(.upstreamsIdle) == count })
            return clients
        }

        /// More than are closed in one turn.
        @Test func theyCloseAndNoOthersDo() async throws {
            let servers = [try PooledServer(), try PooledServer()]
            let count = 5 * Worker.idleClosedPerTurn / 2
            try await withProxy(configuration(servers)) { proxy in
                let clients = try await fill(proxy, servers, count)
                let (gone, stays) = (servers[0].open, servers[1].open)
                #expect(gone + stays == count && gone >= Worker.idleClosedPerTurn, "\(gone), \(stays)")
                try await proxy.apply(configuration([servers[1]]))
                #expect(await eventually { servers[0].open == 0 }, "\(servers[0].open) are still open")
                #expect(servers[1].open == stays && proxy.sum(.upstreamsIdle) == stays)
                for client in clients {
                    try client.ask()
                    #expect(try client.pooledAnswer() == Self.ok)
                }
                #expect(servers[1].open == stays, "what was pooled is still used")
            }
        }

        @Test func theSameWithDiscoveryAndWhenTheEndpointIsBack() async throws {
            let servers = [try PooledServer(), try PooledServer()]
            try await withProxy(configuration(servers), workers: 2) { proxy in
                let clients = try await fill(proxy, servers, 20)
                try await proxy.replace([servers[1].address])
                #expect(await eventually { servers[0].open == 0 })
                try await proxy.replace(servers.map(\.address))
                #expect(servers[1].open > 0)
                for client in clients { try client.ask() }
                for client in clients { #expect(try client.pooledAnswer() == Self.ok) }
                #expect(servers[0].open > 0, "it is used again")
                #expect(await eventually { proxy.sum(.upstreamsIdle) == servers[0].open + servers[1].open })
            }
        }

        /// A request under way ends as it would have; its connection does not go into the pool then.
        @Test(arguments: [true, false])
        func aConnectionInUseClosesBehindItsRequest(isBack: Bool) async throws {
            let servers = [try PooledServer(), try PooledServer()]
            try await withProxy(configuration([servers[0]])) { proxy in
                let client = try proxy.client()
                try client.ask("/hold")
                #expect(await eventually { servers[0].held == 1 })
                try await proxy.apply(configuration([servers[1]]))
                if isBack { try await proxy.apply(configuration(servers)) }
                servers[0].release(1)
                #expect(try client.pooledAnswer() == Self.ok)
                #expect(await eventually { servers[0].open == 0 })
                #expect(proxy.sum(.upstreamsIdle) == 0)
            }
        }
    }
}
