import Model

extension EndpointPicker {
    /// Members of a group that may be drawn.
    @inline(__always)
    private func drawable(_ group: Int, _ draw: Draw) -> Int {
        draw.isPanic ? draw.groups[group].count : groups.values[draw.groupsAt + group].healthy
    }

    /// The endpoint at a place of the draw's order.
    @inline(__always)
    private func member(_ place: Int, _ draw: Draw) -> Int {
        Int(draw.membersAt < 0 ? draw.order[place] : members.values[draw.membersAt + place])
    }

    /// All groups of the draw's part.
    private func allGroups(_ draw: Draw) -> Range<Int> {
        let zones = draw.view[0].parts[draw.part].zones
        guard let first = zones.first, let last = zones.last else { return 0..<0 }
        return draw.view[0].zones[first].groups.lowerBound..<draw.view[0].zones[last].groups.upperBound
    }

    /// Endpoints that may be drawn, of all zones.
    func drawableCount(_ draw: Draw) -> Int { allGroups(draw).reduce(0) { $0 + drawable($1, draw) } }

    /// One of them, by its number.
    func drawable(at number: Int, _ draw: Draw) -> Int? {
        var left = number
        for group in allGroups(draw) {
            let count = drawable(group, draw)
            if left < count { return member(Int(draw.groups[group].lower) + left, draw) }
            left -= count
        }
        return nil
    }

    /// Sets a cluster's cursors to a random start, so that workers do not walk in step.
    mutating func start(_ cluster: ClusterTable.View, _ random: inout SmallRandom) {
        clusterStates[cluster.slot].isStarted = true
        let state = clusterStates[cluster.slot]
        let at = Int(state.groupsAt)
        for group in cluster.groups.indices {
            groups.values[at + group].cursor = random.below(cluster.groups[group].count)
        }
        guard cluster.policy == .roundRobin else { return }
        // Credits have a meaning only as a state of the schedule, so they are reached by running it.
        for part in cluster.parts.indices {
            let isPanic = parts.values[Int(state.partsAt) + part].isPanic
            for zone in cluster.parts[part].zones where cluster.zones[zone].groups.count > 1 {
                for _ in 0..<random.below(64) {
                    _ = nextGroup(cluster.zones[zone].groups, at, cluster.groups, isPanic: isPanic)
                }
            }
        }
    }

    mutating func roundRobin(_ draw: Draw, _ zone: Int) -> Int? {
        let range = draw.view[0].zones[zone].groups
        guard let group = nextGroup(range, draw.groupsAt, draw.groups, isPanic: draw.isPanic) else { return nil }
        let count = drawable(group, draw)
        let state = draw.groupsAt + group
        let cursor = groups.values[state].cursor < count ? groups.values[state].cursor : 0
        groups.values[state].cursor = cursor + 1
        return member(Int(draw.groups[group].lower) + cursor, draw)
    }

    /// Smooth weighted round robin: each group earns its weight per pick; the richest is picked and pays the total.
    private mutating func nextGroup(
        _ range: Range<Int>, _ at: Int, _ table: RecordView<ClusterTable.Group>, isPanic: Bool
    ) -> Int? {
        var total = 0
        var richest: Int?
        for group in range {
            let drawable = isPanic ? table[group].count : groups.values[at + group].healthy
            guard drawable > 0 else { continue }
            if range.count == 1 { return group }
            let share = table[group].weight * drawable
            total += share
            groups.values[at + group].credit += share
            if let richest, groups.values[at + richest].credit >= groups.values[at + group].credit { continue }
            richest = group
        }
        if let richest { groups.values[at + richest].credit -= total }
        return richest
    }

    func weightedRandom(_ draw: Draw, _ zone: Int, _ random: inout SmallRandom) -> Int? {
        let range = draw.view[0].zones[zone].groups
        if range.count == 1 { return anyMember(of: range.lowerBound, draw, &random) }
        var total = 0
        for group in range { total += draw.groups[group].weight * drawable(group, draw) }
        guard total > 0 else { return nil }
        var point = random.below(total)
        for group in range {
            point -= draw.groups[group].weight * drawable(group, draw)
            if point < 0 { return anyMember(of: group, draw, &random) }
        }
        return nil
    }

    private func anyMember(of group: Int, _ draw: Draw, _ random: inout SmallRandom) -> Int? {
        let count = drawable(group, draw)
        guard count > 0 else { return nil }
        return member(Int(draw.groups[group].lower) + random.below(count), draw)
    }

    /// Two draws, and the better one of them.
    mutating func betterOfTwo(_ draw: Draw, _ zone: Int, _ random: inout SmallRandom) -> Int? {
        guard let first = weightedRandom(draw, zone, &random) else { return nil }
        // Two different ones if a few draws find them; one endpoint may hold nearly all the weight.
        for _ in 0..<4 {
            guard let second = weightedRandom(draw, zone, &random) else { break }
            guard second != first else { continue }
            let (one, other) = (draw.endpoints[first], draw.endpoints[second])
            let isBetter =
                draw.policy == .peakEwma
                ? cost(other, draw) < cost(one, draw) : isLessLoaded(other, than: one)
            return isBetter ? second : first
        }
        return first
    }

    private func isLessLoaded(_ one: EndpointRecord, than other: EndpointRecord) -> Bool {
        UInt64(active[one.slot]) * UInt64(other.weight) < UInt64(active[other.slot]) * UInt64(one.weight)
    }

    /// When an answer is to be expected.
    private mutating func cost(_ endpoint: EndpointRecord, _ draw: Draw) -> Float {
        let latency = latencies[endpoint.slot]
        let mean = clusterStates[draw.slot].latencyMean
        let estimate = latency.estimate(now: draw.now, mean: mean)
        // Draws are the sample: each endpoint counts by its weight, however seldom it is picked.
        if latency.isKnown {
            clusterStates[draw.slot].latencyMean = mean > 0 ? mean + (estimate - mean) / 32 : estimate
        }
        return estimate * (1 + Float(active[endpoint.slot]) / Float(endpoint.weight))
    }
}
