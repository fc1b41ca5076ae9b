import Model

extension AdminAPI {
    func podViews() -> [PodView] {
        guard let snapshot = proxy.snapshot else { return [] }
        let workers = proxy.workerStatistics
        // Pods without tables of their own share the ranges of podDefaults: put those into words once.
        var tables: [IndexRange: [TableEntryView]] = [:]
        func words(_ range: IndexRange) -> [TableEntryView] {
            if let known = tables[range] { return known }
            let words = range.indices.map { snapshot.words(snapshot.entries[$0]) }
            tables[range] = words
            return words
        }
        return snapshot.pods.indices.map { index in
            let pod = snapshot.pods[index]
            let configuration = snapshot.podConfiguration(index)
            func sum(_ counter: PodCounter) -> Int { workers.sum(\.pods, pod.slot, counter.rawValue) }
            return PodView(
                name: snapshot.podName(index), host: snapshot.node(ofHost: pod.host), uid: configuration?.uid,
                addresses: configuration?.addresses.map(\.description) ?? [],
                connectionsActive: proxy.shared.podConnections.load(pod.slot), connectionsMax: pod.connectionsMax,
                outboundConnections: sum(.outboundConnections), inboundConnections: sum(.inboundConnections),
                bytesSent: workers.bytes(.sent, pods: [pod.slot]),
                bytesReceived: workers.bytes(.received, pods: [pod.slot]),
                requestsSent: RequestsView(workers, \.requestsByPod, slot: PodRequests.sent(pod.slot)),
                requestsReceived: RequestsView(workers, \.requestsByPod, slot: PodRequests.received(pod.slot)),
                sourcePortClashes: sum(.sourcePortClashes), sourceHairpin: sum(.sourceHairpin),
                sourceNoFamily: sum(.sourceNoFamily),
                resets: resets { workers.sum(\.pods, pod.slot, PodCounter.column($0)) },
                outbound: words(pod.outbound), inbound: words(pod.inbound))
        }
    }

    func clusterViews() -> [ClusterView] {
        guard let snapshot = proxy.snapshot else { return [] }
        let workers = proxy.workerStatistics
        return snapshot.clusters.indices.map { index in
            let cluster = snapshot.clusters[index]
            func sum(_ counter: ClusterCounter) -> Int { workers.sum(\.clusters, cluster.slot, counter.rawValue) }
            return ClusterView(
                name: snapshot.clusterName(index),
                discovery: snapshot.discoveryWord(index),
                loadBalancer: cluster.loadBalancer.rawValue,
                connectionsActive: proxy.shared.clusterConnections.load(cluster.slot),
                connectionsMax: cluster.connectionsMax == .max ? nil : cluster.connectionsMax,
                connections: sum(.connections), connectFailures: sum(.connectFailures),
                connectTimeouts: sum(.connectTimeouts), connectRetries: sum(.connectRetries),
                circuitBreakerOpen: sum(.circuitBreakerOpen), noEndpoint: sum(.noEndpoint),
                panicPicks: sum(.panicPicks), bytesSent: workers.bytes(.sent, clusters: [cluster.slot]),
                bytesReceived: workers.bytes(.received, clusters: [cluster.slot]),
                requestsActive: proxy.shared.clusterRequests.load(cluster.slot),
                requestsMax: cluster.requestsMax == .max ? nil : cluster.requestsMax,
                requestsPending: proxy.shared.clusterPending.load(cluster.slot),
                pendingMax: cluster.pendingMax == .max ? nil : cluster.pendingMax,
                requestOverflows: sum(.requestBreakerOpen), pendingOverflows: sum(.pendingBreakerOpen),
                retryOverflows: sum(.retryBreakerOpen), retryBudgetEmpty: sum(.retryBudgetEmpty),
                ejectionsConsecutive: sum(.ejectionsConsecutive), ejectionsSuccessRate: sum(.ejectionsSuccessRate),
                requests: RequestsView(workers, \.requestsByCluster, slot: cluster.slot),
                healthChecksPassed: sum(.healthChecksPassed), healthChecksFailed: sum(.healthChecksFailed),
                endpoints: snapshot.endpoints(ofCluster: index).records.map { view($0, of: cluster) })
        }
    }

    private func view(_ endpoint: EndpointRecord, of cluster: ClusterRecord) -> EndpointView {
        EndpointView(
            address: endpoint.address.description, weight: endpoint.weight,
            health: proxy.shared.healthWord(endpoint, of: cluster),
            checkFailure: cluster.healthCheck == nil
                ? nil : proxy.shared.checkFailure(endpointSlot: endpoint.slot)?.label,
            connectionsActive: proxy.shared.endpointConnections.load(endpoint.slot))
    }

    func listenerViews() -> [ListenerStatusView] {
        let workers = proxy.workerStatistics
        return proxy.listeners.map { listener in
            func sum(_ counter: ListenerCounter) -> Int { workers.sum(\.listeners, listener.slot, counter.rawValue) }
            return ListenerStatusView(
                name: listener.name, address: listener.address.description, workers: listener.workers,
                connections: sum(.connections), bytesSent: workers.bytes(.sent, listeners: [listener.slot]),
                bytesReceived: workers.bytes(.received, listeners: [listener.slot]),
                requests: RequestsView(workers, \.requestsByListener, slot: listener.slot, hasHistogram: false),
                resets: resets { workers.sum(\.listeners, listener.slot, ListenerCounter.column($0)) })
        }
    }

    func connectionViews(limit: Int) async -> ConnectionListView {
        let list = await proxy.connections(limit: limit)
        let sorted = list.connections.sorted { $0.record.startedWallNanoseconds < $1.record.startedWallNanoseconds }
        return ConnectionListView(
            connections: sorted.prefix(limit).map(view), missingWorkers: list.missingWorkers.sorted(),
            truncated: list.truncated || sorted.count > limit)
    }

    private func view(_ connection: ConnectionView) -> LiveConnectionView {
        let record = connection.record
        func name(_ kind: SlotNames.Kind, _ slot: Int32) -> String? {
            slot < 0 ? nil : proxy.names.name(kind, Int(slot))
        }
        return LiveConnectionView(
            started: Timestamp.milliseconds(unixNanoseconds: record.startedWallNanoseconds),
            state: connection.state.rawValue, generation: record.generation, worker: Int(record.worker),
            host: record.host == 0 ? nil : proxy.names.name(.host, Int(record.host)),
            pod: name(.pod, record.pod), destinationPod: name(.pod, record.destinationPod),
            listener: name(.listener, record.listener), direction: record.direction.label,
            client: record.client.description, originalDestination: record.originalDestination.description,
            cluster: name(.cluster, record.cluster), endpoint: record.endpoint.known?.description,
            source: record.source.known?.description, detected: record.spoken?.label, attempts: Int(record.attempts),
            bytesSent: record.bytesSent, bytesReceived: record.bytesReceived,
            ageMilliseconds: record.durationNanoseconds / 1_000_000,
            idleMilliseconds: connection.idleNanoseconds / 1_000_000, bufferedBytes: connection.bufferedBytes)
    }

    func statusView() -> StatusView {
        let snapshot = proxy.snapshot
        let workers = proxy.workerStatistics
        return StatusView(
            version: BuildVersion.text, node: snapshot?.configuration.node.name,
            mode: snapshot?.configuration.node.mode.rawValue, phase: proxy.phase.rawValue,
            readiness: readiness.view(of: proxy, now: clock()), generation: snapshot?.generation ?? 0,
            configured: readiness.reloads.lastAppliedUnixSeconds.map(Timestamp.seconds),
            workers: proxy.workerStatistics.count, pods: snapshot?.configuration.pods.count ?? 0,
            clusters: snapshot?.configuration.clusters.count ?? 0, listeners: proxy.listeners.count,
            connectionsActive: proxy.shared.connections.load(0),
            requestsActive: workers.sum(\.worker, 0, WorkerCounter.requestsActive.rawValue),
            requests: requestCount(workers), residentBytes: ProcessUsage.current().residentBytes)
    }

    private func resets(_ count: (EndReason) -> Int) -> [String: Int] {
        var resets: [String: Int] = [:]
        for reason in EndReason.resets where count(reason) != 0 { resets[reason.label] = count(reason) }
        return resets
    }
}

extension [WorkerStatistics] {
    /// One counter over all workers.
    func sum(_ table: KeyPath<WorkerStatistics, some Counters>, _ slot: Int, _ counter: Int) -> Int {
        reduce(0) { $0 &+ $1[keyPath: table].value(slot: slot, counter: counter) }
    }
}

extension IndexRange: Hashable {
    /// See `Hashable`.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(lower)
        hasher.combine(upper)
    }
}
