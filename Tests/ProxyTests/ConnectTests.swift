import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// Which endpoint a connection reaches, and what happens when it reaches none.
    @Suite(.timeLimit(.minutes(1))) struct ConnectTests {
        @Test func aRefusedConnectGoesOnToTheNextEndpoint() async throws {
            let closed = try Acceptor(isListening: false)
            let server = try Server.echo()
            try await withProxy(.web(to: [closed.address, server.address])) { proxy in
                for _ in 0..<20 {
                    let client = try proxy.client()
                    try client.send("hello")
                    client.shutdownWrite()
                    #expect(try client.receiveAll() == Array("hello".utf8))
                }
                let records = await proxy.records(20)
                #expect(records.allSatisfy { $0.reason == .completed && $0.endpoint == server.address })
                let retried = records.filter { $0.attempts == 2 }.count
                #expect(retried >= 10 && records.allSatisfy { (1...2).contains($0.attempts) })
                #expect(proxy.sum(cluster: "servers", .connectFailures) == retried)
                #expect(proxy.sum(cluster: "servers", .connectRetries) == retried)
                #expect(proxy.sum(cluster: "servers", .connections) == 20)
            }
        }

        @Test func aClientIsResetWhenAllRefuse() async throws {
            let closed = try (0..<3).map { _ in try Acceptor(isListening: false) }
            try await withProxy(.web(to: closed.map(\.address))) { proxy in
                #expect(try proxy.client().end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .connectFailed && record.attempts == 3 && record.bytesSent == 0)
                #expect(proxy.sum(listener: "web", column: ListenerCounter.column(.connectFailed)) == 1)
            }
        }

        @Test func noEndpointAtAll() async throws {
            try await withProxy(.web(to: [])) { proxy in
                #expect(try proxy.client().end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .noEndpoint && record.endpoint.port == 0)
                #expect(proxy.sum(cluster: "servers", .noEndpoint) == 1)
            }
        }

        @Test func anUnansweredConnectTimesOutAndGoesOn() async throws {
            let hole = try BlackHole()
            let server = try Server.echo()
            let configuration = Configuration.web(to: [hole.address, server.address]) {
                $0.clusters[0].connectTimeout = .milliseconds(200)
            }
            try await withProxy(configuration) { proxy in
                for _ in 0..<2 {
                    let client = try proxy.client()
                    try client.send("hello")
                    client.shutdownWrite()
                    #expect(try client.receiveAll() == Array("hello".utf8))
                }
                let records = await proxy.records(2)
                let late = records.filter { $0.attempts == 2 }
                #expect(!late.isEmpty && records.allSatisfy { $0.endpoint == server.address })
                #expect(late.allSatisfy { $0.connectNanoseconds >= 200_000_000 })
                #expect(proxy.sum(cluster: "servers", .connectTimeouts) == late.count)
            }
        }

        @Test func nobodyAnswers() async throws {
            let holes = [try BlackHole(), try BlackHole()]
            let configuration = Configuration.web(to: holes.map(\.address)) {
                $0.clusters[0].connectTimeout = .milliseconds(100)
            }
            try await withProxy(configuration) { proxy in
                #expect(try proxy.client().end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .connectTimeout && record.attempts == 2)
                #expect((200_000_000...5_000_000_000).contains(record.durationNanoseconds))
            }
        }

        @Test func weightsAreRespected() async throws {
            let servers = [try Server.greeter("a"), try Server.greeter("b")]
            let configuration = Configuration.web(to: servers.map(\.address)) {
                $0.clusters[0].discovery = .endpoints([
                    Configuration.Endpoint(address: servers[0].address, weight: 3),
                    Configuration.Endpoint(address: servers[1].address, weight: 1),
                ])
            }
            try await withProxy(configuration) { proxy in
                var count = 0
                for _ in 0..<80 { count += try proxy.client().receive(asLongAs: "a") == "a" ? 1 : 0 }
                #expect(count == 60)
            }
        }

        @Test(arguments: [
            (listener: IPAddress.loopbackV4, endpoint: IPAddress.loopbackV4, isLoop: true),
            (listener: .anyV4, endpoint: .loopbackV4, isLoop: true),
            (listener: .anyV6, endpoint: .loopbackV6, isLoop: true),
            (listener: .anyV6, endpoint: .loopbackV4, isLoop: false),
        ])
        func loopsAreRefused(listener: IPAddress, endpoint: IPAddress, isLoop: Bool) async throws {
            let port = try Acceptor(SocketAddress(endpoint, 0), isListening: false).address.port
            let other = isLoop ? nil : try Server.greeter("x", SocketAddress(endpoint, port))
            let configuration = Configuration.web(
                to: [SocketAddress(endpoint, port)], on: SocketAddress(listener, port))
            try await withProxy(configuration) { proxy in
                let own = listener.family == .v4 ? IPAddress.loopbackV4 : .loopbackV6
                let client = try Peer(to: SocketAddress(own, port))
                if isLoop {
                    #expect(client.end() == connectionReset)
                    #expect(await proxy.records(1).map(\.reason) == [.loop])
                } else {
                    #expect(try client.receive(asLongAs: "x") == "x")
                }
            }
            _ = other
        }

        // 127/8 is known to be this host as a whole; it takes an address of an interface to make this interesting.
        @Test(.enabled(if: HostAddress.outside() != nil, "this host has no address but loopback"))
        func loopsThroughAnotherAddressOfTheHostAreRefused() async throws {
            let own = try #require(HostAddress.outside())
            let port = try Acceptor(SocketAddress(own, 0), isListening: false).address.port
            let configuration = Configuration.web(to: [SocketAddress(own, port)], on: SocketAddress(.anyV4, port))
            try await withProxy(configuration) { proxy in
                let client = try Peer(to: SocketAddress(.loopbackV4, port))
                #expect(client.end() == connectionReset)
                #expect(await eventually { proxy.server.connectionCount == 0 })
                let records = await proxy.records(1)
                #expect(records.contains { $0.reason == .loop })
                #expect(records.count <= 4, "\(records.count) connections went round")
            }
        }
    }
}
