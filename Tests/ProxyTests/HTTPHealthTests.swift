import Loopback
import Model
import Synchronization
import Testing

@testable import Proxy

extension DataPlane {
    /// HTTP health checks with real sockets, against servers that answer in every way.
    @Suite(.timeLimit(.minutes(1))) struct HTTPHealthTests {
        private func checked(
            _ endpoints: [SocketAddress], host: String? = nil, expected: [Int] = [200], timeout: Duration = .seconds(2)
        ) -> Configuration {
            .web(to: endpoints) {
                $0.clusters[0].healthCheck = Configuration.HealthCheck(
                    interval: .milliseconds(20), timeout: timeout, unhealthyAfter: 1, healthyAfter: 1,
                    http: .init(path: "/healthz?deep=1", host: host, expected: expected))
            }
        }

        /// Answers each connection with what `answer` says, piece by piece, and keeps the requests.
        private final class Answering: Sendable {
            let requests = Mutex<[String]>([])
            let pieces: Mutex<[String]>
            let server = Mutex<Server?>(nil)

            init(_ pieces: [String]) throws {
                self.pieces = Mutex(pieces)
                let server = try Server { [weak self] peer in
                    var request = ""
                    while !request.hasSuffix("\r\n\r\n"), case let bytes = try peer.receive(), !bytes.isEmpty {
                        request += String(decoding: bytes, as: UTF8.self)
                    }
                    self?.requests.withLock { $0.append(request) }
                    for piece in self?.pieces.withLock({ $0 }) ?? [] { try peer.send(piece) }
                    // Kept open: whoever waits for more has to give up by himself.
                    _ = try peer.receive()
                }
                self.server.withLock { $0 = server }
            }

            var address: SocketAddress {
                server.withLock { $0?.address } ?? SocketAddress(.loopbackV4, 1)
            }
        }

        private func slot(_ proxy: TestProxy, _ address: SocketAddress) throws -> Int {
            try #require(proxy.server.snapshot?.endpoints.first { $0.address == address }).slot
        }

        @Test func theStatusDecidesAndAChangeIsSeen() async throws {
            let answering = try Answering(["HTTP/1.1 503 no\r\ncontent-length: 0\r\n\r\n"])
            try await withProxy(checked([answering.address], host: "cart.shop"), workers: 2) { proxy in
                let slot = try slot(proxy, answering.address)
                let health = proxy.server.shared.endpointHealth
                #expect(await eventually { health.load(slot) == 1 })
                answering.pieces.withLock { $0 = ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"] }
                #expect(await eventually { health.load(slot) == 0 })
                let request = try #require(answering.requests.withLock { $0.first })
                #expect(request.hasPrefix("GET /healthz?deep=1 HTTP/1.1\r\n"), "\(request)")
                #expect(request.contains("host: cart.shop\r\n") && request.contains("connection: close\r\n"))
            }
        }

        @Test(arguments: [
            ["HTTP/1.1 20", "4 fine\r\nx: y\r", "\n\r\n"],
            ["HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 yes\r\n\r\n"],
            ["HTTP/1.0 204\r\n\r\n"],
        ])
        func answersInPiecesCount(pieces: [String]) async throws {
            let answering = try Answering(pieces)
            try await withProxy(checked([answering.address], expected: [204])) { proxy in
                #expect(await eventually { proxy.sum(.healthChecksPassed) > 2 })
                #expect(proxy.sum(.healthChecksFailed) == 0)
                let request = answering.requests.withLock { $0.first } ?? ""
                #expect(request.contains("host: \(answering.address)\r\n"), "\(request)")
            }
        }

        @Test(arguments: [
            ["SSH-2.0-OpenSSH_9.2\r\n\r\n"], ["HTTP/1.1 200 OK\r\n"], ["HTTP/1.1 200 OK\r\nbad header : x\r\n\r\n"],
            [], ["HTTP/1.1 200 OK\r\nx: " + String(repeating: "y", count: 20000)],
        ])
        func anythingElseFails(pieces: [String]) async throws {
            let answering = try Answering(pieces)
            try await withProxy(checked([answering.address], timeout: .milliseconds(200))) { proxy in
                let slot = try slot(proxy, answering.address)
                #expect(await eventually { proxy.server.shared.endpointHealth.load(slot) == 1 })
                #expect(proxy.sum(.healthChecksPassed) == 0)
            }
        }

        @Test func aRefusedConnectionFails() async throws {
            let dead = try Acceptor(isListening: false)
            try await withProxy(checked([dead.address])) { proxy in
                let slot = try slot(proxy, dead.address)
                #expect(await eventually { proxy.server.shared.endpointHealth.load(slot) == 1 })
            }
        }
    }
}
