import Model

/// A route in a table of ours, always the default one.
struct Route: Sendable, Hashable, Codable {
    var isV6: Bool
    var table: Int
    var way: Way

    /// Where it leads.
    enum Way: Sendable, Hashable, Codable {
        /// To the local stack, whatever the destination.
        case local
        /// To a next hop or a group of them.
        case nexthop(Int)
        /// To a neighbour.
        case gateway(String, device: String)
    }

    init(_ family: IPAddress.Family, table: Int, _ way: Way) {
        isV6 = family == .v6
        self.table = table
        self.way = way
    }

    var family: IPAddress.Family { isV6 ? .v6 : .v4 }

    /// Arguments of `ip route add` and `ip route del`.
    var arguments: [String] {
        let words =
            switch way {
            case .local: ["local", "default", "dev", "lo"]
            case .nexthop(let id): ["default", "nhid", "\(id)"]
            case .gateway(let address, let device): ["default", "via", address, "dev", device, "onlink"]
            }
        return words + ["table", "\(table)"]
    }
}

extension Route: CustomStringConvertible {
    var description: String { arguments.joined(separator: " ") }
}

/// A next hop, or a group of them, with an id of ours.
struct Nexthop: Sendable, Hashable, Codable {
    var id: Int
    /// Of a single one.
    var gateway: String?
    var device: String?
    /// Of a group.
    var members: [Int] = []

    /// A resilient group moves only the connections of a member that goes, and those of one that comes only when they are
    /// idle: 64 buckets for at most 32 members, a minute.
    var arguments: [String] {
        var words = ["id", "\(id)"]
        if let gateway, let device { words += ["via", gateway, "dev", device, "onlink"] }
        if !members.isEmpty {
            words += ["group", members.map(String.init).joined(separator: "/"), "type", "resilient"]
            words += ["buckets", "64", "idle_timer", "60"]
        }
        return words
    }
}

extension Nexthop: CustomStringConvertible {
    var description: String { arguments.joined(separator: " ") }
}

extension RulePlan {
    /// Routes of the plan, all in own tables.
    var routes: [Route] {
        var routes = routedFamilies.map { Route($0, table: Self.localTable, .local) }
        guard !tunnelDevices.isEmpty else { return routes }
        for family in tunnelledFamilies {
            if let ownTunnel {
                routes.append(Route(family, table: Self.tunnelTable, .nexthop(groupID(family))))
                routes += ownTunnel.remotes.map { Route(family, table: $0.table, .nexthop(nexthopID($0, family))) }
            }
            routes += hostTunnels.map { tunnel in
                let address = TunnelAddress.protected(tunnel.host.tunnel)
                let gateway = family == .v4 ? address : TunnelAddress.linkLocal(address)
                return Route(family, table: tunnel.table, .gateway("\(gateway)", device: tunnel.device.name))
            }
        }
        return routes
    }

    /// Next hops of the plan, groups last. A group is never empty: what a remote has stays with it to the end.
    var nexthops: [Nexthop] {
        guard let ownTunnel else { return [] }
        let usable = usableRemotes.isEmpty ? ownTunnel.remotes : usableRemotes
        let singles = tunnelledFamilies.flatMap { family in
            ownTunnel.remotes.map {
                Nexthop(
                    id: nexthopID($0, family), gateway: "\($0.gateway(family))", device: ownTunnel.device.name)
            }
        }
        return singles
            + tunnelledFamilies.map { family in
                Nexthop(id: groupID(family), members: usable.map { nexthopID($0, family) })
            }
    }

    /// Families inside tunnels: the pods', and IPv4 for the tests of remotes.
    private var tunnelledFamilies: [IPAddress.Family] { [.v4] + families.filter { $0 == .v6 } }

    private func groupID(_ family: IPAddress.Family) -> Int { family == .v4 ? 1504 : 1506 }

    private func nexthopID(_ remote: OwnTunnel.Remote, _ family: IPAddress.Family) -> Int {
        groupID(family) * 100 + remote.slot
    }
}
