import Model

extension EndpointPicker {
    /// Members of a group that may be drawn.
    @inline(__always)
    private func drawable(_ group: Int, _ panic: Bool) -> Int {
        panic ? groups[group].places.count : groupStates[Int(groups[group].state)].healthy
    }

    /// Endpoints of a cluster that may be drawn.
    func drawableCount(_ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int {
        var count = 0
        for group in cluster.groups { count += drawable(group, panic) }
        return count
    }

    /// One of them, by its number.
    func drawable(at number: Int, _ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int? {
        var left = number
        for group in cluster.groups {
            let count = drawable(group, panic)
            if left < count { return Int(members[Int(groups[group].lower) + left]) }
            left -= count
        }
        return nil
    }

    /// Sets a cluster's cursors to a random start, so that workers do not walk in step.
    mutating func start(_ cluster: ClusterTables.Cluster, _ panic: Bool, _ random: inout SmallRandom) {
        clusterStates[cluster.slot].isStarted = true
        for group in cluster.groups {
            groupStates[Int(groups[group].state)].cursor = random.below(groups[group].places.count)
        }
        guard cluster.policy == .roundRobin, cluster.groups.count > 1 else { return }
        // Credits have a meaning only as a state of the schedule, so they are reached by running it.
        for _ in 0..<random.below(64) { _ = roundRobin(cluster, panic) }
    }

    mutating func roundRobin(_ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int? {
        guard let group = nextGroup(cluster, panic) else { return nil }
        let count = drawable(group, panic)
        let state = Int(groups[group].state)
        let cursor = groupStates[state].cursor < count ? groupStates[state].cursor : 0
        groupStates[state].cursor = cursor + 1
        return Int(members[Int(groups[group].lower) + cursor])
    }

    /// Smooth weighted round robin: each group earns its weight per pick; the richest is picked and pays the total.
    private mutating func nextGroup(_ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int? {
        if cluster.groups.count == 1 {
            return drawable(cluster.groups.lowerBound, panic) > 0 ? cluster.groups.lowerBound : nil
        }
        var total = 0
        var richest: (group: Int, state: Int)?
        for group in cluster.groups {
            let share = groups[group].weight * drawable(group, panic)
            guard share > 0 else { continue }
            let state = Int(groups[group].state)
            total += share
            groupStates[state].credit += share
            if let richest, groupStates[richest.state].credit >= groupStates[state].credit { continue }
            richest = (group, state)
        }
        if let richest { groupStates[richest.state].credit -= total }
        return richest?.group
    }

    func weightedRandom(_ cluster: ClusterTables.Cluster, _ panic: Bool, _ random: inout SmallRandom) -> Int? {
        if cluster.groups.count == 1 { return member(of: cluster.groups.lowerBound, panic, &random) }
        var total = 0
        for group in cluster.groups { total += groups[group].weight * drawable(group, panic) }
        guard total > 0 else { return nil }
        var point = random.below(total)
        for group in cluster.groups {
            point -= groups[group].weight * drawable(group, panic)
            if point < 0 { return member(of: group, panic, &random) }
        }
        return nil
    }

    private func member(of group: Int, _ panic: Bool, _ random: inout SmallRandom) -> Int? {
        let count = drawable(group, panic)
        guard count > 0 else { return nil }
        return Int(members[Int(groups[group].lower) + random.below(count)])
    }

    /// Two draws, and the better one of them.
    mutating func betterOfTwo(
        _ cluster: ClusterTables.Cluster, _ panic: Bool, _ now: Int64, _ random: inout SmallRandom
    ) -> Int? {
        guard let first = weightedRandom(cluster, panic, &random) else { return nil }
        // Two different ones if a few draws find them; one endpoint may hold nearly all the weight.
        for _ in 0..<4 {
            guard let second = weightedRandom(cluster, panic, &random) else { break }
            guard second != first else { continue }
            let isBetter =
                cluster.policy == .peakEwma
                ? cost(second, cluster, now) < cost(first, cluster, now) : isLessLoaded(second, than: first)
            return isBetter ? second : first
        }
        return first
    }

    private func isLessLoaded(_ one: Int, than other: Int) -> Bool {
        let (a, b) = (endpoints[one], endpoints[other])
        return UInt64(active[Int(a.slot)]) * UInt64(b.weight) < UInt64(active[Int(b.slot)]) * UInt64(a.weight)
    }

    /// When an answer is to be expected.
    private mutating func cost(_ index: Int, _ cluster: ClusterTables.Cluster, _ now: Int64) -> Float {
        let endpoint = endpoints[index]
        let latency = latencies[Int(endpoint.slot)]
        let mean = clusterStates[cluster.slot].latencyMean
        let estimate = latency.estimate(now: now, mean: mean)
        // Draws are the sample: each endpoint counts by its weight, however seldom it is picked.
        if latency.isKnown {
            clusterStates[cluster.slot].latencyMean = mean > 0 ? mean + (estimate - mean) / 32 : estimate
        }
        return estimate * (1 + Float(active[Int(endpoint.slot)]) / Float(endpoint.weight))
    }
}

// MARK: - health

extension EndpointPicker {
    /// Picks a cluster serves between two counts of its healthy endpoints, for each this many endpoints one: the cost
    /// of counting stays below 64 words per pick even when verdicts change all the time.
    private static let endpointsPerPick = 64

    /// Brings up to date what is remembered of a cluster's health if a verdict has changed. Returns whether it panics.
    ///
    /// A large cluster may be some picks late: until then an endpoint that has recovered gets nothing, while one that
    /// has failed is skipped at once, because its own word is looked at. `atOnce` waits for nothing.
    mutating func refreshHealth(_ cluster: ClusterTables.Cluster, atOnce: Bool = false) -> Bool {
        guard cluster.isChecked else { return false }
        let slot = cluster.slot
        let epoch = epochs.loadAcquiring(slot)
        if clusterStates[slot].epoch != epoch {
            if atOnce || clusterStates[slot].picksBeforeRefresh == 0 {
                countHealthy(cluster)
                clusterStates[slot].epoch = epoch
                clusterStates[slot].picksBeforeRefresh = cluster.count / Self.endpointsPerPick
            } else {
                clusterStates[slot].picksBeforeRefresh -= 1
            }
        }
        return clusterStates[slot].healthy < Int(cluster.healthyMin)
    }

    private mutating func countHealthy(_ cluster: ClusterTables.Cluster) {
        var total = 0
        for group in cluster.groups {
            let healthy = HealthOrder.apply(to: &members, groups[group].places, order: order) {
                [health, endpoints] member in health.load(Int(endpoints[Int(member)].slot)) == 0
            }
            groupStates[Int(groups[group].state)].healthy = healthy
            total += healthy
        }
        clusterStates[cluster.slot].healthy = total
    }
}
