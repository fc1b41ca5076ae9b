import Foundation
import Loopback
import Model
import Synchronization
import Testing

@testable import Proxy

private let connectionReset: Int32 = 104

extension DataPlane {
    /// What blocked connections hold is counted, bounded, and counted down again.
    @Suite(.timeLimit(.minutes(1))) struct MemoryTests {
        /// Sends without an end to whoever connects, until it is reset.
        private func spring() throws -> Server {
            try Server { peer in
                let bytes = [UInt8](repeating: 7, count: 64 << 10)
                while (try? peer.send(bytes)) != nil {}
            }
        }

        @Test func aReaderThatKeepsUpHoldsNothing() async throws {
            let server = try Server.echo()
            try await withProxy(.web(to: [server.address])) { proxy in
                let clients = try (0..<20).map { _ in try proxy.client() }
                for client in clients {
                    try client.send("x")
                    #expect(try client.receive() == Array("x".utf8))
                }
                // Open and idle.
                #expect(proxy.server.connectionCount == 20)
                #expect(proxy.server.bufferedBytes == 0)
                #expect(proxy.server.shared.bufferBytes.load(0) == 0)
            }
        }

        @Test(arguments: [1, 2])
        func aStalledReaderIsChargedForItsSockets(workers: Int) async throws {
            let server = try spring()
            try await withProxy(.web(to: [server.address]), workers: workers) { proxy in
                let shared = proxy.server.shared
                let client = try proxy.client(receiveBuffer: 4096)
                // More than the proxy itself holds: the rest of one read is 256 KiB at most.
                let isCharged = await eventually {
                    shared.bufferBytes.load(0) > proxy.server.bufferedBytes + (128 << 10)
                        && proxy.server.bufferedBytes > 0
                }
                #expect(isCharged, "\(shared.bufferBytes.load(0)) charged, \(proxy.server.bufferedBytes) buffered")
                #expect(
                    shared.podBufferBytes.load(0) == shared.bufferBytes.load(0), "a listener's connection has no pod")
                client.reset()
                #expect(await eventually { shared.bufferBytes.load(0) == 0 })
            }
        }

        /// Over the process's limit the largest blocked connections are reset, until the rest fits; that goes on as ever.
        @Test(arguments: [1, 2])
        func overTheLimitTheLargestGo(workers: Int) async throws {
            let server = try spring()
            let limit = 4 << 20
            let configuration = Configuration.web(to: [server.address]) { $0.limits.memoryBytesMax = limit }
            try await withProxy(configuration, workers: workers) { proxy in
                let shared = proxy.server.shared
                let clients = try (0..<60).map { _ in try proxy.client(receiveBuffer: 4096) }
                let isFitting = await eventually {
                    proxy.server.connectionCount < 60 && shared.bufferBytes.load(0) <= limit
                }
                #expect(isFitting, "\(shared.bufferBytes.load(0)) bytes, \(proxy.server.connectionCount) connections")
                let resets = await proxy.records(1)
                #expect(resets.allSatisfy { $0.reason == .memoryLimit && $0.closedBy == .proxy })
                #expect(proxy.sum(listener: "web", column: ListenerCounter.column(.memoryLimit)) >= resets.count)
                #expect(proxy.sum(podless: .windowClamps) > 0)
                // Fewer than half of what they could hold together: some are left, and they get their bytes.
                #expect(proxy.server.connectionCount > 0)
                var served = 0
                for client in clients {
                    guard let bytes = try? client.receive(exactly: 2 << 20), bytes.count == 2 << 20 else { continue }
                    #expect(bytes.allSatisfy { $0 == 7 })
                    served += 1
                    client.reset()
                }
                #expect(served > 0)
            }
        }
    }
}

extension TestProxy {
    /// A counter of connections without a pod, over all workers.
    func sum(podless counter: PodCounter) -> Int {
        server.workerStatistics.map { $0.podless.value(slot: 0, counter: counter.rawValue) }.reduce(0, +)
    }
}
