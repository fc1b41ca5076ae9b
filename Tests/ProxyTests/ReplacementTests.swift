import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// Endpoints of one cluster replaced between two snapshots, as discovery does.
    @Suite(.timeLimit(.minutes(1))) struct ReplacementTests {
        @Test func newConnectionsGoToTheNewEndpointsAndLiveOnesStay() async throws {
            let old = try Server.greeter("a")
            let new = try Server.greeter("b")
            try await withProxy(.web(to: [old.address]), workers: 2) { proxy in
                let live = try proxy.client()
                #expect(try live.receive(asLongAs: "a") == "a")
                try await proxy.replace([new.address])
                for _ in 0..<10 { #expect(try proxy.client().receive(asLongAs: "b") == "b") }
                try live.send("still")
                #expect(try live.receive(asLongAs: "still") == "still")
                #expect(proxy.server.snapshot?.endpoints.map(\.address) == [new.address], "shown as it is")
                try await proxy.replace([])
                _ = try proxy.client().end()
                try await proxy.replace([old.address])
                #expect(try proxy.client().receive(asLongAs: "a") == "a")
            }
        }

        @Test func healthChecksFollow() async throws {
            let good = try Server.greeter("a")
            let dead = try Acceptor(isListening: false)
            let configuration = Configuration.web(to: [good.address]) {
                $0.clusters[0].healthCheck = Configuration.HealthCheck(
                    interval: .milliseconds(20), timeout: .milliseconds(200), unhealthyAfter: 1, healthyAfter: 1)
                $0.clusters[0].panicThreshold = 0.4
            }
            try await withProxy(configuration, workers: 2) { proxy in
                try await proxy.replace([good.address, dead.address])
                let slot = try #require(proxy.server.snapshot?.endpoints.first { $0.address == dead.address }).slot
                #expect(await eventually { proxy.server.shared.endpointHealth.load(slot) == 1 })
                for _ in 0..<10 { #expect(try proxy.client().receive(asLongAs: "a") == "a") }
                try await proxy.replace([good.address])
                let failed = proxy.sum(.healthChecksFailed)
                // Five intervals: enough for a check that should not be there.
                try await Task.sleep(for: .milliseconds(100))
                #expect(proxy.sum(.healthChecksFailed) == failed)
            }
        }

        /// Replacements and reloads in turn, as fast as they go: each is taken over, in order, and what is in force in the
        /// end is the last.
        @Test func replacementsAndReloadsTakeTurns() async throws {
            let servers = try (0..<3).map { try Server.greeter("\($0)") }
            var configuration = Configuration.web(to: [servers[0].address])
            try await withProxy(configuration, workers: 2) { proxy in
                for round in 0..<60 {
                    if round % 5 == 4 {
                        configuration.clusters[0].connectTimeout = .milliseconds(1000 + round)
                        try await proxy.apply(configuration)
                        #expect(try proxy.client().receive(asLongAs: "0") == "0")
                    } else {
                        let server = round % 3
                        try await proxy.replace([servers[server].address])
                        #expect(try proxy.client().receive(asLongAs: "\(server)") == "\(server)")
                    }
                }
                #expect(proxy.server.contexts.allSatisfy { $0.replaced.withLock(\.isEmpty) }, "all are handed back")
            }
        }

        @Test func failuresEjectAnEndpointOfATunnelCluster() async throws {
            let good = try Server.greeter("a")
            let dead = try Acceptor(isListening: false)
            let configuration = Configuration.web(to: [good.address, dead.address]) {
                $0.clusters[0].outlierDetection = .init(consecutiveFailures: 2, baseEjection: .seconds(600))
                $0.clusters[0].panicThreshold = 0.1
            }
            try await withProxy(configuration, workers: 2) { proxy in
                for _ in 0..<20 { #expect(try proxy.client().receive(asLongAs: "a") == "a") }
                let slot = try #require(proxy.server.snapshot?.endpoints.first { $0.address == dead.address }).slot
                #expect(proxy.server.shared.endpointHealth.load(slot) == SharedState.ejected)
                #expect(proxy.sum(.connectFailures) == 2 && proxy.sum(.ejectionsConsecutive) == 1)
            }
        }
    }
}
