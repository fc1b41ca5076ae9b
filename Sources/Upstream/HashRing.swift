/// Builds a consistent-hash ring in the manner of ketama: each endpoint owns points in proportion to its weight, and a
/// client belongs to the first point at or after its hash.
///
/// Points depend on the endpoint's own address and weight only, so an endpoint that comes or goes moves the clients of
/// its own arcs and no others. The exception is the bound on memory: see `pointsPerWeight`.
enum HashRing {
    /// Points of an endpoint of weight 1 while the ring is within its bound. 128 keep the spread of shares near
    /// 1 / sqrt(128) = 9 %.
    static let pointsPerWeightMax = 128
    /// A ring's size is at most this, or 128 for each endpoint when that is more, up to `pointsMax`.
    static let pointsMin = 1 << 14
    /// 8 bytes each.
    static let pointsMax = 1 << 20

    /// The sorted points, then the member of each.
    static func words(_ members: [HashTable.Member]) -> [UInt32] {
        let scale = pointsPerWeight(members)
        var points: [UInt64] = []
        for (member, endpoint) in members.enumerated() {
            for replica in 0..<max(1, Int((Double(endpoint.weight) * scale).rounded())) {
                let point = StableHash.combine(endpoint.hash, UInt64(replica))
                points.append(point & 0xffff_ffff_0000_0000 | UInt64(member))
            }
        }
        points.sort()
        return points.map { UInt32(truncatingIfNeeded: $0 >> 32) } + points.map { UInt32(truncatingIfNeeded: $0) }
    }

    /// 128, or the power of two that keeps the ring within its bound: then only a total weight that crosses a power of
    /// two changes the points of endpoints that stay.
    static func pointsPerWeight(_ members: [HashTable.Member]) -> Double {
        let total = members.reduce(0) { $0 + $1.weight }
        var bound = pointsMin
        while bound < pointsMax, bound < members.count * pointsPerWeightMax { bound *= 2 }
        var scale = Double(pointsPerWeightMax)
        while Double(total) * scale > Double(bound) { scale /= 2 }
        return scale
    }
}
