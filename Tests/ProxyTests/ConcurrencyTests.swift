import Loopback
import Model
import Synchronization
import Testing

@testable import Proxy

extension DataPlane {
    /// Many connections at once, and what the proxy says of them.
    @Suite(.timeLimit(.minutes(2))) struct ConcurrencyTests {
        @Test func twoThousandAtOnceOverTwoWorkers() async throws {
            let count = 2000
            let limit = try descriptorLimit()
            try #require(limit >= count * 4 + 200, "ulimit -n: \(limit)")
            let acceptor = try Acceptor()
            // One thread, connection after connection: each must have arrived whole and be served on its own.
            let served = Task {
                try await blocking {
                    let peers = try (0..<count).map { _ in try acceptor.accept() }
                    for peer in peers { try peer.send(try peer.receive(exactly: 4)) }
                    return peers
                }
            }
            try await withProxy(.web(to: [acceptor.address]), workers: 2, descriptorLimit: 20000) { proxy in
                let address = try proxy.address()
                let clients = try await blocking { try (0..<count).map { _ in try Peer(to: address) } }
                #expect(await eventually { proxy.server.connectionCount == count })
                let all = await proxy.server.connections(limit: count + 1)
                #expect(all.connections.count == count && !all.truncated && all.missingWorkers.isEmpty)
                let some = await proxy.server.connections(limit: 7)
                #expect(some.connections.count == 7 && some.truncated)
                for worker in proxy.server.workerStatistics {
                    let active = worker.worker.value(slot: 0, counter: WorkerCounter.connectionsActive.rawValue)
                    #expect(active > count / 4, "the kernel spreads connections over the workers")
                }
                let back = try await blocking {
                    for (index, client) in clients.enumerated() { try client.send(Self.word(index)) }
                    return try clients.map { try $0.receive(exactly: 4) }
                }
                #expect(back == (0..<count).map(Self.word))
                let peers = try await served.value
                for client in clients { client.shutdownWrite() }
                for peer in peers { peer.close() }
                for client in clients { #expect(client.end() == nil) }
                #expect(await eventually { proxy.server.connectionCount == 0 })
                let records = await proxy.records(count)
                #expect(records.count == count)
                #expect(records.allSatisfy { $0.reason == .completed && $0.bytesSent == 4 && $0.bytesReceived == 4 })
                #expect(proxy.sum(listener: "web", column: ListenerCounter.connections.rawValue) == count)
                #expect(proxy.sum(listener: "web", column: ListenerCounter.bytesSent.rawValue) == 4 * count)
                #expect(proxy.sum(listener: "web", column: ListenerCounter.bytesReceived.rawValue) == 4 * count)
                #expect(proxy.sum(listener: "web", column: ListenerCounter.column(.completed)) == count)
                #expect(proxy.sum(cluster: "servers", .connections) == count)
            }
        }

        private static func word(_ index: Int) -> [UInt8] {
            (0..<4).map { UInt8(truncatingIfNeeded: index >> ($0 * 8)) }
        }

        @Test func recordsTellWhatHappened() async throws {
            let server = try Server.echo()
            try await withProxy(.web(to: [server.address])) { proxy in
                let client = try proxy.client()
                let address = try client.localAddress()
                try client.send("12345")
                #expect(try client.receive(asLongAs: "12345") == "12345")
                client.close()
                let record = try #require(await proxy.records(1).first)
                #expect(record.client == address && record.endpoint == server.address)
                #expect(record.source.address == .loopbackV4 && record.source.port != 0)
                #expect(record.originalDestination.address == .loopbackV4)
                #expect(record.direction == .listener && record.pod == -1 && record.destinationPod == -1)
                #expect(record.attempts == 1 && record.generation == 1 && record.worker == 0)
                #expect(record.connectNanoseconds > 0 && record.durationNanoseconds >= record.connectNanoseconds)
                #expect(proxy.server.names.name(.cluster, Int(record.cluster)) == "servers")
                #expect(proxy.server.names.name(.listener, Int(record.listener)) == "web")
            }
        }

        @Test func aBusyConnectionDoesNotHoldUpAnother() async throws {
            let sink = try Server { peer in while !(try peer.receive(atMost: 1 << 20)).isEmpty {} }
            let echo = try Server.echo()
            var configuration = Configuration.web(to: [sink.address])
            configuration.clusters.append(
                Configuration.Cluster(
                    name: "echo", discovery: .endpoints([Configuration.Endpoint(address: echo.address)])))
            configuration.listeners.append(
                Configuration.Listener(name: "echo", address: SocketAddress(.loopbackV4, 0), cluster: "echo"))
            try await withProxy(configuration) { proxy in
                let isDone = Atomic<Bool>(false)
                let busy = try (0..<8).map { _ in try proxy.client() }
                let load = Task {
                    try await blocking {
                        let piece = [UInt8](repeating: 1, count: 1 << 20)
                        while !isDone.load(ordering: .relaxed) { for client in busy { try client.send(piece) } }
                    }
                }
                #expect(
                    await eventually {
                        proxy.sum(listener: "web", column: ListenerCounter.bytesSent.rawValue) > 8 << 20
                    })
                let client = try proxy.client("echo")
                for _ in 0..<100 {
                    let start = ContinuousClock.now
                    try client.send("ping")
                    #expect(try client.receive(asLongAs: "ping") == "ping")
                    #expect(ContinuousClock.now - start < .seconds(2))
                }
                isDone.store(true, ordering: .relaxed)
                try await load.value
            }
        }
    }
}
