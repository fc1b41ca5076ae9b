import Loopback
import Model
import Testing

import class Lab.LabProcess
import enum Lab.Programs

extension RunningDaemon {
    /// Outlier detection with real servers, as an operator sees it.
    @Suite(.timeLimit(.minutes(2))) struct HTTPOutlierTests {
        @Test func whoFailsThreeInTenIsEjectedForItsSuccessRate() async throws {
            let (daemon, web) = (try Daemon(), try freeAddress())
            let servers = try (0..<3).map {
                try Nginx(in: daemon.folder, name: "server \($0)", failing: $0 == 1 ? 30 : 0)
            }
            // Of three, the one that is different is 1.41 deviations away from the mean.
            let detection = """
                , outlierDetection: {consecutiveFailures: 1000, baseEjection: 1h, \
                successRate: {interval: 1s, requests: 20, endpoints: 3, factor: 1.2}}
                """
            try daemon.write(daemon.http(web, to: servers.map(\.address), cluster: detection, workers: 2))
            try await daemon.startServing()
            let client = try HTTPConnection(to: web)
            func statuses(_ count: Int) throws -> [Int] {
                try (0..<count).map { _ in
                    try client.send("GET", "/")
                    return try client.required().status ?? 0
                }
            }
            var before: [Int] = []
            let isEjected = try await eventually(within: .seconds(60)) {
                before += try statuses(60)
                return try daemon.sum("apus_cluster_ejections_total") > 0
            }
            #expect(isEjected && before.contains(503))
            let metrics = try daemon.get("/metrics").body
            #expect(
                metrics.contains(
                    "apus_cluster_ejections_total{cluster=\"servers\",reason=\"success_rate\"} 1"))
            #expect(metrics.contains("apus_cluster_endpoints{cluster=\"servers\",state=\"ejected\"} 1"))
            let clusters = try daemon.run([Programs.path("apusctl"), "clusters", "--admin", "\(daemon.admin)"]).output
            let states = clusters.split(separator: "\n").compactMap { line -> [String]? in
                let words = line.split(separator: " ").map(String.init)
                return servers.contains { "\($0.address)" == words.first } ? words : nil
            }
            #expect(states.map { $0[0] } == servers.map { "\($0.address)" }, "\(clusters)")
            #expect(states.map { $0[2] } == ["healthy", "ejected", "healthy"], "\(clusters)")
            #expect(try Set(statuses(200)) == [200], "nobody meets it any more")
        }
    }
}
