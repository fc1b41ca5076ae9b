import Model

/// `GET /metrics`: sums the workers' counters and writes them down.
///
/// One name has one set of labels, so that `sum()` over a name never counts twice: names without a prefix
/// (`apus_connections_total`, `apus_bytes_total`, `apus_resets_total`) are by pod, where `pod=""` stands for
/// connections of explicit listeners, which belong to no pod; `apus_cluster_`, `apus_route_`, `apus_listener_`,
/// `apus_worker_`, `apus_protected_` and `apus_pod_cluster_` carry the labels they name. A connection between two pods of this host counts
/// once for each of them, and once in `apus_listener_connections_total`, and so does a request. Series by reason appear
/// with the first event, except those of `pod=""`, which are always there; series of requests with the first request.
struct Metrics {
    let proxy: any ProxyInspecting
    let workers: [WorkerStatistics]
    let snapshot: Snapshot?
    var text = MetricsText()
    let pods, clusters, listeners, hosts: [MetricSeries]
    let requests: RequestSeries
    let pairsLimit: Int

    /// Everything the admin server exposes.
    static func render(
        _ proxy: any ProxyInspecting, readiness: Readiness, accessLog: AccessLogCounts?, process: ProcessUsage,
        now: Readiness.Now
    ) -> [UInt8] {
        var metrics = Metrics(proxy)
        metrics.addConnections()
        metrics.addPods()
        metrics.addPodUse()
        metrics.addHalfOpen()
        metrics.addPairs()
        metrics.addClusters()
        metrics.addUpstream()
        metrics.addDiscovery(now)
        metrics.addListeners()
        metrics.addHosts()
        metrics.addDetection()
        metrics.addRequests()
        metrics.addWorkers(now)
        if let accessLog { metrics.addAccessLog(accessLog) }
        metrics.addConfiguration(readiness, now)
        metrics.addProcess(process)
        return metrics.text.bytes
    }

    private init(_ proxy: any ProxyInspecting) {
        self.proxy = proxy
        workers = proxy.workerStatistics
        let snapshot = proxy.snapshot
        self.snapshot = snapshot
        var budget = MetricSeriesBudget(seriesMax: snapshot?.configuration.statisticsSeriesMax ?? 0)
        let listeners = (snapshot?.listenerSlots ?? []).compactMap { Self.named(.listener, $0, proxy) }
        let pods = snapshot?.pods.compactMap { Self.named(.pod, $0.slot, proxy) } ?? []
        let clusters = snapshot?.clusters.compactMap { Self.named(.cluster, $0.slot, proxy) } ?? []
        let hosts = snapshot?.hosts.compactMap { Self.named(.host, $0.id, proxy) } ?? []
        self.hosts = MetricSeries.series(
            of: hosts, limit: budget.admit(hosts.count, width: Self.hostWidth, share: 1 / 8))
        self.listeners = MetricSeries.series(
            of: listeners, limit: budget.admit(listeners.count, width: Self.listenerWidth, share: 1 / 8))
        self.pods = MetricSeries.series(of: pods, limit: budget.admit(pods.count, width: Self.podWidth, share: 1 / 3))
        self.clusters = MetricSeries.series(
            of: clusters, limit: budget.admit(clusters.count, width: Self.clusterWidth, share: 1 / 2))
        requests = RequestSeries(
            workers, pods: pods, clusters: clusters, routes: Self.routes(snapshot), listeners: listeners, &budget)
        pairsLimit = budget.admit(SlotLimits.pairs, width: 1)
    }

    private static func named(
        _ kind: SlotNames.Kind, _ slot: Int, _ proxy: any ProxyInspecting
    ) -> (name: String, slot: Int)? {
        proxy.names.name(kind, slot).map { ($0, slot) }
    }

    private static func routes(_ snapshot: Snapshot?) -> [(name: String, slot: Int)] {
        var routes: [(name: String, slot: Int)] = []
        snapshot?.forEachRule { place, rule in
            guard let snapshot else { return }
            routes.append((snapshot.routeName(place, rule), Int(snapshot.routeLinks[place.index].slot)))
        }
        return routes
    }

    /// Most series one thing can have: reasons other than `completed`, and the rest.
    private static let reasonCount = EndReason.allCases.count - 1
    private static let podWidth = 12 + reasonCount
    private static let listenerWidth = 3 + reasonCount
    private static let clusterWidth = 26
    private static let hostWidth = 6 + reasonCount

    /// A counter of a series, over its slots and all workers.
    func sum(_ series: MetricSeries, _ table: KeyPath<WorkerStatistics, some Counters>, _ counter: Int) -> Int {
        sum(series.slots, table, counter)
    }

    func sum(_ slots: [Int], _ table: KeyPath<WorkerStatistics, some Counters>, _ counter: Int) -> Int {
        var sum = 0
        for worker in workers {
            let table = worker[keyPath: table]
            for slot in slots { sum &+= table.value(slot: slot, counter: counter) }
        }
        return sum
    }

    func sum(_ series: MetricSeries, _ words: AtomicWords) -> Int {
        series.slots.reduce(0) { $0 &+ words.load($1) }
    }
}

extension Snapshot {
    /// Slots of the interception listeners, if there is interception, and of the explicit ones.
    var listenerSlots: [Int] {
        let interception = [Self.outboundListenerSlot, Self.inboundListenerSlot]
        return (configuration.interception == nil ? [] : interception) + listeners.map(\.slot)
    }
}
