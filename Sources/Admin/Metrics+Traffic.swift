import Model

extension Metrics {
    /// Families by pod under the names without a prefix, and the process's live connections.
    mutating func addConnections() {
        // Names are kept for listeners that went away, so this sum does not fall when one does.
        let explicit = proxy.names.all(.listener).indices.filter { $0 > Snapshot.inboundListenerSlot }
        text.family(
            "apus_connections_total", .counter,
            "Connections accepted, by local pod: opened by it (outbound), received by it (inbound).")
        for pod in pods {
            for (direction, counter) in [
                ("outbound", PodCounter.outboundConnections), ("inbound", .inboundConnections),
            ] {
                text.sample(sum(pod, \.pods, counter.rawValue), ["pod": pod.name, "direction": direction])
            }
        }
        text.sample(
            sum(explicit, \.listeners, ListenerCounter.connections.rawValue), ["pod": "", "direction": "listener"])

        text.family("apus_connections_active", .gauge, "Live connections of the process.")
        text.sample(proxy.shared.connections.load(0))

        text.family("apus_bytes_total", .counter, "Payload bytes sent and received by local pods (pod=\"\": clients).")
        for pod in pods {
            for direction in PayloadDirection.allCases {
                let bytes = workers.bytes(direction, pods: pod.slots)
                text.sample(bytes, ["pod": pod.name, "direction": direction.rawValue])
            }
        }
        for direction in PayloadDirection.allCases {
            let bytes = workers.bytes(direction, listeners: Array(explicit))
            text.sample(bytes, ["pod": "", "direction": direction.rawValue])
        }

        text.family("apus_resets_total", .counter, "Connections that did not end in order, by local pod and reason.")
        for pod in pods {
            for reason in EndReason.resets {
                let count = sum(pod, \.pods, PodCounter.column(reason))
                if count != 0 { text.sample(count, ["pod": pod.name, "reason": reason.label]) }
            }
        }
        for reason in EndReason.resets {
            let count = sum(explicit, \.listeners, ListenerCounter.column(reason))
            text.sample(count, ["pod": "", "reason": reason.label])
        }
    }

    /// What else is known of pods.
    mutating func addPods() {
        text.family(
            "apus_pod_connections_active", .gauge, "Live connections, both legs, that count for the pod's limit.")
        for pod in pods { text.sample(sum(pod, proxy.shared.podConnections), ["pod": pod.name]) }
        text.family("apus_pod_source_port_clashes_total", .counter, "Source ports that were taken and skipped.")
        for pod in pods {
            text.sample(sum(pod, \.pods, PodCounter.sourcePortClashes.rawValue), ["pod": pod.name])
        }
        text.family(
            "apus_pod_host_source_total", .counter,
            "Connections from the host's own address: to the pod itself (hairpin), or to a family it has no address of."
        )
        for pod in pods {
            for (reason, counter) in [("hairpin", PodCounter.sourceHairpin), ("no_family", .sourceNoFamily)] {
                text.sample(sum(pod, \.pods, counter.rawValue), ["pod": pod.name, "reason": reason])
            }
        }
    }

    /// Who uses the workers' time and the memory of blocked connections; `pod=""`: connections without a pod.
    mutating func addPodUse() {
        text.family(
            "apus_pod_cpu_seconds_total", .counter, "CPU time of the workers, by the pod whose connections used it.")
        for pod in pods {
            text.sample(seconds(sum(pod, \.pods, PodCounter.cpuNanoseconds.rawValue)), ["pod": pod.name])
        }
        text.sample(seconds(sum([0], \.podless, PodCounter.cpuNanoseconds.rawValue)), ["pod": ""])
        text.family(
            "apus_pod_buffer_bytes", .gauge,
            "Memory that blocked connections hold, in the proxy and in their sockets, that counts for the pod's limit.")
        for pod in pods {
            let bytes = pod.slots.reduce(0) { $0 &+ proxy.shared.podBufferBytes.load($1 + 1) }
            text.sample(bytes, ["pod": pod.name])
        }
        text.sample(proxy.shared.podBufferBytes.load(0), ["pod": ""])
        text.family("apus_buffer_bytes", .gauge, "The same of the process, that counts for limits.memory.")
        text.sample(proxy.shared.bufferBytes.load(0))
        text.family(
            "apus_pod_window_clamps_total", .counter, "Receive buffers made small because half of a limit was in use.")
        for pod in pods { text.sample(sum(pod, \.pods, PodCounter.windowClamps.rawValue), ["pod": pod.name]) }
        text.sample(sum([0], \.podless, PodCounter.windowClamps.rawValue), ["pod": ""])
    }

    /// Connections of which one direction has ended and the other has not.
    mutating func addHalfOpen() {
        text.family("apus_half_open_connections", .gauge, "Connections half closed now: one side has sent FIN.")
        text.sample(sum([0], \.worker, WorkerCounter.halfOpen.rawValue))
        text.family(
            "apus_half_open_seconds", .histogram, "How long connections were half closed, when that came to an end.")
        let values = (0..<HalfOpenAge.width).map { sum([0], \.halfOpenAges, $0) }
        let buckets = HalfOpenAge.bounds.enumerated().map { (bound: seconds(Int($1)), count: values[$0]) }
        text.histogram(buckets, rest: values[HalfOpenAge.bounds.count], sum: seconds(values[HalfOpenAge.sumColumn]))
    }

    private func seconds(_ nanoseconds: Int) -> Double { Double(nanoseconds) / 1e9 }

    /// Pod x cluster.
    mutating func addPairs() {
        text.family("apus_pod_cluster_connections_total", .counter, "Connections of a pod to a cluster.")
        var counts: [Pair: Int] = [:]
        for (position, pair) in proxy.pairSeries.enumerated() {
            let count = sum([pair.slot], \.pairs, 0)
            counts[position < pairsLimit ? key(pair) : .other, default: 0] += count
        }
        for (pair, count) in counts.sorted(by: { $0.key < $1.key }) {
            text.sample(count, ["pod": pair.pod, "cluster": pair.cluster])
        }
    }

    private struct Pair: Hashable, Comparable {
        let pod, cluster: String
        static let other = Pair(pod: MetricSeries.other, cluster: MetricSeries.other)
        static func < (left: Pair, right: Pair) -> Bool {
            (left.pod, left.cluster) < (right.pod, right.cluster)
        }
    }

    private func key(_ pair: PairSeries) -> Pair {
        guard let pod = pair.pod, let cluster = pair.cluster, let podName = proxy.names.name(.pod, pod),
            let clusterName = proxy.names.name(.cluster, cluster)
        else { return .other }
        return Pair(pod: podName, cluster: clusterName)
    }

    /// Clusters and their endpoints.
    mutating func addClusters() {
        for (name, counter, help) in Self.clusterCounters {
            text.family(name, .counter, help)
            for cluster in clusters {
                text.sample(sum(cluster, \.clusters, counter.rawValue), ["cluster": cluster.name])
            }
        }
        text.family("apus_cluster_bytes_total", .counter, "Payload bytes sent to and received from endpoints.")
        for cluster in clusters {
            for direction in PayloadDirection.allCases {
                let bytes = workers.bytes(direction, clusters: cluster.slots)
                text.sample(bytes, ["cluster": cluster.name, "direction": direction.rawValue])
            }
        }
        addClusterPairs(
            "apus_cluster_health_checks_total", "Active health checks.", label: "result",
            [("passed", .healthChecksPassed), ("failed", .healthChecksFailed)])
        addClusterPairs(
            "apus_cluster_health_check_failures_total", "Active health checks that failed, by reason.", label: "reason",
            HealthFailure.allCases.map { ($0.label, $0.counter) })
        text.family("apus_cluster_connections_active", .gauge, "Live connections to the cluster.")
        for cluster in clusters {
            text.sample(sum(cluster, proxy.shared.clusterConnections), ["cluster": cluster.name])
        }
        addEndpoints()
    }

    private static let clusterCounters: [(String, ClusterCounter, String)] = [
        ("apus_cluster_connections_total", .connections, "Connections established to endpoints."),
        ("apus_cluster_connect_failures_total", .connectFailures, "Connect attempts that were refused or failed."),
        ("apus_cluster_connect_timeouts_total", .connectTimeouts, "Connect attempts without an answer in time."),
        ("apus_cluster_connect_retries_total", .connectRetries, "Connects that went on to the next endpoint."),
        ("apus_cluster_circuit_breaker_open_total", .circuitBreakerOpen, "Connections refused by the circuit breaker."),
        ("apus_cluster_no_endpoint_total", .noEndpoint, "Connections refused for want of an endpoint."),
        ("apus_cluster_panic_picks_total", .panicPicks, "Picks that ignored health: too few endpoints were healthy."),
    ]

    private mutating func addClusterPairs(
        _ name: String, _ help: String, label: StaticString, _ counters: [(String, ClusterCounter)]
    ) {
        text.family(name, .counter, help)
        for cluster in clusters {
            for (value, counter) in counters {
                let count = sum(cluster, \.clusters, counter.rawValue)
                text.sample(count, KeyValuePairs(dictionaryLiteral: ("cluster", cluster.name), (label, value)))
            }
        }
    }

    private mutating func addEndpoints() {
        guard let snapshot else { return }
        var bySlot: [Int: (healthy: Int, unhealthy: Int, ejected: Int)] = [:]
        for (index, cluster) in snapshot.clusters.enumerated() where !cluster.isOriginalDestination {
            let records = snapshot.endpoints(ofCluster: index).records
            let words = records.map { proxy.shared.healthWord($0, of: cluster) }
            let (unhealthy, ejected) = (words.count { $0 == "unhealthy" }, words.count { $0 == "ejected" })
            bySlot[cluster.slot] = (words.count - unhealthy - ejected, unhealthy, ejected)
        }
        text.family("apus_cluster_endpoints", .gauge, "Endpoints by health; not checked counts as healthy.")
        for cluster in clusters {
            let known = cluster.slots.compactMap { bySlot[$0] }
            // The original destination is no endpoint that could be counted.
            guard !known.isEmpty else { continue }
            let healthy = known.reduce(0) { $0 + $1.healthy }
            let unhealthy = known.reduce(0) { $0 + $1.unhealthy }
            text.sample(healthy, ["cluster": cluster.name, "state": "healthy"])
            text.sample(unhealthy, ["cluster": cluster.name, "state": "unhealthy"])
            let ejected = known.reduce(0) { $0 + $1.ejected }
            text.sample(ejected, ["cluster": cluster.name, "state": "ejected"])
        }
    }

    /// Listeners, the two of interception included.
    mutating func addListeners() {
        text.family("apus_listener_connections_total", .counter, "Connections accepted.")
        for listener in listeners {
            let count = sum(listener, \.listeners, ListenerCounter.connections.rawValue)
            text.sample(count, ["listener": listener.name])
        }
        text.family("apus_listener_bytes_total", .counter, "Payload bytes sent and received by clients.")
        for listener in listeners {
            for direction in PayloadDirection.allCases {
                let bytes = workers.bytes(direction, listeners: listener.slots)
                text.sample(bytes, ["listener": listener.name, "direction": direction.rawValue])
            }
        }
        text.family("apus_listener_resets_total", .counter, "Connections that did not end in order.")
        for listener in listeners {
            for reason in EndReason.resets {
                let count = sum(listener, \.listeners, ListenerCounter.column(reason))
                if count != 0 { text.sample(count, ["listener": listener.name, "reason": reason.label]) }
            }
        }
    }
}

extension EndReason {
    /// Every way to end but the orderly one.
    static let resets = allCases.filter { $0 != .completed }
}
