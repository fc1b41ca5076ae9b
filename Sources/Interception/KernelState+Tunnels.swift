import FoundationEssentials
import Model

/// What the kernel has of tunnels: devices, what is resolved on them, next hops, routes in own tables.
extension KernelState {
    /// A VXLAN device.
    struct Device: Sendable, Equatable {
        var name: String
        /// nil: a device of another kind that has a name of ours.
        var vni: UInt32?
        var port: UInt16?
        var local: String?
        var link: String?
        var mtu = 0
        var isUp = false
        var isLearning = false
        var addresses: Set<String> = []
        var neighbors: Set<TunnelDevice.Neighbor> = []
        var peers: Set<TunnelDevice.Peer> = []
        /// Values of its sysctls, by name.
        var sysctls: [String: String] = [:]
    }

    /// A route as `ip -j route show` prints it.
    struct KernelRoute: Sendable, Equatable, Codable {
        var type: String?
        var dst: String
        var gateway: String?
        var dev: String?
        var nhid: Int?
    }

    /// A next hop as `ip -j nexthop show` prints it.
    struct KernelNexthop: Sendable, Equatable, Codable {
        var id: Int
        var gateway: String?
        var dev: String?
        var group: [Member]?

        /// Whether it leads into a tunnel of ours.
        var isOwn: Bool { dev.map(TunnelDevice.isOwn) ?? group?.allSatisfy { Nexthop.isOwn($0.id) } ?? false }

        struct Member: Sendable, Equatable, Codable { var id: Int }
    }

    /// Reads devices called `apus-t...`, every other VXLAN device, and next hops.
    mutating func readTunnels() async throws(InterceptionError) {
        struct Link: Decodable {
            var ifname: String
            var address: String?
            var mtu: Int?
            var flags: [String]?
            var linkinfo: Info?
            struct Info: Decodable { var info_data: Details? }
            struct Details: Decodable {
                var id: UInt32?
                var local, local6: String?
                var port: UInt16?
                var learning: Bool?
            }
        }
        let links = try await decode([Link].self, ["ip", "-j", "-d", "link", "show", "type", "vxlan"]) ?? []
        for link in links {
            let details = link.linkinfo?.info_data
            var device = Device(
                name: link.ifname, vni: details?.id, port: details?.port, local: details?.local ?? details?.local6,
                link: link.address, mtu: link.mtu ?? 0, isUp: link.flags?.contains("UP") ?? false,
                isLearning: details?.learning ?? true)
            if TunnelDevice.isOwn(device.name) { try await read(&device) }
            devices.append(device)
        }
        let names = try await Tool.read("/proc/self/net/dev").split(separator: "\n").compactMap { line in
            line.split(separator: ":").first.map { String($0.trimmingPrefix(while: \.isWhitespace)) }
        }
        for name in names.sorted() where TunnelDevice.isOwn(name) && !devices.contains(where: { $0.name == name }) {
            devices.append(Device(name: name))
        }
        nexthops = try await decode([KernelNexthop].self, ["ip", "-j", "nexthop", "show"]) ?? []
    }

    private func read(_ device: inout Device) async throws(InterceptionError) {
        struct Addressed: Decodable {
            var addr_info: [Address]?
            struct Address: Decodable { var local: String? }
        }
        struct Resolved: Decodable {
            var dst: String
            var lladdr: String?
        }
        struct Forwarded: Decodable {
            var mac: String
            var dst: String?
        }
        let name = device.name
        let addressed = try await decode([Addressed].self, ["ip", "-j", "address", "show", "dev", name]) ?? []
        device.addresses = Set(addressed.flatMap { $0.addr_info ?? [] }.compactMap(\.local))
        for option in ["-4", "-6"] {
            let arguments = ["ip", option, "-j", "neighbor", "show", "nud", "permanent", "dev", name]
            for entry in try await decode([Resolved].self, arguments) ?? [] {
                device.neighbors.insert(.init(address: entry.dst, link: entry.lladdr ?? ""))
            }
        }
        for entry in try await decode([Forwarded].self, ["bridge", "-j", "fdb", "show", "dev", name]) ?? [] {
            device.peers.insert(.init(link: entry.mac, address: entry.dst ?? ""))
        }
        for sysctl in TunnelDevice.sysctls(of: name, isV6: true) { device.sysctls[sysctl.name] = sysctl.current }
    }

    /// Reads the routes of tables.
    mutating func readRoutes(_ tables: Set<Int>) async throws(InterceptionError) {
        for family in [IPAddress.Family.v4, .v6] {
            for table in tables.sorted() {
                let arguments = ["ip", family.ipOption, "-j", "route", "show", "table", "\(table)"]
                routes[family, default: [:]][table] = try await decode([KernelRoute].self, arguments)
            }
        }
    }

    func has(_ route: Route) -> Bool {
        routes[route.family]?[route.table]?.contains { route.is($0) } ?? false
    }

    func device(_ name: String) -> Device? { devices.first { $0.name == name } }

    func nexthop(_ id: Int) -> KernelNexthop? { nexthops.first { $0.id == id } }

    private func decode<Value: Decodable>(
        _ type: Value.Type, _ words: [String]
    ) async throws(InterceptionError) -> Value? {
        try await Self.decode(type, Command(words[0], Array(words.dropFirst())))
    }
}

extension Route {
    /// Whether the kernel's is this one.
    func `is`(_ route: KernelState.KernelRoute) -> Bool {
        guard route.dst == "default" else { return false }
        switch way {
        case .local: return route.type == "local" && route.dev == "lo"
        case .nexthop(let id): return route.nhid == id
        case .gateway(let address, let device): return route.gateway == address && route.dev == device
        }
    }
}

extension Nexthop {
    /// Whether the kernel's is this one.
    func `is`(_ nexthop: KernelState.KernelNexthop) -> Bool {
        guard members.isEmpty else { return Set(nexthop.group?.map(\.id) ?? []) == Set(members) }
        return nexthop.gateway == gateway && nexthop.dev == device
    }

    /// Whether an id is one of ours.
    static func isOwn(_ id: Int) -> Bool {
        let groups = [1504, 1506]
        return groups.contains(id) || groups.contains(id / 100)
    }
}

extension TunnelDevice {
    /// Whether a device has a name of ours: `apus-tun`, `apus-t` and a number.
    static func isOwn(_ name: String) -> Bool {
        name == OwnTunnel.deviceName
            || name.hasPrefix("apus-t") && name.count > 6 && name.dropFirst(6).allSatisfy { "0"..."9" ~= $0 }
    }

    /// Whether the kernel's device is this one: what cannot be changed on a device that exists.
    func isMade(as device: KernelState.Device) -> Bool {
        device.vni == vni && device.port == port && device.local == local && device.link == link && !device.isLearning
    }
}

extension Sysctl {
    /// What the kernel has; nil: it does not know it.
    var current: String? {
        (try? String(contentsOfFile: path, encoding: .utf8)).map { String($0.filter { !$0.isNewline }) }
    }
}
