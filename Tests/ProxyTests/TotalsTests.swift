import Foundation
import Loopback
import Model
import Testing

@testable import Proxy

extension DataPlane {
    @Suite struct TotalsTests {
        private func configuration(_ clusters: [String]) -> Configuration {
            Configuration(
                listeners: [
                    Configuration.Listener(
                        name: "web", address: SocketAddress(.loopbackV4, 0), cluster: "a", protocolKind: .http)
                ],
                clusters: clusters.map { Configuration.Cluster(name: $0, discovery: .endpoints([])) })
        }

        /// Counters of requests, by things and buckets, mean the same in a process whose slots are others.
        @Test func requestsGoOnWhereTheyStood() async throws {
            try await withProxy(configuration(["a", "b"])) { old in
                var record = RequestRecord()
                record.listener = Int32(try #require(old.server.names.all(.listener).firstIndex(of: "web")))
                record.cluster = Int32(try #require(old.clusterSlot("b")))
                record.route = Int32(try #require(old.server.names.all(.route).firstIndex(of: "cluster:a")))
                record.status = 200
                record.attempts = 2
                record.flags.add(.connectFailed)
                for milliseconds in 1...50 {
                    record.durationNanoseconds = Int64(milliseconds) * 1_000_000
                    old.server.workerStatistics[0].countRequest(record)
                }
                let snapshot = try #require(old.server.snapshot)
                let sent = try JSONEncoder().encode(old.server.totals(TunnelNames(snapshot)))
                try await withProxy(configuration(["x", "y", "b", "a"]), workers: 2) { new in
                    let names = TunnelNames(try #require(new.server.snapshot))
                    let totals = try JSONDecoder().decode(Totals.self, from: sent)
                    new.server.inherit(totals, names)
                    let slot = try #require(new.clusterSlot("b"))
                    #expect(slot != Int(record.cluster))
                    let hasAll = await eventually { new.requests(slot, .status2xx) == 50 }
                    #expect(hasAll)
                    #expect(new.requests(slot, .retries) == 50)
                    for kind in [.clusterRequests, .routeRequests, .listenerRequests, .podlessRequests]
                        as [Totals.Kind]
                    {
                        #expect(
                            totals.values[kind.rawValue] == new.server.totals(names).values[kind.rawValue], "\(kind)")
                    }
                    #expect(totals.values["clusterRequests"]?["b"]?["flag connect_failed"] == 50)
                }
            }
        }
    }
}

extension TestProxy {
    /// A counter of a cluster's requests, over all workers.
    fileprivate func requests(_ slot: Int, _ counter: RequestCounter) -> Int {
        server.workerStatistics.reduce(0) { $0 + $1.requestsByCluster.value(slot: slot, counter: counter.rawValue) }
    }
}
