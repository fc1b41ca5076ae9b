import Model

extension EndpointPicker {
    /// Picks a cluster serves between two counts of its healthy endpoints, for each this many endpoints one: the cost
    /// of counting stays below 64 words per pick even when verdicts change all the time.
    private static let endpointsPerPick = 64

    /// Brings up to date what is remembered of a cluster's health if a verdict has changed.
    ///
    /// A large cluster may be some picks late: until then an endpoint that has recovered gets nothing, while one that
    /// has failed is skipped at once, because its own word is looked at. `atOnce` waits for nothing.
    mutating func refreshHealth(_ cluster: ClusterTable.View, atOnce: Bool = false) {
        let slot = cluster.slot
        let epoch = epochs.loadAcquiring(slot)
        guard clusterStates[slot].epoch != epoch else { return }
        guard atOnce || clusterStates[slot].picksBeforeRefresh == 0 else {
            clusterStates[slot].picksBeforeRefresh -= 1
            return
        }
        countHealthy(cluster)
        clusterStates[slot].epoch = epoch
        clusterStates[slot].picksBeforeRefresh = cluster.endpoints.count / Self.endpointsPerPick
    }

    /// Before the first pick from a table: cursors go on where they were in groups that are still there, unless the slot
    /// was another cluster's.
    mutating func bringUp(_ cluster: ClusterTable.View) {
        var old = clusterStates[cluster.slot]
        if old.since != cluster.since {
            giveBack(old)
            old = ClusterState()
        }
        var state = old
        state.since = cluster.since
        state.version = cluster.version
        state.groupCount = Int32(cluster.groups.count)
        state.zoneCount = Int32(cluster.zones.count)
        state.partCount = Int32(cluster.parts.count)
        state.groupsAt = groups.take(cluster.groups.count, GroupState())
        state.zonesAt = zoneShares.take(cluster.zones.count, 0)
        state.partsAt = parts.take(cluster.parts.count, PartState())
        state.memberCount = Int32(cluster.order.count)
        state.membersAt = -1
        state.picksBeforeRefresh = 0
        carry(old, to: state, cluster)
        giveBack(old)
        // Before health is looked at: a verdict that comes meanwhile makes the next pick look again.
        state.epoch = epochs.loadAcquiring(cluster.slot)
        clusterStates[cluster.slot] = state
        countHealthy(cluster)
    }

    private mutating func carry(_ old: ClusterState, to state: ClusterState, _ cluster: ClusterTable.View) {
        let count = Int(old.groupCount)
        // Both lists are in the same order, so the next one is mostly the one looked for.
        var next = 0
        for group in cluster.groups.indices {
            let key = cluster.groups[group].key
            var carried = GroupState(key: key)
            for step in 0..<count {
                let place = next + step < count ? next + step : next + step - count
                guard groups.values[Int(old.groupsAt) + place].key == key else { continue }
                carried = groups.values[Int(old.groupsAt) + place]
                next = place + 1 < count ? place + 1 : 0
                break
            }
            groups.values[Int(state.groupsAt) + group] = carried
        }
    }

    private mutating func giveBack(_ state: ClusterState) {
        groups.giveBack(state.groupsAt, Int(state.groupCount))
        zoneShares.giveBack(state.zonesAt, Int(state.zoneCount))
        parts.giveBack(state.partsAt, Int(state.partCount))
        if state.membersAt >= 0 { members.giveBack(state.membersAt, Int(state.memberCount)) }
    }

    private mutating func countHealthy(_ cluster: ClusterTable.View) {
        let isAllHealthy = !cluster.hasVerdicts || cluster.endpoints.indices.allSatisfy { isHealthy($0, cluster) }
        var state = clusterStates[cluster.slot]
        if isAllHealthy, state.membersAt >= 0 {
            members.giveBack(state.membersAt, Int(state.memberCount))
            state.membersAt = -1
        } else if !isAllHealthy, state.membersAt < 0 {
            state.membersAt = members.take(Int(state.memberCount), 0)
        }
        clusterStates[cluster.slot] = state
        for group in cluster.groups.indices {
            let places = cluster.groups[group].places
            groups.values[Int(state.groupsAt) + group].healthy =
                isAllHealthy
                ? places.count
                : HealthOrder.apply(to: &members.values, base: Int(state.membersAt), places, order: cluster.order) {
                    [health] member in health.load(cluster.endpoints[Int(member)].slot) == 0
                }
        }
        for part in cluster.parts.indices { summarise(part, cluster, state) }
    }

    private func isHealthy(_ endpoint: Int, _ cluster: ClusterTable.View) -> Bool {
        health.load(cluster.endpoints[endpoint].slot) == 0
    }

    private mutating func summarise(_ number: Int, _ cluster: ClusterTable.View, _ state: ClusterState) {
        let part = cluster.parts[number]
        var healthy = 0
        for zone in part.zones {
            for group in cluster.zones[zone].groups { healthy += groups.values[Int(state.groupsAt) + group].healthy }
        }
        let isPanic = healthy < part.healthyMin
        parts.values[Int(state.partsAt) + number] = PartState(healthy: healthy, isPanic: isPanic)
        setZoneShares(part, cluster, state, isPanic: isPanic)
    }
}
