import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// A new configuration over a running one.
    @Suite(.timeLimit(.minutes(1))) struct ReloadTests {
        @Test func newConnectionsFollowAndOldOnesGoOn() async throws {
            let (old, new) = (try Server.greeter("a"), try Server.greeter("b"))
            var configuration = Configuration.web(to: [old.address])
            try await withProxy(configuration, workers: 2) { proxy in
                let live = try (0..<8).map { _ in try proxy.client() }
                for client in live { #expect(try client.receive(asLongAs: "a") == "a") }
                configuration.clusters[0].discovery = .endpoints([Configuration.Endpoint(address: new.address)])
                try await proxy.apply(configuration)
                for _ in 0..<8 { #expect(try proxy.client().receive(asLongAs: "b") == "b") }
                for client in live {
                    try client.send("still")
                    #expect(try client.receive(asLongAs: "still") == "still")
                }
            }
        }

        @Test func listenersComeAndGo() async throws {
            let server = try Server.greeter("x")
            let first = Configuration.web(to: [server.address])
            var both = first
            both.listeners.append(
                Configuration.Listener(name: "more", address: SocketAddress(.loopbackV4, 0), cluster: "servers"))
            try await withProxy(first, workers: 2) { proxy in
                let web = try proxy.address()
                try await proxy.apply(both)
                #expect(try proxy.address() == web, "a listener that stays keeps its socket")
                let more = try proxy.address("more")
                let live = try proxy.client("more")
                #expect(try live.receive(asLongAs: "x") == "x")
                try await proxy.apply(first)
                #expect(proxy.server.listeners.map(\.name) == ["web"])
                #expect(await eventually { (try? Peer(to: more)) == nil }, "the removed listener still accepts")
                try live.send("still")
                #expect(try live.receive(asLongAs: "still") == "still")
                #expect(try proxy.client().receive(asLongAs: "x") == "x")
            }
        }

        @Test func aListenerThatCannotBeOpenedChangesNothing() async throws {
            let (old, new) = (try Server.greeter("a"), try Server.greeter("b"))
            let taken = try Acceptor()
            let configuration = Configuration.web(to: [old.address])
            var bad = Configuration.web(to: [new.address])
            bad.listeners = [
                Configuration.Listener(name: "fine", address: SocketAddress(.loopbackV4, 0), cluster: "servers"),
                Configuration.Listener(name: "taken", address: taken.address, cluster: "servers"),
            ]
            try await withProxy(configuration) { proxy in
                let failure = await #expect(throws: ListenFailure.self) { try await proxy.apply(bad) }
                #expect(
                    failure?.description.hasPrefix("listener taken: \(taken.address): address already in use") == true)
                #expect(proxy.server.listeners.map(\.name) == ["web"])
                #expect(try proxy.client().receive(asLongAs: "a") == "a")
                // And the next one is taken over as if nothing had been.
                bad.listeners.removeLast()
                try await proxy.apply(bad)
                #expect(try proxy.client("fine").receive(asLongAs: "b") == "b")
            }
        }

        @Test func whatWaitsAtAListenerThatGoesIsServed() async throws {
            let server = try Server.greeter("x")
            let address = SocketAddress(.loopbackV4, try Acceptor(isListening: false).address.port)
            let with = Configuration.web(to: [server.address], on: address)
            var without = with
            without.listeners = []
            try await withProxy(without) { proxy in
                for _ in 0..<40 {
                    try await proxy.apply(with)
                    // Handshakes are done by the kernel: these may not have been accepted when the listener goes.
                    let clients = try (0..<20).map { _ in try Peer(to: address) }
                    try await proxy.apply(without)
                    for client in clients { #expect(try client.receive(asLongAs: "x") == "x") }
                }
                #expect(await eventually { proxy.server.connectionCount == 0 })
                let records = await proxy.records(800)
                #expect(records.allSatisfy { $0.reason == .completed || $0.reason == .clientReset })
            }
        }

        @Test func aConnectThatGoesOnUsesTheNewEndpoints() async throws {
            let hole = try BlackHole()
            let server = try Server.greeter("x")
            var configuration = Configuration.web(to: [hole.address]) {
                $0.clusters[0].connectTimeout = .milliseconds(400)
            }
            try await withProxy(configuration) { proxy in
                let client = try proxy.client()
                #expect(await eventually { proxy.server.shared.endpointConnections.load(0) == 1 })
                configuration.clusters[0].discovery = .endpoints([Configuration.Endpoint(address: server.address)])
                try await proxy.apply(configuration)
                #expect(try client.receive(asLongAs: "x") == "x")
            }
        }

        @Test func aConnectGoesNowhereWhenItsClusterIsGone() async throws {
            let hole = try BlackHole()
            let configuration = Configuration.web(to: [hole.address]) {
                $0.clusters[0].connectTimeout = .milliseconds(300)
            }
            try await withProxy(configuration) { proxy in
                let client = try proxy.client()
                #expect(await eventually { proxy.server.shared.endpointConnections.load(0) == 1 })
                try await proxy.apply(Configuration())
                #expect(client.end() == connectionReset)
                #expect(await proxy.records(1).map(\.reason) == [.connectTimeout])
            }
        }

        @Test func manyReloadsUnderLoad() async throws {
            let servers = try (0..<4).map { try Server.greeter("\($0)") }
            let configuration = Configuration.web(to: [servers[0].address])
            try await withProxy(configuration, workers: 2) { proxy in
                let address = try proxy.address()
                let load = Task {
                    try await blocking {
                        for _ in 0..<600 {
                            let client = try Peer(to: address)
                            #expect(try client.receive(exactly: 1).count == 1)
                            try client.send("ping")
                            #expect(try client.receive(asLongAs: "ping") == "ping")
                        }
                    }
                }
                for round in 1...60 {
                    var next = configuration
                    next.clusters[0].discovery = .endpoints([
                        Configuration.Endpoint(address: servers[round % 4].address)
                    ])
                    if round.isMultiple(of: 2) {
                        next.clusters.append(
                            Configuration.Cluster(name: "extra-\(round)", discovery: .originalDestination))
                    }
                    try await proxy.apply(next)
                }
                try await load.value
                let records = await proxy.records(600)
                #expect(records.count == 600 && records.allSatisfy { $0.reason == .completed && $0.bytesReceived == 5 })
            }
        }
    }
}
