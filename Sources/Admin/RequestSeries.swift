import Model

/// The things that have series of requests: those for which a request has been counted.
///
/// Most clusters, pods and listeners of a large configuration never see one, and a thing that does has some sixty
/// series, so things without requests get none. Past `statistics.seriesMax` a thing is part of `other`.
struct RequestSeries {
    let clusters, routes, listeners: [MetricSeries]
    /// Requests that pods sent, and those they received.
    let podsSent, podsReceived: [MetricSeries]

    typealias Things = [(name: String, slot: Int)]

    /// Most series one thing can have: classes, retries, timeouts, bytes, flags, gRPC statuses, and the lines of a histogram.
    private static let widthWithoutHistogram =
        RequestCounter.classes.count + 4 + RequestFlag.allCases.count + RequestCounter.callStatusLabels.count
    private static let width = widthWithoutHistogram + LatencyHistogram.coarseExponents.count + 3

    init(
        _ workers: [WorkerStatistics], pods: Things, clusters: Things, routes: Things, listeners: Things,
        _ budget: inout MetricSeriesBudget
    ) {
        func used(_ things: Things, _ table: KeyPath<WorkerStatistics, SparseCounterTable>) -> Things {
            things.filter { thing in workers.contains { $0[keyPath: table].hasBlock(thing.slot) } }
        }
        func series(_ things: Things, _ width: Int, _ share: Double) -> [MetricSeries] {
            MetricSeries.series(of: things, limit: budget.admit(things.count, width: width, share: share))
        }
        self.listeners = series(used(listeners, \.requestsByListener), Self.widthWithoutHistogram, 1 / 8)
        self.routes = series(used(routes, \.requestsByRoute), Self.width, 1 / 3)
        self.clusters = series(used(clusters, \.requestsByCluster), Self.width, 1 / 2)
        let sent = pods.map { ($0.name, PodRequests.sent($0.slot)) }
        podsSent = series(used(sent, \.requestsByPod), Self.width, 1 / 2)
        let received = pods.map { ($0.name, PodRequests.received($0.slot)) }
        podsReceived = series(used(received, \.requestsByPod), Self.width, 1)
    }
}
