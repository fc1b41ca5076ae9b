import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// Active checks with real sockets.
    @Suite(.timeLimit(.minutes(1))) struct HealthTests {
        private func checked(_ endpoints: [SocketAddress]) -> Configuration {
            .web(to: endpoints) {
                $0.clusters[0].healthCheck = Configuration.HealthCheck(
                    interval: .milliseconds(20), timeout: .milliseconds(200), unhealthyAfter: 2, healthyAfter: 2)
                // One of two is enough: no panic.
                $0.clusters[0].panicThreshold = 0.4
            }
        }

        @Test func aDeadEndpointIsAvoidedUntilItIsBack() async throws {
            let good = try Server.greeter("a")
            let dead = try Acceptor(isListening: false)
            try await withProxy(checked([good.address, dead.address]), workers: 2) { proxy in
                let snapshot = try #require(proxy.server.snapshot)
                let slot = try #require(snapshot.endpoints.first { $0.address == dead.address }).slot
                let health = proxy.server.shared.endpointHealth
                #expect(await eventually { health.load(slot) == 1 })
                let before = proxy.sum(.connectFailures)
                for _ in 0..<20 { #expect(try proxy.client().receive(asLongAs: "a") == "a") }
                #expect(proxy.sum(.connectFailures) == before)
                #expect(proxy.sum(.healthChecksFailed) > 0 && proxy.sum(.panicPicks) == 0)

                dead.close()
                let back = try Server.greeter("b", dead.address)
                #expect(await eventually { health.load(slot) == 0 })
                var seen: Set<String> = []
                for _ in 0..<20 { seen.insert(try proxy.client().receive(asLongAs: "a")) }
                #expect(seen == ["a", "b"])
                withExtendedLifetime(back) {}
            }
        }

        @Test func whenAllAreDeadHealthIsIgnored() async throws {
            let dead = try (0..<2).map { _ in try Acceptor(isListening: false) }
            try await withProxy(checked(dead.map(\.address))) { proxy in
                let health = proxy.server.shared.endpointHealth
                let slots = try #require(proxy.server.snapshot).endpoints.map(\.slot)
                #expect(await eventually { slots.allSatisfy { health.load($0) == 1 } })
                _ = try proxy.client().end()
                #expect(await proxy.records(1).map(\.reason) == [.connectFailed])
                #expect(proxy.sum(.panicPicks) == 2)
            }
        }

        @Test func aRefusedReloadDoesNotReviveADeadEndpoint() async throws {
            let good = try Server.greeter("a")
            let dead = try Acceptor(isListening: false)
            let taken = try Acceptor()
            let configuration = checked([good.address, dead.address])
            try await withProxy(configuration) { proxy in
                let snapshot = try #require(proxy.server.snapshot)
                let slot = try #require(snapshot.endpoints.first { $0.address == dead.address }).slot
                let health = proxy.server.shared.endpointHealth
                #expect(await eventually { health.load(slot) == 1 })
                var refused = configuration
                refused.clusters[0].healthCheck = nil
                refused.listeners.append(
                    Configuration.Listener(name: "taken", address: taken.address, cluster: "servers"))
                await #expect(throws: ListenFailure.self) { try await proxy.apply(refused) }
                #expect(await eventually { health.load(slot) == 1 })
            }
        }

        @Test func checksEndWithTheirEndpoint() async throws {
            let server = try Server.greeter("a")
            let configuration = checked([server.address])
            try await withProxy(configuration) { proxy in
                #expect(await eventually { proxy.sum(.healthChecksPassed) > 2 })
                var without = configuration
                without.clusters[0].healthCheck = nil
                try await proxy.apply(without)
                let count = proxy.sum(.healthChecksPassed)
                // Five intervals: enough for a check that should not be there.
                try await Task.sleep(for: .milliseconds(100))
                #expect(proxy.sum(.healthChecksPassed) == count)
                try await proxy.apply(configuration)
                #expect(await eventually { proxy.sum(.healthChecksPassed) > count })
            }
        }
    }
}
