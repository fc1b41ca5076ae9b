import Foundation
import Lab
import Model
import Testing

@testable import Proxy

/// Peers that vanish without a word, and halves that stay open for long. With timers lowered in proportion: 1 s of
/// keepalive for 30, and conntrack's 60 s for a half-closed connection at 2.
extension NodeTests {
    @Suite struct ReapingTests {
        private static let quick = ConnectionOptions(
            keepAliveIdleSeconds: 1, keepAliveIntervalSeconds: 1, keepAliveCount: 2, userTimeoutMilliseconds: 2500)

        private func vanish(_ pod: PodName, _ lab: Lab, isUpstreamSending: Bool) async throws -> ConnectionRecord {
            let listener = try lab[.b1].listen()
            var record = ConnectionRecord()
            let target = SocketAddress(PodName.b1.v4, listener.port)
            try await withProxy(on: lab[.a], to: target, Self.quick) { proxy in
                let client = try lab[.a1].connect(to: proxy.address)
                let server = try listener.accept()
                try client.send("question")
                #expect(try server.receive() == Array("question".utf8))
                // From now on nothing comes from there, not even a reset.
                try lab[pod].run(["ip", "link", "set", "eth0", "down"]).required()
                // Data that is never acknowledged, or silence that keepalive breaks.
                if isUpstreamSending { try server.send("answer") }
                record = try proxy.record(within: .seconds(15))
                #expect(proxy.server.connectionCount == 0)
                // The other side is told.
                let error = #expect(throws: LabError.self) {
                    _ = try (pod == .a1 ? server : client).receive()
                }
                #expect(error?.isReset == true)
            }
            return record
        }

        @Test(arguments: [true, false])
        func aClientThatVanishes(isBeingSentTo: Bool) async throws {
            let record = try await vanish(.a1, Lab.up(), isUpstreamSending: isBeingSentTo)
            #expect(record.reason == .clientVanished && record.closedBy == .client, "\(record.reason)")
        }

        @Test func aServerThatVanishes() async throws {
            let record = try await vanish(.b1, Lab.up(), isUpstreamSending: false)
            #expect(record.reason == .upstreamVanished && record.closedBy == .upstream, "\(record.reason)")
        }

        /// The upstream leg is translated by the host (a ClusterIP). Without keepalive conntrack forgets the half-closed
        /// connection, the answer finds no way back, and the client gets a reset: that this happens shows that the
        /// timers are what the test is about.
        @Test(arguments: [1, 3600])
        func aHalfClosedTunnelOutlivesConntracksTimers(keepAliveIdleSeconds: Int32) async throws {
            let lab = try Lab.up()
            let clusterIP = IPAddress(v4: 0x0a60_000a)
            let listener = try lab[.b1].listen()
            let service = KubeProxy.Service(
                clusterIP: clusterIP, port: 80, endpoint: SocketAddress(PodName.b1.v4, listener.port))
            try KubeProxy([service]).install(on: lab[.a])
            let timers = ["fin_wait", "close_wait", "last_ack", "time_wait"].map {
                ("net/netfilter/nf_conntrack_tcp_timeout_\($0)", "2")
            }
            try lab[.a].namespace.set(sysctls: timers)
            let options = ConnectionOptions(
                keepAliveIdleSeconds: keepAliveIdleSeconds, keepAliveIntervalSeconds: 1, keepAliveCount: 6)
            try await withProxy(on: lab[.a], to: SocketAddress(clusterIP, 80), options) { proxy in
                let client = try lab[.a1].connect(to: proxy.address)
                let server = try listener.accept()
                try client.send("question")
                try client.shutdownWrite()
                #expect(try server.receiveAll() == Array("question".utf8))
                #expect(eventually { proxy.sum(.halfOpen) == 1 })
                // Twice conntrack's time for it, without a byte from either side.
                usleep(4_500_000)
                try server.send("late answer")
                server.close()
                if keepAliveIdleSeconds == 1 {
                    #expect(try client.receiveAll() == Array("late answer".utf8))
                    let record = try proxy.record(within: .seconds(5))
                    #expect(record.reason == .completed)
                    let ages = proxy.server.workerStatistics[0].halfOpenAges
                    #expect(ages.value(slot: 0, counter: HalfOpenAge.column(5_000_000_000)) == 1, "1 s to 10 s")
                    #expect(proxy.sum(.halfOpen) == 0)
                } else {
                    client.close()
                    #expect(
                        proxy.server.connectionCount == 1,
                        "conntrack has not forgotten it: the other case shows nothing")
                }
            }
        }
    }
}
