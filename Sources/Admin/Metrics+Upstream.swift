import Model

extension Metrics {
    /// What the cluster manager does with requests: limits, retries, ejections, pools.
    mutating func addUpstream() {
        text.family("apus_cluster_requests_active", .gauge, "Requests under way to the cluster.")
        for cluster in clusters {
            text.sample(sum(cluster, proxy.shared.clusterRequests), ["cluster": cluster.name])
        }
        text.family("apus_cluster_requests_pending", .gauge, "Requests that wait for a connection.")
        for cluster in clusters { text.sample(sum(cluster, proxy.shared.clusterPending), ["cluster": cluster.name]) }
        text.family("apus_cluster_retries_active", .gauge, "Retries under way.")
        for cluster in clusters { text.sample(sum(cluster, proxy.shared.clusterRetries), ["cluster": cluster.name]) }
        addCounts(
            "apus_cluster_request_overflows_total", "Requests and retries that a limit of circuitBreaker refused.",
            label: "limit",
            [
                ("requests", .requestBreakerOpen), ("pendingRequests", .pendingBreakerOpen),
                ("retries", .retryBreakerOpen), ("retryBudget", .retryBudgetEmpty),
            ])
        addCounts(
            "apus_cluster_ejections_total", "Endpoints ejected by outlier detection.", label: "reason",
            [("consecutive_failures", .ejectionsConsecutive), ("success_rate", .ejectionsSuccessRate)])
        text.family(
            "apus_cluster_mirrors_skipped_total", .counter, "Requests not mirrored: their body was too long to keep.")
        for cluster in clusters {
            text.sample(sum(cluster, \.clusters, ClusterCounter.mirrorsSkipped.rawValue), ["cluster": cluster.name])
        }
        text.family(
            "apus_worker_upstream_connections", .gauge, "Connections to endpoints for requests: in use or pooled.")
        for (index, worker) in workers.enumerated() {
            func value(_ counter: WorkerCounter) -> Int { worker.worker.value(slot: 0, counter: counter.rawValue) }
            let idle = value(.upstreamsIdle)
            text.sample(value(.upstreamsActive) - idle, ["worker": "\(index)", "state": "in_use"])
            text.sample(idle, ["worker": "\(index)", "state": "idle"])
        }
    }

    /// How names fare that endpoints come from.
    mutating func addDiscovery(_ now: Readiness.Now) {
        let names = proxy.shared.discovery.all.sorted { $0.key < $1.key }
        text.family("apus_discovery_lookups_total", .counter, "Lookups of names that endpoints come from.")
        for (name, status) in names {
            text.sample(status.successes, ["name": name, "result": "found"])
            text.sample(status.parts, ["name": name, "result": "part"])
            text.sample(status.failures, ["name": name, "result": "failed"])
        }
        text.family("apus_discovery_age_seconds", .gauge, "Since a name was last found.")
        for (name, status) in names {
            guard let last = status.lastSuccess else { continue }
            text.sample(max(0, now.monotonicMilliseconds - Int(last / 1_000_000)) / 1000, ["name": name])
        }
    }

    private mutating func addCounts(
        _ name: String, _ help: String, label: StaticString, _ counters: [(String, ClusterCounter)]
    ) {
        text.family(name, .counter, help)
        for cluster in clusters {
            for (value, counter) in counters {
                let count = sum(cluster, \.clusters, counter.rawValue)
                text.sample(count, list: [("cluster", cluster.name), (label, value)])
            }
        }
    }
}
