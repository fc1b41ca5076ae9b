extension SnapshotCompiler {
    mutating func addClusters(to parts: inout Parts) throws(TooMany) {
        let timings = parts.configuration.passthrough
        let passthrough = Configuration.Cluster(
            name: "passthrough", discovery: .originalDestination, connectTimeout: timings.connectTimeout,
            tunnelIdleTimeout: timings.tunnelIdleTimeout)
        var names: Set<Configuration.DNSName> = []
        try addCluster(passthrough, &names, to: &parts)
        for cluster in parts.configuration.clusters { try addCluster(cluster, &names, to: &parts) }
        discovered = discovered.filter { names.contains($0.key) }
    }

    private mutating func addCluster(
        _ cluster: Configuration.Cluster, _ dnsNames: inout Set<Configuration.DNSName>, to parts: inout Parts
    ) throws(TooMany) {
        parts.clusterIndexByName[cluster.name] = parts.clusters.count
        let (slot, isFresh) = try clusterSlot(cluster.name, &parts)
        let record = ClusterRecord(cluster, slot: slot)
        let endpoints: [Configuration.Endpoint]
        switch cluster.discovery {
        case .originalDestination: endpoints = []
        case .endpoints(let listed): endpoints = listed
        case .dns(let name):
            dnsNames.insert(name)
            endpoints = discovered[name] ?? []
        }
        parts.clusters.append(record)
        parts.endpointSets.append(try endpointSet(endpoints, record, isFresh: isFresh))
    }

    private mutating func clusterSlot(
        _ name: String, _ parts: inout Parts
    ) throws(TooMany) -> (slot: Int, isFresh: Bool) {
        let shared = shared
        let given = clusterSlots.slot(
            for: name, generation: generation, oldestGenerationInUse: oldestGenerationInUse
        ) { shared.isClusterIdle($0) }
        guard let given else { throw TooMany(description: "clusters: more than \(SlotLimits.clusters)") }
        shared.reserveCluster(given.slot)
        if given.isFresh {
            parts.freshSlots.clusters.append(given.slot)
            names.set(.cluster, given.slot, name)
            shared.clusterRampEnds.store(0, at: given.slot)
        }
        return given
    }

    private mutating func endpointSet(
        _ endpoints: [Configuration.Endpoint], _ record: ClusterRecord, isFresh: Bool
    ) throws(TooMany) -> EndpointSet {
        let set = endpointSlots.update(endpoints, of: record, context(isFresh: isFresh, now))
        guard let set else { throw TooMany(description: "endpoints: more than \(SlotLimits.endpoints)") }
        return set
    }

    private func context(isFresh: Bool, _ now: Int64) -> EndpointSlots.Context {
        EndpointSlots.Context(
            generation: generation, oldestGenerationInUse: oldestGenerationInUse, now: now, isFresh: isFresh)
    }

    mutating func removeUnseenClusters() {
        for slot in clusterSlots.retireUnseen(in: generation) {
            endpointSlots.remove(cluster: slot, context(isFresh: false, now))
        }
    }

    /// What is known of DNS names, for the next snapshots; names that are left out keep what they had.
    public mutating func discover(_ endpoints: [Configuration.DNSName: [Configuration.Endpoint]]) {
        discovered.merge(endpoints) { _, new in new }
    }

    /// Other endpoints for the clusters of `snapshot` (the newest one) that have this DNS name; empty when they have
    /// these already. Takes time in the number of their endpoints, and in that of clusters a little.
    ///
    /// The caller publishes the updates, one after the other, before it compiles or updates anything else.
    public mutating func update(
        _ name: Configuration.DNSName, to endpoints: [Configuration.Endpoint], of snapshot: Snapshot,
        oldestGenerationInUse: UInt64, now: Int64
    ) throws(TooMany) -> [EndpointUpdate] {
        discovered[name] = endpoints
        var updates: [EndpointUpdate] = []
        for index in snapshot.dnsClusters[name] ?? [] {
            let update = try update(
                cluster: index, to: endpoints, of: snapshot, oldestGenerationInUse: oldestGenerationInUse, now: now)
            if let update { updates.append(update) }
        }
        return updates
    }

    /// Other endpoints for one cluster, by its index in `snapshot` (the newest one); nil when it has these already.
    public mutating func update(
        cluster index: Int, to endpoints: [Configuration.Endpoint], of snapshot: Snapshot,
        oldestGenerationInUse: UInt64, now: Int64
    ) throws(TooMany) -> EndpointUpdate? {
        let old = snapshot.endpointSets[index]
        guard old.endpoints != endpoints else { return nil }
        generation += 1
        self.oldestGenerationInUse = oldestGenerationInUse
        let set = endpointSlots.update(endpoints, of: snapshot.clusters[index], context(isFresh: false, now))
        guard let set else { throw TooMany(description: "endpoints: more than \(SlotLimits.endpoints)") }
        return EndpointUpdate(
            generation: generation, cluster: index, old: old, new: set, gone: endpointSlots.takeGone())
    }
}

extension Snapshot {
    /// The update is in force: whoever asks for the cluster's endpoints gets these. Called by whoever publishes it.
    public func apply(_ update: EndpointUpdate) { endpointSets.replace(update.cluster, with: update.new) }
}
