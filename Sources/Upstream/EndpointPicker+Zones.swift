import Model

/// Which zone a pick goes to.
///
/// The zone of this host is preferred as far as that overloads nobody. Clients are taken to be spread evenly over the zones,
/// so each zone's clients may put 1/zones of the whole on the cluster; what share of the healthy weight a zone has is what
/// it should get in the end. A zone that has its part or more serves its own clients all by itself. One that has less
/// serves as many of them as it has weight for, and the rest goes to zones that have more than their part, in proportion
/// to how much more. So every endpoint gets what its weight says, with as little traffic between zones as that allows.
///
/// With too few healthy endpoints (panic) zones do not matter.
extension EndpointPicker {
    /// The zone to draw from.
    @inline(__always)
    func zone(_ draw: Draw, _ random: inout SmallRandom) -> Int {
        let zones = draw.view[0].parts[draw.part].zones
        guard zones.count > 1 else { return zones.lowerBound }
        let point = UInt32(truncatingIfNeeded: random.next())
        for zone in zones where point < zoneShares.values[draw.zonesAt + zone] { return zone }
        return zones.upperBound - 1
    }

    /// Sets the bounds that `zone` compares with: a zone's own share, and those of the zones before it.
    mutating func setZoneShares(
        _ part: ClusterTable.Part, _ cluster: ClusterTable.View, _ state: ClusterState, isPanic: Bool
    ) {
        guard part.zones.count > 1 else { return }
        let total = part.zones.reduce(0) { $0 + weight(of: $1, cluster, state, isPanic) }
        guard total > 0 else { return }
        let hasLocal = part.zones.contains { cluster.zones[$0].isLocal }
        let zoneCount = Double(part.zones.count + (hasLocal ? 0 : 1))
        let share = { (picker: EndpointPicker, zone: Int) in
            Double(picker.weight(of: zone, cluster, state, isPanic)) / Double(total)
        }
        let local = part.zones.first { cluster.zones[$0].isLocal }.map { share(self, $0) } ?? 0
        let own = isPanic ? 0 : min(1, local * zoneCount)
        let excess = part.zones.reduce(0.0) {
            $0 + (cluster.zones[$1].isLocal ? 0 : max(0, share(self, $1) - 1 / zoneCount))
        }
        var sum = 0.0
        for zone in part.zones {
            if isPanic {
                sum += share(self, zone)
            } else if cluster.zones[zone].isLocal {
                sum += own
            } else if excess > 0 {
                sum += (1 - own) * max(0, share(self, zone) - 1 / zoneCount) / excess
            }
            zoneShares.values[Int(state.zonesAt) + zone] = UInt32(min(max(sum, 0), 1) * Double(UInt32.max))
        }
    }

    private func weight(
        of zone: Int, _ cluster: ClusterTable.View, _ state: ClusterState, _ isPanic: Bool
    ) -> Int {
        cluster.zones[zone].groups.reduce(0) { sum, group in
            let count = isPanic ? cluster.groups[group].count : groups.values[Int(state.groupsAt) + group].healthy
            return sum + count * cluster.groups[group].weight
        }
    }
}
