import Model

/// What has become of the requests of a cluster, route, pod or listener.
public struct RequestsView: Codable, Sendable, Equatable {
    /// Finished requests.
    public var total: Int
    /// The same by class of the status: `2xx`, ..., and `none` where the client got no status; classes that never
    /// occurred are left out.
    public var byClass: [String: Int]
    /// Attempts after the first; attempts that took too long.
    public var retries: Int, timeouts: Int
    /// Requests with something special, by flag; flags that never occurred are left out.
    public var flags: [String: Int]
    /// gRPC calls by status (`ok`, `unavailable`, ...); absent before the first.
    public var grpc: [String: Int]?
    /// Durations that half, 99 % and 99.9 % of the requests did not exceed, right to 1/16; absent for listeners.
    public var p50Milliseconds: Double?, p99Milliseconds: Double?, p999Milliseconds: Double?
}

extension RequestsView {
    /// The sum over workers; nil where no request has been counted.
    init?(
        _ workers: [WorkerStatistics], _ table: KeyPath<WorkerStatistics, SparseCounterTable>, slot: Int,
        hasHistogram: Bool = true
    ) {
        guard workers.contains(where: { $0[keyPath: table].hasBlock(slot) }) else { return nil }
        func sum(_ counter: Int) -> Int { workers.sum(table, slot, counter) }
        byClass = [:]
        for counter in RequestCounter.classes where sum(counter.rawValue) != 0 {
            byClass[counter.classLabel] = sum(counter.rawValue)
        }
        total = byClass.values.reduce(0, +)
        guard total > 0 else { return nil }
        retries = sum(RequestCounter.retries.rawValue)
        timeouts = sum(RequestCounter.timeouts.rawValue)
        flags = [:]
        for flag in RequestFlag.allCases where sum(RequestCounter.column(flag)) != 0 {
            flags[flag.label] = sum(RequestCounter.column(flag))
        }
        var calls: [String: Int] = [:]
        for (status, label) in RequestCounter.callStatusLabels.enumerated() {
            let count = sum(RequestCounter.column(callStatus: status))
            if count != 0 { calls[label] = count }
        }
        if !calls.isEmpty { grpc = calls }
        guard hasHistogram else { return }
        let histogram = workers.histogram(table, [slot])
        func milliseconds(_ quantile: Double) -> Double? {
            histogram.quantile(quantile).map { Double($0 / 1000) / 1000 }
        }
        p50Milliseconds = milliseconds(0.5)
        p99Milliseconds = milliseconds(0.99)
        p999Milliseconds = milliseconds(0.999)
    }
}

/// One element of `GET /routes`: a rule of a route table.
public struct RouteStatusView: Codable, Sendable, Equatable {
    /// The rule's name, or its place: `TABLE/VIRTUAL HOST/RULE`, both from 0.
    public var name: String
    /// The table it is in; `cluster:NAME` stands for HTTP listeners that have a cluster instead of routes.
    public var table: String
    /// The domains of its virtual host.
    public var domains: [String]
    /// What it is for, in words: `any`, or e.g. `path prefix /v2, methods GET`.
    public var match: String
    /// What it does, in words: `cluster cart`, `respond 200`, `redirect 308`.
    public var action: String
    /// Requests under way.
    public var requestsActive: Int
    /// Absent before the first.
    public var requests: RequestsView?
}
