import Foundation
import Model
import Testing

@testable import Admin

@Suite struct RequestMetricsTests {
    private func samples(_ proxy: FakeProxy) -> Set<String> {
        let bytes = Metrics.render(
            proxy, readiness: Readiness(), accessLog: AccessLogCounts(), process: .current(),
            now: Readiness.Now(monotonicMilliseconds: 10_000, unixSeconds: 1_795_352_400))
        return Set(String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init))
    }

    @Test func requestsAreCountedForAllThatTakePartInThem() throws {
        let proxy = try FakeProxy(.httpSample())
        proxy.workerStatistics[0].countRequest(proxy.request())
        proxy.workerStatistics[1].countRequest(
            proxy.request {
                $0.status = 503
                $0.attempts = 3
                $0.timeouts = 2
                $0.destinationPod = Int32(proxy.podSlot("shop/web"))
                $0.flags = [RequestFlags(.connectFailed), RequestFlags(.retryLimit)]
            })
        let lines = samples(proxy)
        for line in [
            "apus_requests_total{pod=\"shop/cart\",direction=\"outbound\",status_class=\"2xx\"} 1",
            "apus_requests_total{pod=\"shop/cart\",direction=\"outbound\",status_class=\"5xx\"} 1",
            "apus_requests_total{pod=\"shop/cart\",direction=\"outbound\",status_class=\"none\"} 0",
            "apus_requests_total{pod=\"shop/web\",direction=\"inbound\",status_class=\"5xx\"} 1",
            "apus_cluster_requests_total{cluster=\"web\",status_class=\"2xx\"} 1",
            "apus_route_requests_total{route=\"v2\",status_class=\"5xx\"} 1",
            "apus_listener_requests_total{listener=\"outbound\",status_class=\"5xx\"} 1",
            "apus_request_flags_total{pod=\"shop/cart\",direction=\"outbound\",flag=\"connect_failed\"} 1",
            "apus_cluster_request_flags_total{cluster=\"web\",flag=\"retry_limit\"} 1",
            "apus_route_request_retries_total{route=\"v2\"} 2",
            "apus_cluster_request_timeouts_total{cluster=\"web\"} 2",
            "apus_route_bytes_total{route=\"v2\",direction=\"received\"} 4000",
            "apus_bytes_total{pod=\"shop/cart\",direction=\"sent\"} 20",
            "apus_bytes_total{pod=\"shop/web\",direction=\"sent\"} 2000",
            "apus_cluster_bytes_total{cluster=\"web\",direction=\"received\"} 4000",
            "apus_listener_bytes_total{listener=\"outbound\",direction=\"sent\"} 20",
            "apus_route_request_duration_seconds_bucket{route=\"v2\",le=\"0.004194304\"} 0",
            "apus_route_request_duration_seconds_bucket{route=\"v2\",le=\"0.008388608\"} 2",
            "apus_route_request_duration_seconds_bucket{route=\"v2\",le=\"+Inf\"} 2",
            "apus_route_request_duration_seconds_count{route=\"v2\"} 2",
            "apus_route_request_duration_seconds_sum{route=\"v2\"} 0.010246912", "apus_requests_active 0",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(!lines.contains { $0.contains("flag=\"upstream_reset\"") }, "with the first event")
        #expect(!lines.contains { $0.hasPrefix("apus_cluster_requests_total{cluster=\"postgres\"") }, "not used")
        #expect(!lines.contains { $0.hasPrefix("apus_requests_total{pod=\"\"") }, "no request of an explicit listener")
    }

    @Test func callsAreCountedByTheirStatus() throws {
        let proxy = try FakeProxy(.httpSample())
        for status in [0, 0, 14, 16, -1] {
            proxy.workerStatistics[0].countRequest(proxy.request { $0.grpcStatus = Int8(status) })
        }
        let lines = samples(proxy).filter { $0.contains("_grpc_requests_total{") }
        var expected: Set<String> = []
        for (name, labels) in [
            ("apus", "pod=\"shop/cart\",direction=\"outbound\""), ("apus_cluster", "cluster=\"web\""),
            ("apus_route", "route=\"v2\""), ("apus_listener", "listener=\"outbound\""),
        ] {
            for (status, count) in [("ok", 2), ("unavailable", 1), ("unauthenticated", 1)] {
                expected.insert("\(name)_grpc_requests_total{\(labels),grpc_status=\"\(status)\"} \(count)")
            }
        }
        #expect(lines == expected)
    }

    @Test func requestsOfNobodysPodHaveAnEmptyName() throws {
        let proxy = try FakeProxy(.httpSample())
        proxy.workerStatistics[0].countRequest(
            proxy.request {
                $0.pod = -1
                $0.direction = .listener
                $0.listener = Int32(proxy.listenerSlot("edge"))
            })
        let lines = samples(proxy)
        #expect(lines.contains("apus_requests_total{pod=\"\",direction=\"listener\",status_class=\"2xx\"} 1"))
        #expect(lines.contains("apus_bytes_total{pod=\"\",direction=\"received\"} 2000"))
    }

    @Test func durationsAreAHistogram() throws {
        let proxy = try FakeProxy(.httpSample())
        let durations: [Int64] = [0, 100_000, 1 << 20, 1 << 20 + 1, 30_000_000_000, 200_000_000_000]
        for (index, duration) in durations.enumerated() {
            proxy.workerStatistics[index % 2].countRequest(proxy.request { $0.durationNanoseconds = duration })
        }
        let lines = samples(proxy)
        for (bound, count) in [
            ("0.000131072", 2), ("0.000524288", 2), ("0.001048576", 3), ("0.002097152", 4), ("17.179869184", 4),
            ("68.719476736", 5), ("+Inf", 6),
        ] {
            #expect(
                lines.contains(
                    "apus_cluster_request_duration_seconds_bucket{cluster=\"web\",le=\"\(bound)\"} \(count)"),
                "\(bound)")
        }
    }

    @Test func seriesPastTheLimitGoToOtherAndNothingIsLost() throws {
        var configuration = Configuration.httpSample()
        configuration.statisticsSeriesMax = 2000
        configuration.clusters += (0..<300).map { Configuration.Cluster(name: "c\($0)", discovery: .endpoints([])) }
        let proxy = try FakeProxy(configuration)
        for index in 0..<300 {
            let slot = Int32(proxy.clusterSlot("c\(index)"))
            proxy.workerStatistics[0].countRequest(proxy.request { $0.cluster = slot })
        }
        let lines = samples(proxy)
        #expect(lines.count { $0.hasPrefix("apus_") } <= 2000 + 200, "the limit, and what has no label of a thing")
        let counts = lines.filter { $0.hasPrefix("apus_cluster_requests_total{") && $0.contains("\"2xx\"") }
        #expect(counts.contains { $0.contains("cluster=\"other\"") } && counts.count > 1)
        #expect(counts.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +) == 300)
    }
}
