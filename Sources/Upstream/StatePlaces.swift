import Model

/// Where workers keep what outlives a snapshot: a cluster's state lies at its slot, a group's at a place that the group
/// keeps for as long as its cluster has endpoints of its weight. So a worker goes over to new tables without moving
/// anything; what a place was used for before shows by the generation in `since`.
struct StatePlaces {
    private let previous: ClusterTables?
    private let freshSlots: Set<Int>
    private let generation: UInt64
    private var isTaken: [Bool]

    init(_ snapshot: Snapshot, _ previous: ClusterTables?) {
        self.previous = previous
        freshSlots = Set(snapshot.freshSlots.clusters)
        generation = snapshot.generation
        isTaken = Array(repeating: false, count: previous?.groupStateCount ?? 0)
    }

    /// Gives those of a cluster's groups (in order of weight) that the tables before had too their places. Returns the
    /// generation in which the cluster got its slot.
    mutating func carry(slot: Int, _ range: Range<Int>, _ groups: inout [ClusterTables.Group]) -> UInt64 {
        guard let previous, !freshSlots.contains(slot), let old = previous.cluster(slot: slot) else {
            return generation
        }
        var from = old.firstGroup
        for to in range {
            while from < old.endGroup, previous.groups[Int(from)].weight < groups[to].weight { from += 1 }
            guard from < old.endGroup, previous.groups[Int(from)].weight == groups[to].weight else { continue }
            groups[to].state = previous.groups[Int(from)].state
            groups[to].since = previous.groups[Int(from)].since
            isTaken[Int(groups[to].state)] = true
        }
        return old.since
    }

    /// Gives all other groups a place. Returns how many places there are.
    mutating func assign(_ groups: inout [ClusterTables.Group]) -> Int {
        var next = 0
        for index in groups.indices where groups[index].since == 0 {
            while next < isTaken.count, isTaken[next] { next += 1 }
            groups[index].state = UInt32(next)
            groups[index].since = generation
            next += 1
        }
        return max(next, isTaken.count)
    }
}

/// The order of a group's members by health.
enum HealthOrder {
    /// Fills `places` of `members` from `order`: the healthy first, as they stand there, then the others, the last one
    /// first. Returns how many are healthy. The outcome depends on nothing else, so cursors mean the same before and
    /// after a reload. What is in its place already is not written: arrays that share their memory go on sharing it.
    static func apply(
        to members: inout [UInt32], _ places: Range<Int>, order: [UInt32], isHealthy: (UInt32) -> Bool
    ) -> Int {
        var (front, back) = (places.lowerBound, places.upperBound)
        for place in places {
            let member = order[place]
            let target: Int
            if isHealthy(member) {
                target = front
                front += 1
            } else {
                back -= 1
                target = back
            }
            if members[target] != member { members[target] = member }
        }
        return front - places.lowerBound
    }
}
