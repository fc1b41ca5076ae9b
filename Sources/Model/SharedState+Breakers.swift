/// The circuit breakers of clusters: one word for each limit, shared by all workers and exact under concurrency. What
/// was taken is given back exactly once, by the slot (a reload may have moved or removed the record meanwhile).
extension SharedState {
    /// A request of the cluster begins. False: `circuitBreaker.requests` are under way already.
    public func takeRequest(_ cluster: ClusterRecord) -> Bool {
        clusterRequests.take(at: cluster.slot, limit: cluster.requestsMax)
    }

    /// A request waits for a connection. False: `circuitBreaker.pendingRequests` are waiting already.
    public func takePending(_ cluster: ClusterRecord) -> Bool {
        clusterPending.take(at: cluster.slot, limit: cluster.pendingMax)
    }

    /// It waits no longer.
    @inlinable
    public func finishPending(clusterSlot: Int) { clusterPending.addReleasing(-1, at: clusterSlot) }

    /// A retry begins, its backoff included. False: `circuitBreaker.retries` are under way already.
    public func takeRetry(_ cluster: ClusterRecord) -> Bool {
        clusterRetries.take(at: cluster.slot, limit: cluster.retriesMax)
    }

    /// Makes the words of a cluster's slot usable.
    func reserveCluster(_ slot: Int) {
        for words in [
            clusterConnections, clusterRequests, clusterPending, clusterRetries, clusterHealthEpochs, clusterRampEnds,
            clusterEjected,
        ] {
            words.reserve(slot)
        }
    }

    /// Whether nothing is connected or under way through the cluster with this slot: then it may be another's.
    func isClusterIdle(_ slot: Int) -> Bool {
        [clusterConnections, clusterRequests, clusterPending, clusterRetries].allSatisfy { $0.loadAcquiring(slot) == 0 }
    }
}
