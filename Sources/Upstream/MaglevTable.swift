/// Builds a Maglev lookup table (Eisenbud et al., NSDI 2016): every endpoint fills places in its own pseudo-random
/// order, in turns, so that each ends with its share to within one place, and few places change hands when an endpoint
/// comes or goes.
enum MaglevTable {
    /// Table sizes: primes, so that every step visits every place. A table has 100 places or more for each endpoint
    /// (shares within 1 %) up to 10,485 endpoints, and never more than the largest (4 MiB). Growing past a size moves
    /// most clients, hence few sizes far apart; they follow from the number of endpoints alone, so that hosts agree.
    /// An endpoint whose share of the table is less than one place may get none.
    static let sizes = [4099, 65537, 1_048_583]
    private static let placesPerEndpoint = 100

    static func size(endpoints: Int) -> Int {
        sizes.first { $0 >= endpoints * placesPerEndpoint } ?? sizes[sizes.count - 1]
    }

    private struct Walker {
        let member: UInt32
        let hash: UInt64
        let share: Double
        let step: Int
        var place: Int
        var credit = 0.0

        mutating func advance(_ size: Int) {
            place += step
            if place >= size { place -= size }
        }
    }

    /// The member of each place.
    static func words(_ members: [HashTable.Member]) -> [UInt32] {
        guard !members.isEmpty else { return [] }
        let size = size(endpoints: members.count)
        var walkers = walkers(members, size: size)
        var table = [UInt32](repeating: .max, count: size)
        var left = size
        while left > 0 {
            for index in walkers.indices where left > 0 {
                walkers[index].credit += walkers[index].share
                guard walkers[index].credit >= 1 else { continue }
                walkers[index].credit -= 1
                while table[walkers[index].place] != .max { walkers[index].advance(size) }
                table[walkers[index].place] = walkers[index].member
                left -= 1
            }
        }
        return table
    }

    private static func walkers(_ members: [HashTable.Member], size: Int) -> [Walker] {
        let heaviest = Double(members.map(\.weight).max() ?? 1)
        return members.enumerated().map { member, endpoint in
            Walker(
                member: UInt32(member), hash: endpoint.hash, share: Double(endpoint.weight) / heaviest,
                step: Int(StableHash.combine(endpoint.hash, 1) % UInt64(size - 1)) + 1,
                place: Int(StableHash.combine(endpoint.hash, 2) % UInt64(size)))
            // Turns go by hash: the order of endpoints in the configuration must not matter to who gets which client.
        }.sorted { $0.hash < $1.hash }
    }
}
