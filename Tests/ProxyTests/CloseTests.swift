import Loopback
import Model
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104
private let brokenPipe: Int32 = 32

extension DataPlane {
    /// How ends and resets pass through.
    @Suite(.timeLimit(.minutes(1))) struct CloseTests {
        @Test func anEndIsNeverAReset() async throws {
            let server = try Server.echo()
            try await withProxy(.web(to: [server.address])) { proxy in
                for _ in 0..<200 {
                    let client = try proxy.client()
                    try client.send("x")
                    client.shutdownWrite()
                    #expect(client.end() == nil)
                }
                let records = await proxy.records(200)
                #expect(records.allSatisfy { $0.reason == .completed && $0.bytesSent == 1 && $0.bytesReceived == 1 })
            }
        }

        @Test func aClientsResetReachesTheServer() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                try client.send("x")
                let server = try acceptor.accept()
                #expect(try server.receive() == Array("x".utf8))
                client.reset()
                #expect(server.end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .clientReset && record.closedBy == .client && record.bytesSent == 1)
            }
        }

        @Test func aServersResetReachesTheClient() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                try server.send("x")
                #expect(try client.receive() == Array("x".utf8))
                server.reset()
                #expect(client.end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .upstreamReset && record.closedBy == .upstream && record.bytesReceived == 1)
            }
        }

        @Test func aResetPassesThroughAHalfClosedTunnel() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                client.shutdownWrite()
                #expect(try server.receiveAll().isEmpty)
                client.reset()
                // The server has read the end already, so only its writes can tell.
                let isBroken = await eventually {
                    do throws(PeerError) {
                        try server.send("x")
                        return false
                    } catch {
                        return error.code == brokenPipe || error.code == connectionReset
                    }
                }
                #expect(isBroken)
                let second = try proxy.client()
                let other = try acceptor.accept()
                second.shutdownWrite()
                #expect(try other.receiveAll().isEmpty)
                other.reset()
                #expect(second.end() == connectionReset)
                #expect(await proxy.records(2).map(\.reason) == [.clientReset, .upstreamReset])
            }
        }

        @Test func aServerThatGoesWithoutReadingIsAReset() async throws {
            let acceptor = try Acceptor()
            try await withProxy(.web(to: [acceptor.address])) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                try client.send("unread")
                // Closing with bytes unread sends a reset; they must have arrived for that.
                #expect(
                    await eventually { proxy.sum(listener: "web", column: ListenerCounter.bytesSent.rawValue) == 6 })
                #expect(try server.receive(atMost: 1).count == 1)
                server.close()
                #expect(client.end() == connectionReset)
                #expect(await proxy.records(1).map(\.reason) == [.upstreamReset])
            }
        }

        @Test func aResetWhileConnectingEndsTheAttempt() async throws {
            let hole = try BlackHole()
            try await withProxy(.web(to: [hole.address])) { proxy in
                let client = try proxy.client()
                #expect(await eventually { proxy.server.shared.endpointConnections.load(0) == 1 })
                let views = await proxy.server.connections(limit: 10).connections
                #expect(views.map(\.state) == [.connecting] && views.first?.record.endpoint == hole.address)
                client.reset()
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .clientReset && record.attempts == 1 && record.connectNanoseconds == 0)
                #expect(proxy.server.connectionCount == 0)
            }
        }

        @Test func aSilentTunnelIsReset() async throws {
            let acceptor = try Acceptor()
            let configuration = Configuration.web(to: [acceptor.address]) {
                $0.clusters[0].tunnelIdleTimeout = .milliseconds(150)
            }
            try await withProxy(configuration) { proxy in
                let client = try proxy.client()
                let server = try acceptor.accept()
                let start = ContinuousClock.now
                try client.send("x")
                #expect(try server.receive().count == 1)
                #expect(client.end() == connectionReset)
                #expect(ContinuousClock.now - start >= .milliseconds(150))
                #expect(server.end() == connectionReset)
                let record = try #require(await proxy.records(1).first)
                #expect(record.reason == .idleTimeout && record.closedBy == .proxy)
            }
        }

        @Test func aTrickleKeepsATunnelOpen() async throws {
            let server = try Server.echo()
            let configuration = Configuration.web(to: [server.address]) {
                $0.clusters[0].tunnelIdleTimeout = .milliseconds(400)
            }
            try await withProxy(configuration) { proxy in
                let client = try proxy.client()
                let deadline = ContinuousClock.now + .milliseconds(1000)
                while ContinuousClock.now < deadline {
                    try client.send("x")
                    #expect(try client.receive().count == 1)
                    try await Task.sleep(for: .milliseconds(50))
                }
                client.shutdownWrite()
                #expect(client.end() == nil)
            }
        }
    }
}
