import Model

extension EndpointPicker {
    /// Members of a group that may be drawn.
    @inline(__always)
    private func drawable(_ group: Int, _ panic: Bool) -> Int {
        panic ? Int(groups[group].upper - groups[group].lower) : groupStates[group].healthy
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
    mutating func start(_ index: Int, _ panic: Bool, _ random: inout SmallRandom) {
        let cluster = clusters[index]
        clusterStates[index].isStarted = true
        for group in cluster.groups {
            groupStates[group].cursor = random.below(Int(groups[group].upper - groups[group].lower))
        }
        guard cluster.policy == .roundRobin, cluster.groups.count > 1 else { return }
        // Credits have a meaning only as a state of the schedule, so they are reached by running it.
        for _ in 0..<random.below(64) { _ = roundRobin(cluster, panic) }
    }

    mutating func roundRobin(_ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int? {
        guard let group = nextGroup(cluster, panic) else { return nil }
        let count = drawable(group, panic)
        let cursor = groupStates[group].cursor < count ? groupStates[group].cursor : 0
        groupStates[group].cursor = cursor + 1
        return Int(members[Int(groups[group].lower) + cursor])
    }

    /// Smooth weighted round robin: each group earns its weight per pick; the richest is picked and pays the total.
    private mutating func nextGroup(_ cluster: ClusterTables.Cluster, _ panic: Bool) -> Int? {
        if cluster.groups.count == 1 {
            return drawable(cluster.groups.lowerBound, panic) > 0 ? cluster.groups.lowerBound : nil
        }
        var total = 0
        var richest: Int?
        for group in cluster.groups {
            let share = groups[group].weight * drawable(group, panic)
            guard share > 0 else { continue }
            total += share
            groupStates[group].credit += share
            if let other = richest, groupStates[other].credit >= groupStates[group].credit { continue }
            richest = group
        }
        if let richest { groupStates[richest].credit -= total }
        return richest
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

    func leastRequest(_ cluster: ClusterTables.Cluster, _ panic: Bool, _ random: inout SmallRandom) -> Int? {
        guard let first = weightedRandom(cluster, panic, &random) else { return nil }
        // Two different ones if a few draws find them; one endpoint may hold nearly all the weight.
        for _ in 0..<4 {
            guard let second = weightedRandom(cluster, panic, &random) else { break }
            guard second != first else { continue }
            return load(second, isBelow: first) ? second : first
        }
        return first
    }

    private func load(_ one: Int, isBelow other: Int) -> Bool {
        let (a, b) = (endpoints[one], endpoints[other])
        return UInt64(active[Int(a.slot)]) * UInt64(b.weight) < UInt64(active[Int(b.slot)]) * UInt64(a.weight)
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
    mutating func refreshHealth(_ index: Int, atOnce: Bool = false) -> Bool {
        let cluster = clusters[index]
        guard cluster.isChecked else { return false }
        let epoch = epochs.loadAcquiring(cluster.slot)
        if clusterStates[index].epoch != epoch {
            if atOnce || clusterStates[index].epoch == nil || clusterStates[index].picksBeforeRefresh == 0 {
                countHealthy(index)
                clusterStates[index].epoch = epoch
                clusterStates[index].picksBeforeRefresh = cluster.count / Self.endpointsPerPick
            } else {
                clusterStates[index].picksBeforeRefresh -= 1
            }
        }
        return clusterStates[index].healthy < Int(cluster.healthyMin)
    }

    private mutating func countHealthy(_ index: Int) {
        var total = 0
        for group in clusters[index].groups {
            groupStates[group].healthy = partition(Int(groups[group].lower)..<Int(groups[group].upper))
            total += groupStates[group].healthy
        }
        clusterStates[index].healthy = total
    }

    /// Moves healthy members to the front. Returns how many. Writes nothing while they are in front already: the
    /// members stay shared with the tables as long as all are healthy.
    private mutating func partition(_ places: Range<Int>) -> Int {
        var end = places.lowerBound
        for place in places where health.load(Int(endpoints[Int(members[place])].slot)) == 0 {
            if place != end { members.swapAt(place, end) }
            end += 1
        }
        return end - places.lowerBound
    }
}
