import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// What is done with all connections of a worker is done a piece a turn.
    @Suite(.timeLimit(.minutes(3))) struct SweepTests {
        private static let count = 3 * ConnectionWalk.placesPerTurn + 1

        private func turns(_ proxy: TestProxy) -> Int { proxy.sum(.turns) }

        /// Half of the connections are tunnels, half HTTP clients without a request.
        private func withConnections(_ body: (TestProxy, [Peer]) async throws -> Void) async throws {
            let server = try Server.greeter("a")
            let configuration = Configuration.web(to: [server.address]) {
                $0.listeners.append(
                    .init(
                        name: "http", address: SocketAddress(.loopbackV4, 0), cluster: "servers", protocolKind: .http1))
                $0.limits.http.keepAliveTimeout = .seconds(600)
            }
            let limit = try descriptorLimit()
            try #require(limit >= 5 * Self.count, "\(limit) descriptors")
            try await withProxy(configuration, descriptorLimit: limit) { proxy in
                let clients = try (0..<Self.count).map { try proxy.client($0 % 2 == 0 ? "web" : "http") }
                #expect(await eventually(within: .seconds(60)) { proxy.sum(.connectionsActive) == Self.count })
                try await body(proxy, clients)
            }
        }

        @Test func connectionsAreListedInPieces() async throws {
            try await withConnections { proxy, _ in
                let before = turns(proxy)
                let list = await proxy.server.connections(limit: 2 * Self.count)
                #expect(list.connections.count == Self.count && !list.truncated && list.missingWorkers.isEmpty)
                let clients = Set(list.connections.map { "\($0.record.listener) \($0.record.client)" })
                #expect(clients.count == Self.count, "each once")
                #expect(turns(proxy) - before >= Self.count / ConnectionWalk.placesPerTurn)
                let some = await proxy.server.connections(limit: 10)
                #expect(some.connections.count == 10 && some.truncated)
            }
        }

        /// A drain lets go of idle HTTP clients, and taking it back keeps the rest.
        @Test func aDrainAndItsEndGoInPieces() async throws {
            try await withConnections { proxy, clients in
                let (before, tunnels) = (turns(proxy), Self.count - Self.count / 2)
                proxy.server.leaveListeners()
                #expect(await eventually(within: .seconds(60)) { proxy.sum(.connectionsActive) == tunnels })
                for client in clients.enumerated() where client.offset % 2 == 1 { #expect(client.element.end() == nil) }
                try proxy.server.resume()
                let late = try proxy.client()
                #expect(try late.receive(asLongAs: "a") == "a")
                let list = await proxy.server.connections(limit: Self.count)
                #expect(list.connections.count == tunnels + 1 && list.missingWorkers.isEmpty)
                #expect(turns(proxy) - before >= Self.count / ConnectionWalk.placesPerTurn)
                #expect(try clients[0].receive(asLongAs: "a") == "a")
                try clients[0].send("still")
                #expect(try clients[0].receive(asLongAs: "still") == "still")
            }
        }
    }
}
