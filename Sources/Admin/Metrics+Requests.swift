import Model

extension Metrics {
    /// One series of requests: its labels and where it is counted.
    private struct Line {
        let labels: MetricsText.LabelList
        let slots: [Int]
    }

    /// Names of the families of one kind of thing.
    private struct Families {
        let requests, flags, calls, retries, timeouts: String
        /// nil: no histogram.
        let duration: String?
        /// Who the requests are those of.
        let whose: String
    }

    private static let podFamilies = Families(
        requests: "apus_requests_total", flags: "apus_request_flags_total",
        calls: "apus_grpc_requests_total", retries: "apus_request_retries_total",
        timeouts: "apus_request_timeouts_total", duration: "apus_request_duration_seconds",
        whose: "by local pod: sent by it (outbound), received by it (inbound)")
    private static let clusterFamilies = Families(
        requests: "apus_cluster_requests_total", flags: "apus_cluster_request_flags_total",
        calls: "apus_cluster_grpc_requests_total",
        retries: "apus_cluster_request_retries_total", timeouts: "apus_cluster_request_timeouts_total",
        duration: "apus_cluster_request_duration_seconds", whose: "by cluster")
    private static let routeFamilies = Families(
        requests: "apus_route_requests_total", flags: "apus_route_request_flags_total",
        calls: "apus_route_grpc_requests_total",
        retries: "apus_route_request_retries_total", timeouts: "apus_route_request_timeouts_total",
        duration: "apus_route_request_duration_seconds", whose: "by route")
    private static let listenerFamilies = Families(
        requests: "apus_listener_requests_total", flags: "apus_listener_request_flags_total",
        calls: "apus_listener_grpc_requests_total",
        retries: "apus_listener_request_retries_total", timeouts: "apus_listener_request_timeouts_total",
        duration: nil, whose: "by listener")

    /// Requests: by pod under the names without a prefix, by cluster, by route, by listener.
    mutating func addRequests() {
        addViolations()
        text.family("apus_requests_active", .gauge, "Requests under way.")
        text.sample(sum([0], \.worker, WorkerCounter.requestsActive.rawValue))

        var pods = Self.lines(requests.podsSent, "pod", [("direction", "outbound")])
        pods += Self.lines(requests.podsReceived, "pod", [("direction", "inbound")])
        if workers.contains(where: { $0.requestsByPod.hasBlock(PodRequests.podless) }) {
            pods.append(Line(labels: [("pod", ""), ("direction", "listener")], slots: [PodRequests.podless]))
        }
        add(Self.podFamilies, pods, \.requestsByPod)
        add(Self.clusterFamilies, Self.lines(requests.clusters, "cluster"), \.requestsByCluster)
        let routes = Self.lines(requests.routes, "route")
        add(Self.routeFamilies, routes, \.requestsByRoute)
        addRouteBytes(routes)
        add(Self.listenerFamilies, Self.lines(requests.listeners, "listener"), \.requestsByListener)
    }

    private static func lines(
        _ series: [MetricSeries], _ label: StaticString, _ more: MetricsText.LabelList = []
    ) -> [Line] {
        series.map { Line(labels: [(label, $0.name)] + more, slots: $0.slots) }
    }

    private mutating func addViolations() {
        let counts = proxy.http2Violations
        guard !counts.isEmpty else { return }
        text.family(
            "apus_http2_violations_total", .counter,
            "Rules and limits of HTTP/2 that clients or endpoints have broken: a stream, or the connection, was ended.")
        for count in counts { text.sample(count.count, ["peer": "\(count.peer)", "kind": count.kind]) }
    }

    private mutating func add(
        _ families: Families, _ lines: [Line], _ table: KeyPath<WorkerStatistics, SparseCounterTable>
    ) {
        text.family(families.requests, .counter, "Finished requests by class of the status, \(families.whose).")
        for line in lines {
            for counter in RequestCounter.classes {
                let count = sum(line.slots, table, counter.rawValue)
                text.sample(count, list: line.labels + [("status_class", counter.classLabel)])
            }
        }
        text.family(families.flags, .counter, "Requests with something special, by flag, \(families.whose).")
        for line in lines {
            for flag in RequestFlag.allCases {
                let count = sum(line.slots, table, RequestCounter.column(flag))
                if count != 0 { text.sample(count, list: line.labels + [("flag", flag.label)]) }
            }
        }
        addCalls(families, lines, table)
        text.family(families.retries, .counter, "Attempts after the first, \(families.whose).")
        for line in lines {
            text.sample(sum(line.slots, table, RequestCounter.retries.rawValue), list: line.labels)
        }
        text.family(families.timeouts, .counter, "Attempts that took too long, \(families.whose).")
        for line in lines {
            text.sample(sum(line.slots, table, RequestCounter.timeouts.rawValue), list: line.labels)
        }
        if let duration = families.duration { addDurations(duration, families.whose, lines, table) }
    }

    private mutating func addCalls(
        _ families: Families, _ lines: [Line], _ table: KeyPath<WorkerStatistics, SparseCounterTable>
    ) {
        text.family(families.calls, .counter, "gRPC calls by their status, \(families.whose).")
        for line in lines {
            for (status, label) in RequestCounter.callStatusLabels.enumerated() {
                let count = sum(line.slots, table, RequestCounter.column(callStatus: status))
                if count != 0 { text.sample(count, list: line.labels + [("grpc_status", label)]) }
            }
        }
    }

    private mutating func addDurations(
        _ name: String, _ whose: String, _ lines: [Line], _ table: KeyPath<WorkerStatistics, SparseCounterTable>
    ) {
        text.family(name, .histogram, "From a request's first byte to its response's last, \(whose).")
        for line in lines {
            let histogram = workers.histogram(table, line.slots)
            var below = 0
            let buckets = LatencyHistogram.coarseExponents.map { exponent in
                let count = histogram.count(upTo: exponent)
                defer { below = count }
                return (bound: Double(1 << exponent) / 1e9, count: count - below)
            }
            text.histogram(
                buckets, rest: histogram.count - below, sum: Double(histogram.sumNanoseconds) / 1e9, line.labels)
        }
    }

    private mutating func addRouteBytes(_ lines: [Line]) {
        text.family("apus_route_bytes_total", .counter, "Body bytes of requests (sent) and responses (received).")
        for line in lines {
            for (direction, counter) in [("sent", RequestCounter.bytesSent), ("received", .bytesReceived)] {
                let count = sum(line.slots, \.requestsByRoute, counter.rawValue)
                text.sample(count, list: line.labels + [("direction", direction)])
            }
        }
    }
}

extension [WorkerStatistics] {
    /// The durations of all requests that were counted at these slots.
    func histogram(_ table: KeyPath<WorkerStatistics, SparseCounterTable>, _ slots: [Int]) -> LatencyHistogram {
        var histogram = LatencyHistogram()
        for worker in self {
            let table = worker[keyPath: table]
            for slot in slots where table.hasBlock(slot) {
                for bucket in 0..<LatencyHistogram.bucketCount {
                    histogram.add(
                        table.value(slot: slot, counter: RequestCounter.column(bucket: bucket)), bucket: bucket)
                }
                histogram.addSum(table.value(slot: slot, counter: RequestCounter.durationNanoseconds.rawValue))
            }
        }
        return histogram
    }
}
