import Model

/// Sorts one cluster's endpoints into parts, zones and groups.
struct ClusterTableBuilder {
    private let source: ClusterTable.Source
    private(set) var order: [UInt32] = []
    private(set) var parts: [ClusterTable.Part] = []
    private(set) var zones: [ClusterTable.Zone] = []
    private(set) var groups: [ClusterTable.Group] = []
    /// By subset.
    private var members: [[UInt32]] = []

    init(_ source: ClusterTable.Source) { self.source = source }

    mutating func build() {
        addPart(Array(0..<UInt32(source.set.records.count)), key: 0)
        for labels in source.labels {
            let members = source.set.endpoints.indices.filter { index in
                labels.allSatisfy { source.set.endpoints[index].labels[$0.key] == $0.value }
            }.map(UInt32.init)
            self.members.append(members)
            addPart(members, key: Self.key(labels))
        }
    }

    private mutating func addPart(_ members: [UInt32], key: UInt64) {
        let first = zones.count
        if source.record.isZoneAware {
            for (zone, members) in byZone(members) {
                addZone(members, key: StableHash.combine(key, StableHash.of(zone)), isLocal: zone == source.zone)
            }
        } else {
            addZone(members, key: key, isLocal: true)
        }
        // "Share below the threshold" as a count; the epsilon keeps 7 % of 100 from becoming 8 by rounding.
        let threshold = source.record.panicThreshold
        let share = (0...1).contains(threshold) ? threshold : 0
        parts.append(
            ClusterTable.Part(
                firstZone: UInt32(first), endZone: UInt32(zones.count), count: members.count,
                healthyMin: max(0, Int((share * Double(members.count) - 1e-9).rounded(.up)))))
    }

    /// In the order in which zones first occur.
    private func byZone(_ members: [UInt32]) -> [(zone: String, members: [UInt32])] {
        var zones: [(zone: String, members: [UInt32])] = []
        var places: [String: Int] = [:]
        for member in members {
            let zone = source.set.endpoints[Int(member)].zone ?? ""
            if let place = places[zone] {
                zones[place].members.append(member)
            } else {
                places[zone] = zones.count
                zones.append((zone, [member]))
            }
        }
        return zones
    }

    /// Members by weight, lightest first; a group for each weight.
    private mutating func addZone(_ members: [UInt32], key: UInt64, isLocal: Bool) {
        let records = source.set.records.view
        // Few weights, many endpoints: a list for each weight instead of sorting. Each in the configuration's order.
        var byWeight: [Int: [UInt32]] = [:]
        for member in members { byWeight[records[Int(member)].weight, default: []].append(member) }
        let first = groups.count
        for (weight, members) in byWeight.sorted(by: { $0.key < $1.key }) {
            groups.append(
                ClusterTable.Group(
                    weight: weight, lower: UInt32(order.count), upper: UInt32(order.count + members.count),
                    key: StableHash.combine(key, UInt64(weight))))
            order += members
        }
        zones.append(
            ClusterTable.Zone(firstGroup: UInt32(first), endGroup: UInt32(groups.count), isLocal: isLocal))
    }

    /// A bit for each endpoint, subset by subset.
    func subsetBits() -> [UInt64] {
        let count = (source.set.records.count + 63) / 64
        return members.flatMap { members in
            var words = [UInt64](repeating: 0, count: count)
            for member in members { words[Int(member) / 64] |= 1 << UInt64(member % 64) }
            return words
        }
    }

    private static func key(_ labels: [String: String]) -> UInt64 {
        labels.reduce(1) { $0 &+ StableHash.combine(StableHash.of($1.key), StableHash.of($1.value)) }
    }
}
