import Model

/// One VXLAN device with everything that must be resolved on it beforehand.
public struct TunnelDevice: Sendable, Hashable, Codable {
    /// Its name.
    public var name: String
    /// The network identifier and the UDP port.
    var vni: UInt32
    var port: UInt16
    /// The own end in the underlay.
    var local: String
    /// Its link address.
    var link: String
    var mtu: Int
    /// Its own address: without one, loose rp_filter behaves as strict.
    var address: String
    var isV6: Bool
    /// Gateways of routes through it.
    var neighbors: [Neighbor]
    /// Other ends: link address and where that is in the underlay.
    var peers: [Peer]

    /// A permanent neighbour entry.
    struct Neighbor: Sendable, Hashable, Codable {
        var address: String
        var link: String
    }

    /// A forwarding entry.
    struct Peer: Sendable, Hashable, Codable {
        var link: String
        var address: String
    }

    /// The sysctls of the device. They go with it.
    var sysctls: [Sysctl] { Self.sysctls(of: name, isV6: isV6) }

    static func sysctls(of name: String, isV6: Bool) -> [Sysctl] {
        let loose = Sysctl(name: "net/ipv4/conf/\(name)/rp_filter", value: "2")
        return [loose] + (isV6 ? [Sysctl(name: "net/ipv6/conf/\(name)/disable_ipv6", value: "0")] : [])
    }

    /// What the outer headers take of the underlay's MTU.
    static func overhead(_ underlay: IPAddress.Family) -> Int { underlay == .v4 ? 50 : 70 }

    /// What makes it, each a command.
    var commands: [[String]] {
        [createCommand, addressCommand, upCommand] + neighbors.map(command) + peers.map(command)
    }

    var createCommand: [String] {
        [
            "ip", "link", "add", name, "address", link, "mtu", "\(mtu)", "type", "vxlan", "id", "\(vni)", "local",
            local, "dstport", "\(port)", "nolearning",
        ]
    }

    var addressCommand: [String] { ["ip", "address", "replace", "\(address)/32", "dev", name] }
    var upCommand: [String] { ["ip", "link", "set", name, "up"] }

    /// Entries are replaced, so that they can be repaired one by one.
    func command(_ neighbor: Neighbor) -> [String] {
        ["ip", "neighbor", "replace", neighbor.address, "lladdr", neighbor.link, "dev", name, "nud", "permanent"]
    }

    func command(_ peer: Peer) -> [String] {
        ["bridge", "fdb", "replace", peer.link, "dev", name, "dst", peer.address]
    }

    /// For `ip -batch`: what follows the creation.
    var settingText: String { Self.batch([addressCommand, upCommand] + neighbors.map(command)) }

    /// For `bridge -batch`.
    var peerText: String { Self.batch(peers.map(command)) }

    private static func batch(_ commands: [[String]]) -> String {
        commands.map { $0.dropFirst().joined(separator: " ") + "\n" }.joined()
    }
}

/// This host's end of the tunnel to the proxies that stand in for it.
public struct OwnTunnel: Sendable, Equatable {
    /// The device `apus-tun`.
    public let device: TunnelDevice
    /// In order of their slots.
    public let remotes: [Remote]

    /// One of the other ends.
    public struct Remote: Sendable, Equatable {
        /// As in the configuration.
        public let name: String
        /// In the underlay.
        public let address: IPAddress
        /// Its number in marks, routing tables and gateways.
        let slot: Int
    }

    static let deviceName = "apus-tun"
    static let tableBase = 1510
    /// Routing tables of single remotes: below those of protected hosts.
    static let tables = (tableBase + 1)...(tableBase + slotsMax)
    private static let slotsMax = 64
    private static let remotesMax = 32

    init?(_ redirection: Redirection, _ families: [IPAddress.Family], _ host: HostFacts, _ problems: inout [String]) {
        guard redirection.needsOwnTunnel else { return nil }
        let failover = redirection.failover
        let slots = Self.slotCount(failover)
        guard failover.remotes.count <= min(Self.remotesMax, slots) else {
            problems.append(
                "failover.remotes: \(failover.remotes.count) remotes: at most \(min(Self.remotesMax, slots)) are possible"
                    + (slots < Self.remotesMax ? " with this failover.hostMark.mask" : ""))
            return nil
        }
        guard Set(failover.remotes.map(\.address.family)).count == 1 else {
            problems.append("failover.remotes: addresses of both families: a tunnel has ends of one family")
            return nil
        }
        let underlays = failover.remotes.compactMap { host.underlay(to: $0.address) }
        guard let underlay = underlays.first, let local = IPAddress(underlay.local) else {
            problems += failover.remotes.map { "failover.remotes: \($0.name): no route to \($0.address)" }
            return nil
        }
        if let other = underlays.first(where: { $0.local != underlay.local }) {
            problems.append(
                "failover.remotes: this host is \(underlay.local) towards \(underlay.peer) and \(other.local) towards "
                    + "\(other.peer): a tunnel has one address here: give the remotes addresses of one network")
            return nil
        }
        remotes = Self.slotted(failover, known: host.slots ?? [:])
        let mtu = (underlays.map(\.mtu).min() ?? underlay.mtu) - TunnelDevice.overhead(local.family)
        device = TunnelDevice(
            name: Self.deviceName, vni: failover.tunnel.vni, port: failover.tunnel.port, local: underlay.local,
            link: TunnelAddress.link(local), mtu: mtu,
            address: "\(TunnelAddress.protected(failover.tunnel))", isV6: families.contains(.v6),
            neighbors: remotes.flatMap { remote in
                ([.v4] + families.filter { $0 == .v6 }).map {
                    TunnelDevice.Neighbor(address: "\(remote.gateway($0))", link: TunnelAddress.link(remote.address))
                }
            },
            peers: remotes.map { TunnelDevice.Peer(link: TunnelAddress.link($0.address), address: "\($0.address)") })
    }

    private static func slotCount(_ failover: Configuration.Failover) -> Int {
        let mask = failover.hostMarkMask
        return mask == 0 ? 0 : min(slotsMax, Int(mask >> UInt32(mask.trailingZeroBitCount)))
    }

    /// The remotes with their slots. These follow from addresses; who has one keeps it when others come and go.
    /// - Parameter known: slots in force, by address.
    static func slotted(_ failover: Configuration.Failover, known: [String: Int]) -> [Remote] {
        let count = slotCount(failover)
        guard failover.remotes.count <= count else { return [] }
        var taken: Set<Int> = []
        var slots: [String: Int] = [:]
        for remote in failover.remotes {
            guard let slot = known["\(remote.address)"], (1...count).contains(slot), taken.insert(slot - 1).inserted
            else { continue }
            slots["\(remote.address)"] = slot
        }
        let placed = failover.remotes.sorted { IPAddress.precedes($0.address, $1.address) }.map { remote in
            if let slot = slots["\(remote.address)"] {
                return Remote(name: remote.name, address: remote.address, slot: slot)
            }
            var slot = Int(TunnelAddress.hash(remote.address)) % count
            while !taken.insert(slot).inserted { slot = (slot + 1) % count }
            return Remote(name: remote.name, address: remote.address, slot: slot + 1)
        }
        return placed.sorted { $0.slot < $1.slot }
    }
}

extension Redirection {
    /// Routing tables that its plan can have.
    /// - Parameter slots: those in force, by address of the remote.
    func tables(_ slots: [String: Int]?) -> Set<Int> {
        let remotes = needsOwnTunnel ? OwnTunnel.slotted(failover, known: slots ?? [:]) : []
        let own = needsOwnTunnel ? [RulePlan.tunnelTable] + remotes.map(\.table) : []
        return Set([RulePlan.localTable] + own + failover.protects.map { HostTunnel.tableBase + $0.id })
    }
}

extension OwnTunnel.Remote {
    func gateway(_ family: IPAddress.Family) -> IPAddress {
        let gateway = TunnelAddress.gateway(slot: slot)
        return family == .v4 ? gateway : TunnelAddress.linkLocal(gateway)
    }

    var link: String { TunnelAddress.link(address) }
    var table: Int { OwnTunnel.tableBase + slot }

    /// What packets for it, or of its connections, carry.
    func mark(_ number: MarkNumber, _ field: Configuration.MarkField, _ hostMask: UInt32) -> UInt32 {
        UInt32(slot) << UInt32(hostMask.trailingZeroBitCount & 31) & hostMask | number.value(in: field)
    }
}

/// This host's end of the tunnel of a host it stands in for.
public struct HostTunnel: Sendable, Equatable {
    /// The device `apus-t1` for the host with id 1.
    public let device: TunnelDevice
    /// The host.
    public let host: Configuration.ProtectedHost

    static func all(
        _ redirection: Redirection, _ families: [IPAddress.Family], _ facts: HostFacts, _ problems: inout [String]
    ) -> [HostTunnel] {
        var tunnels: [HostTunnel] = []
        for host in redirection.failover.protects {
            guard let underlay = facts.underlay(to: host.address), let local = IPAddress(underlay.local) else {
                problems.append("failover.protects: \(host.node): no route to \(host.address)")
                continue
            }
            tunnels.append(HostTunnel(host, underlay, local, families))
        }
        return tunnels
    }

    private init(
        _ host: Configuration.ProtectedHost, _ underlay: HostFacts.Underlay, _ local: IPAddress,
        _ families: [IPAddress.Family]
    ) {
        self.host = host
        let gateway = TunnelAddress.protected(host.tunnel)
        let link = TunnelAddress.link(host.address)
        device = TunnelDevice(
            name: "apus-t\(host.id)", vni: host.tunnel.vni, port: host.tunnel.port, local: underlay.local,
            link: TunnelAddress.link(local), mtu: underlay.mtu - TunnelDevice.overhead(local.family),
            address: "\(TunnelAddress.remote(host.tunnel))", isV6: families.contains(.v6),
            neighbors: ([.v4] + families.filter { $0 == .v6 }).map {
                TunnelDevice.Neighbor(address: "\($0 == .v4 ? gateway : TunnelAddress.linkLocal(gateway))", link: link)
            },
            peers: [TunnelDevice.Peer(link: link, address: "\(host.address)")])
    }

    var table: Int { Self.tableBase + host.id }
    static let tableBase = 1600
}
