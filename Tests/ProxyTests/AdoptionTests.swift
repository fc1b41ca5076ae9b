import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    /// How workers go over to a new generation: in bounded pieces, one generation after the other, and what stays stays.
    @Suite(.timeLimit(.minutes(1))) struct AdoptionTests {
        private func checked(_ numbers: Range<Int>, on port: UInt16 = 1) -> Configuration.Cluster {
            Configuration.Cluster(
                name: "many",
                discovery: .endpoints(
                    numbers.map {
                        Configuration.Endpoint(address: SocketAddress(IPAddress(v4: 0x7f01_0000 + UInt32($0)), port))
                    }),
                // So rare that nearly none is due while the test runs.
                healthCheck: Configuration.HealthCheck(interval: .seconds(86400)))
        }

        private func turns(_ proxy: TestProxy) -> Int { proxy.sum(.turns) }

        @Test func workPerTurnIsBoundedHoweverMuchChanges() async throws {
            let server = try Server.greeter("x")
            var configuration = Configuration.web(to: [server.address])
            let count = 40 * Worker.adoptionChecksPerTurn
            try await withProxy(configuration) { proxy in
                configuration.clusters.append(checked(0..<count))
                let before = turns(proxy)
                try await proxy.apply(configuration)
                #expect(proxy.server.oldestGenerationInUse == 2)
                #expect(turns(proxy) - before >= 40, "\(count) checks took \(turns(proxy) - before) turns")
                // Nothing but one endpoint changes: the others cost nothing.
                configuration.clusters[1] = checked(1..<(count + 1))
                let between = turns(proxy)
                try await proxy.apply(configuration)
                #expect(turns(proxy) - between < 20, "a small change took \(turns(proxy) - between) turns")
                #expect(try proxy.client().receive(asLongAs: "x") == "x")
            }
        }

        @Test func generationsThatComeTogetherAreTakenUpOneByOne() async throws {
            let (old, new) = (try Server.greeter("a"), try Server.greeter("b"))
            var configuration = Configuration.web(to: [old.address])
            var compiler = SnapshotCompiler(shared: SharedState(), names: SlotNames())
            _ = try compiler.compile(configuration, oldestGenerationInUse: 0)
            try await withProxy(configuration, workers: 2) { proxy in
                var previous: Generation?
                for number in 0..<20 {
                    let isLast = number == 19
                    configuration = .web(to: [isLast ? new.address : old.address])
                    configuration.clusters.append(checked(number * 100..<(number * 100 + 3000)))
                    // The same slots as the proxy's own compiler would give.
                    let snapshot = try compiler.compile(configuration, oldestGenerationInUse: 1)
                    let next = Generation(snapshot, after: previous, workers: 2)
                    for context in proxy.server.contexts { context.mailbox.send(.adopt(next)) }
                    previous = next
                }
                #expect(await eventually { proxy.server.oldestGenerationInUse == 21 })
                for context in proxy.server.contexts {
                    let returned = context.returned.withLock { $0.map(\.snapshot.generation) }
                    #expect(returned == Array(1...20), "each one is handed back, in order")
                }
                #expect(try proxy.client().receive(asLongAs: "b") == "b")
            }
        }

        /// Health, counters and connection counts of what stays are none of a reload's business.
        @Test func whatStaysKeepsItsHealthAndItsCounters() async throws {
            let good = try Server.greeter("a")
            let dead = try Acceptor(isListening: false)
            var configuration = Configuration.web(to: [good.address, dead.address]) {
                $0.clusters[0].healthCheck = Configuration.HealthCheck(
                    interval: .milliseconds(20), timeout: .milliseconds(200), unhealthyAfter: 1, healthyAfter: 1)
                $0.clusters[0].panicThreshold = 0.4
            }
            try await withProxy(configuration, workers: 2) { proxy in
                let snapshot = try #require(proxy.server.snapshot)
                let slot = try #require(snapshot.endpoints.first { $0.address == dead.address }).slot
                let health = proxy.server.shared.endpointHealth
                #expect(await eventually { health.load(slot) == 1 })
                let live = try proxy.client()
                #expect(try live.receive(asLongAs: "a") == "a")
                let failures = proxy.sum(.connectFailures)
                for round in 1...30 {
                    configuration.clusters.removeAll { $0.name != "servers" }
                    configuration.clusters.insert(checked(round..<(round + 200)), at: round % 2)
                    try await proxy.apply(configuration)
                    #expect(health.load(slot) == 1, "unhealthy in round \(round)")
                    #expect(try proxy.client().receive(asLongAs: "a") == "a")
                    #expect(proxy.sum(.connections) == round + 1, "connections are counted on")
                }
                #expect(proxy.sum(.connectFailures) == failures, "nobody was sent to the dead one")
                try live.send("still")
                #expect(try live.receive(asLongAs: "still") == "still")
            }
        }

        @Test func aSlotThatIsGivenAwayCountsFromZero() async throws {
            let server = try Server.greeter("x")
            let empty = Configuration()
            try await withProxy(empty, workers: 2) { proxy in
                try await proxy.apply(.web(to: [server.address]))
                for _ in 0..<5 { #expect(try proxy.client().receive(asLongAs: "x") == "x") }
                #expect(await eventually { proxy.sum(.connections) == 5 && proxy.server.connectionCount == 0 })
                let slot = try #require(proxy.clusterSlot())
                var other = Configuration.web(to: [server.address])
                other.clusters[0].name = "other"
                other.listeners[0].cluster = "other"
                try await proxy.apply(empty)
                try await proxy.apply(empty)
                try await proxy.apply(other)
                #expect(proxy.clusterSlot("other") == slot)
                #expect(proxy.sum(cluster: "other", .connections) == 0)
                #expect(try proxy.client().receive(asLongAs: "x") == "x")
                #expect(await eventually { proxy.sum(cluster: "other", .connections) == 1 })
            }
        }
    }
}
