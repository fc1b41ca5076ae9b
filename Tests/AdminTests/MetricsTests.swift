import Foundation
import Model
import Testing

@testable import Admin

@Suite struct MetricsTests {
    private let now = Readiness.Now(monotonicMilliseconds: 10_000, unixSeconds: 1_795_352_400)

    private func render(_ proxy: FakeProxy, readiness: Readiness = Readiness()) -> String {
        let bytes = Metrics.render(
            proxy, readiness: readiness, accessLog: AccessLogCounts(), process: .current(), now: now)
        return String(decoding: bytes, as: UTF8.self)
    }

    private func samples(_ text: String) -> Set<String> { Set(text.split(separator: "\n").map(String.init)) }

    @Test func workersAreSummed() throws {
        let proxy = try FakeProxy(.sample())
        let cart = proxy.podSlot("shop/cart")
        proxy.workerStatistics[0].pods.add(2, slot: cart, counter: PodCounter.outboundConnections.rawValue)
        proxy.workerStatistics[1].pods.add(5, slot: cart, counter: PodCounter.outboundConnections.rawValue)
        proxy.workerStatistics[1].pods.add(1, slot: cart, counter: PodCounter.column(.deniedOutbound))
        proxy.workerStatistics[0].pods.add(1, slot: cart, counter: PodCounter.column(.completed))
        proxy.workerStatistics[0].clusters.add(
            4, slot: proxy.clusterSlot("postgres"), counter: ClusterCounter.connectTimeouts.rawValue)
        proxy.beat(at: 9_750)
        let lines = samples(render(proxy))
        for line in [
            "apus_connections_total{pod=\"shop/cart\",direction=\"outbound\"} 7",
            "apus_connections_total{pod=\"\",direction=\"listener\"} 0",
            "apus_resets_total{pod=\"shop/cart\",reason=\"denied_outbound\"} 1",
            "apus_resets_total{pod=\"\",reason=\"denied_outbound\"} 0",
            "apus_cluster_connect_timeouts_total{cluster=\"postgres\"} 4",
            "apus_worker_heartbeat_age_seconds{worker=\"1\"} 0.25",
            "apus_config_generation 1", "apus_ready 1",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
        #expect(!lines.contains { $0.contains("reason=\"completed\"") })
    }

    @Test func turnsAreAHistogram() throws {
        let proxy = try FakeProxy(.sample())
        for nanoseconds in [40_000, 100_000, 100_001, 4_000_000, 3_000_000_000] as [Int64] {
            proxy.workerStatistics[1].turns.block(slot: 0).addTurn(nanoseconds: nanoseconds)
        }
        let lines = samples(render(proxy))
        for line in [
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"0.0001\"} 2",
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"0.00025\"} 3",
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"0.0025\"} 3",
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"0.005\"} 4",
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"1.0\"} 4",
            "apus_worker_turn_seconds_bucket{worker=\"1\",le=\"+Inf\"} 5",
            "apus_worker_turn_seconds_count{worker=\"1\"} 5",
            "apus_worker_turn_seconds_count{worker=\"0\"} 0",
            "apus_worker_turn_max_seconds{worker=\"1\"} 3.0",
        ] {
            #expect(lines.contains(line), "\(line)")
        }
    }

    @Test func endpointsAreCountedByHealth() throws {
        let proxy = try FakeProxy(.sample())
        let snapshot = try #require(proxy.snapshot)
        proxy.shared.endpointHealth.store(1, at: snapshot.endpoints[0].slot)
        let lines = samples(render(proxy))
        #expect(lines.contains("apus_cluster_endpoints{cluster=\"postgres\",state=\"healthy\"} 1"))
        #expect(lines.contains("apus_cluster_endpoints{cluster=\"postgres\",state=\"unhealthy\"} 1"))
        #expect(!lines.contains { $0.hasPrefix("apus_cluster_endpoints{cluster=\"passthrough\"") })
    }

    @Test func seriesPastTheLimitGoToOther() throws {
        var configuration = Configuration.sample()
        configuration.statisticsSeriesMax = 300
        configuration.pods = (0..<100).map {
            Configuration.Pod(name: "many/\($0)", addresses: [.known("10.1.0.\($0 + 1)")])
        }
        let proxy = try FakeProxy(configuration)
        for index in 0..<100 {
            proxy.workerStatistics[0].pods.add(
                1, slot: proxy.podSlot("many/\(index)"), counter: PodCounter.outboundConnections.rawValue)
        }
        let text = render(proxy)
        let outbound = text.split(separator: "\n").filter {
            $0.hasPrefix("apus_connections_total{") && $0.contains("\"outbound\"")
        }
        #expect(outbound.count < 20, "\(outbound.count)")
        let total = outbound.compactMap { $0.split(separator: " ").last.flatMap { Int($0) } }.reduce(0, +)
        #expect(total == 100)
        #expect(outbound.contains { $0.contains("pod=\"other\"") })
    }

    @Test func pairsHaveNamesAndTheRestIsOther() throws {
        let proxy = try FakeProxy(.sample())
        let cart = proxy.podSlot("shop/cart")
        let web = proxy.clusterSlot("web")
        proxy.set {
            $0.pairSeries = [PairSeries(slot: 0, pod: nil, cluster: nil), PairSeries(slot: 1, pod: cart, cluster: web)]
        }
        proxy.workerStatistics[0].pairs.add(2, slot: 0, counter: 0)
        proxy.workerStatistics[1].pairs.add(3, slot: 1, counter: 0)
        let lines = samples(render(proxy))
        #expect(lines.contains("apus_pod_cluster_connections_total{pod=\"shop/cart\",cluster=\"web\"} 3"))
        #expect(lines.contains("apus_pod_cluster_connections_total{pod=\"other\",cluster=\"other\"} 2"))
    }

    /// The reference implementation's parser (Debian's python3-prometheus-client), with names that need every escape, and two pods of one name.
    @Test func prometheusItselfCanReadIt() async throws {
        var configuration = Configuration.httpSample()
        let name = "we\"ird\\name\nwith all"
        configuration.pods.append(Configuration.Pod(name: name, addresses: [.known("10.1.0.9")]))
        configuration.pods.append(Configuration.Pod(name: name, uid: "2", addresses: [.known("10.1.0.10")]))
        let proxy = try FakeProxy(configuration)
        proxy.workerStatistics[0].pods.add(
            9, slot: proxy.podSlot(name), counter: PodCounter.outboundConnections.rawValue)
        for worker in proxy.workerStatistics {
            worker.countRequest(
                proxy.request {
                    $0.pod = Int32(proxy.podSlot(name))
                    $0.destinationPod = Int32(proxy.podSlot("shop/web"))
                    $0.flags.add(.upstreamReset)
                })
            worker.countRequest(proxy.request { $0.pod = -1 })
        }
        let result = try await run("/usr/bin/python3", ["-c", Self.parser], input: Array(render(proxy).utf8))
        try #require(result.status == 0, "needs python3-prometheus-client: \(result.errors)")
        let report = try JSONDecoder().decode(Report.self, from: Data(result.output.utf8))
        #expect(report.duplicates == [], "one series, one line")
        #expect(report.labelSets == [], "one name, one set of labels")
        #expect(report.untyped == [])
        #expect(report.badNames == [], "apus_ and a unit or _total")
        #expect(report.weird == 9)
        #expect(report.requests == 6, "two sent and received, two without a pod")
        #expect(report.families > 50)
    }

    private struct Report: Decodable {
        let duplicates, labelSets, untyped, badNames: [String]
        let weird, requests: Double
        let families: Int
    }

    private static let parser = """
        import collections, json, sys
        from prometheus_client.parser import text_string_to_metric_families
        seen, labels = collections.Counter(), collections.defaultdict(set)
        untyped, bad, weird, requests, families = [], [], 0, 0, 0
        for family in text_string_to_metric_families(sys.stdin.read()):
            families += 1
            if family.type not in ("counter", "gauge", "histogram") or not family.documentation: untyped.append(family.name)
            for sample in family.samples:
                seen[(sample.name, tuple(sorted(sample.labels.items())))] += 1
                labels[sample.name].add(tuple(sorted(sample.labels)))
                if family.type == "counter" and not sample.name.endswith("_total"): bad.append(sample.name)
                if not sample.name.startswith(("apus_", "process_")): bad.append(sample.name)
                if sample.name == "apus_requests_total": requests += sample.value
                elif family.type == "counter" and sample.labels.get("pod") == 'we"ird\\\\name\\nwith all' \\
                    and sample.labels.get("direction") == "outbound" and "flag" not in sample.labels: weird += sample.value
        print(json.dumps({
            "duplicates": [str(key) for key, count in seen.items() if count > 1],
            "labelSets": [name for name, sets in labels.items() if len(sets) > 1],
            "untyped": untyped, "badNames": bad, "weird": weird, "requests": requests, "families": families}))
        """
}
