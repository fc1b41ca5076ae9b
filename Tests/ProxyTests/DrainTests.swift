import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// The end of a proxy.
    @Suite(.timeLimit(.minutes(1))) struct DrainTests {
        @Test func liveConnectionsMayFinish() async throws {
            let server = try Server.echo()
            try await withProxy(.web(to: [server.address]), workers: 2) { proxy in
                let address = try proxy.address()
                let live = try (0..<10).map { _ in try proxy.client() }
                for client in live {
                    try client.send("x")
                    #expect(try client.receive().count == 1)
                }
                let left = Task { [server = proxy.server] in await server.stop(within: .seconds(20)) }
                #expect(await eventually { (try? Peer(to: address)) == nil }, "it still accepts")
                #expect(proxy.server.phase == .draining && proxy.server.listeners.isEmpty)
                for client in live {
                    try client.send("end")
                    #expect(try client.receive(asLongAs: "end") == "end")
                    client.shutdownWrite()
                    #expect(client.end() == nil)
                }
                #expect(await left.value == 0)
                #expect(proxy.server.phase == .stopped)
                #expect(await proxy.records(10).allSatisfy { $0.reason == .completed })
            }
        }

        /// Long enough for guards that probe as this file says, and bounded.
        @Test func whoStandsInForOthersGivesThemTime() {
            var configuration = Configuration()
            #expect(ProxyServer.grace(configuration) == .milliseconds(1600))
            configuration.failover.probe.interval = .seconds(60)
            #expect(ProxyServer.grace(configuration) == ProxyServer.graceMax)
            configuration.drainTimeout = .seconds(2)
            #expect(ProxyServer.grace(configuration) == .seconds(1))
            configuration.drainTimeout = .zero
            #expect(ProxyServer.grace(configuration) == .zero)
        }

        @Test func whatIsLeftAtTheDeadlineIsReset() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                try client.send("x")
                #expect(try server.receive().count == 1)
                let start = ContinuousClock.now
                #expect(await proxy.server.stop(within: .milliseconds(200)) == 1)
                #expect(ContinuousClock.now - start >= .milliseconds(200))
                #expect(client.end() == connectionReset && server.end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .drainTimeout && record.closedBy == .proxy && record.bytesSent == 1)
            }
        }

        @Test func whatWaitsInTheQueueIsServed() async throws {
            let server = try Server.echo()
            for _ in 0..<10 {
                try await withProxy(.web(to: [server.address])) { proxy in
                    // Established as far as the clients know; some not accepted yet when the drain begins.
                    let clients = try (0..<100).map { _ in try proxy.client() }
                    proxy.server.drain()
                    for client in clients {
                        try client.send("hello")
                        client.shutdownWrite()
                        #expect(try client.receiveAll() == Array("hello".utf8))
                    }
                    #expect(await proxy.server.stop(within: .seconds(10)) == 0)
                }
            }
        }

        @Test func manyAtTheDeadline() async throws {
            let server = try Server.greeter("x")
            try await withProxy(.web(to: [server.address]), workers: 2) { proxy in
                // More than one turn serves.
                let clients = try (0..<700).map { _ in try proxy.client() }
                for client in clients { #expect(try client.receive(exactly: 1).count == 1) }
                #expect(await proxy.server.stop(within: .zero) == 700)
                for client in clients { #expect(client.end() == connectionReset) }
                #expect(await proxy.records(700).allSatisfy { $0.reason == .drainTimeout })
            }
        }
    }
}
