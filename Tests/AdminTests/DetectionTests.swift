import Model
import Testing

@testable import Admin

/// What is shown of connections whose first bytes decide.
@Suite struct DetectionTests {
    /// `httpSample()` with `auto` in the pod's first entry, and bytes to `postgres`.
    private func configuration() -> Configuration {
        var configuration = Configuration.httpSample()
        configuration.pods[0].tables.outbound = [
            Configuration.TableEntry(
                ports: [PortRange(80)], action: .cluster("postgres"), protocolKind: .auto, routes: "shop")
        ]
        return configuration
    }

    private func explain(_ learned: [LearnedProtocol], _ question: RequestQuestion? = nil) throws -> Explanation {
        let proxy = try FakeProxy(configuration())
        let snapshot = try #require(proxy.snapshot)
        return try Explanation(
            from: "shop/cart", to: "10.96.0.1:80", request: question, snapshot: snapshot, shared: proxy.shared,
            learned: learned)
    }

    @Test func anUnknownDestinationIsExplainedAsARequest() throws {
        let explanation = try explain([])
        #expect(explanation.table?.action == "auto routes shop, bytes cluster postgres")
        #expect(explanation.detection?.learned == nil && explanation.detection?.silence == "connected on at once")
        #expect(explanation.request?.table == "shop")
        #expect(explanation.notes.contains("first bytes decide: what is not HTTP is passed on to postgres"))
    }

    @Test func whatWasLearnedLastDecidesWhatIsExplained() throws {
        let servers = LearnedProtocol(latest: .serverFirst, age: 12_500_000_000, awaitsClients: false)
        let clients = LearnedProtocol(latest: .http1, age: 60_000_000_000, awaitsClients: true)
        let explanation = try explain([clients, servers])
        #expect(explanation.cluster == "postgres" && explanation.request == nil)
        #expect(explanation.detection?.learned == "server_first" && explanation.detection?.ageSeconds == 12)
        #expect(explanation.detection?.silence == "waited for up to 10 ms, then connected on")
        #expect(explanation.notes.contains("first bytes decide: HTTP takes the routes of shop"))
        // A question about a request is one.
        #expect(try explain([servers], RequestQuestion(path: "/")).request?.table == "shop")
    }

    @Test func entriesAreShownWithBothPlaces() throws {
        let proxy = try FakeProxy(configuration())
        let text = "\(ConfigurationView.json(try #require(proxy.snapshot)))"
        #expect(text.contains("auto") && text.contains("postgres"))
    }

    @Test func connectionsAreCountedByWhatTheyBeganWith() throws {
        let proxy = try FakeProxy(configuration())
        let counted: [(WorkerCounter, Int)] = [
            (.detectedTLS, 1), (.detectedHTTP2, 2), (.detectedHTTP1, 3), (.detectedBytes, 4), (.detectedServerFirst, 5),
            (.detectedNothing, 6), (.upstreamsUnused, 7),
        ]
        for (counter, count) in counted {
            proxy.workerStatistics[0].worker.add(count - 1, slot: 0, counter: counter.rawValue)
            proxy.workerStatistics[1].worker.add(1, slot: 0, counter: counter.rawValue)
        }
        let text = String(
            decoding: Metrics.render(
                proxy, readiness: Readiness(), accessLog: nil, process: ProcessUsage.current(),
                now: Readiness.Now(monotonicMilliseconds: 1, unixSeconds: 1)), as: UTF8.self)
        for (number, label) in ["tls", "http2", "http1", "bytes", "server_first", "none"].enumerated() {
            #expect(text.contains("apus_detected_total{protocol=\"\(label)\"} \(number + 1)\n"))
        }
        #expect(text.contains("apus_detection_upstreams_unused_total 7\n"))
    }
}
