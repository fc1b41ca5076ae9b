import FoundationEssentials
import Model

/// What the kernel has of bridges.
extension KernelState {
    private struct Link: Decodable {
        var ifname: String
        var master: String?
        /// Where the other end is, when that is another namespace.
        var link_netnsid: Int?
        var linkinfo: Info?

        struct Info: Decodable {
            var info_kind: String?
            var info_data: Settings?
        }

        struct Settings: Decodable {
            var nf_call_iptables, nf_call_ip6tables: Int?

            init(from decoder: any Decoder) throws {
                // Links of other kinds have settings of other shapes.
                let container = try? decoder.container(keyedBy: CodingKeys.self)
                nf_call_iptables = try? container?.decodeIfPresent(Int.self, forKey: .nf_call_iptables)
                nf_call_ip6tables = try? container?.decodeIfPresent(Int.self, forKey: .nf_call_ip6tables)
            }

            private enum CodingKeys: String, CodingKey { case nf_call_iptables, nf_call_ip6tables }
        }

        var kind: String? { linkinfo?.info_kind }
        var isPodSide: Bool { kind == "veth" && link_netnsid != nil }
    }

    /// Reads bridges, their ports and what is of ours there.
    /// - Parameter prefixes: pods' addresses; bridges with routes to them have pods.
    mutating func readBridges(_ prefixes: [CIDR]) async throws(InterceptionError) {
        let reception = Command("nft", ["-s", "list", "table", "netdev", RulePlan.tableName])
        if let text = try await Tool.look(reception) {
            self.bridges.reception = BridgeReception(parsing: text)
        }
        let links = try await Self.decode([Link].self, Command("ip", ["-j", "-d", "link", "show"])) ?? []
        let bridges = links.filter { $0.kind == "bridge" }
        guard !bridges.isEmpty else { return }
        let named = try await Self.devices(to: prefixes)
        let canFilter = Tool.path(of: "tc") != nil
        self.bridges.bridges = bridges.filter { named.contains($0.ifname) }.map { bridge in
            let ports = links.filter { $0.master == bridge.ifname }
            return Self.bridge(bridge, ports, canFilter)
        }.sorted { $0.name < $1.name }
        let masters = Set(bridges.map(\.ifname))
        let qdiscs = canFilter ? try await Self.ingressQdiscs() : [:]
        for link in links where link.isPodSide {
            guard let master = link.master, masters.contains(master) else { continue }
            var port = BridgePort(name: link.ifname, bridge: master, qdisc: qdiscs[link.ifname])
            if port.qdisc != nil { try await Self.readFilters(&port) }
            self.bridges.ports.append(port)
        }
    }

    private static func bridge(_ link: Link, _ ports: [Link], _ canFilter: Bool) -> BridgeState.Bridge {
        var bridge = BridgeState.Bridge(name: link.ifname)
        let own = link.linkinfo?.info_data
        let settings = [
            ("bridge-nf-call-iptables", own?.nf_call_iptables), ("bridge-nf-call-ip6tables", own?.nf_call_ip6tables),
        ]
        for (name, value) in settings {
            let text = try? String(contentsOfFile: "/proc/sys/net/bridge/\(name)", encoding: .utf8)
            if text?.first == "1" || value == 1 { bridge.filterSettings.append(name) }
        }
        // A dummy only lends its address.
        if let other = ports.first(where: { !$0.isPodSide && $0.kind != "dummy" }) {
            bridge.obstacle = "its port \(other.ifname) is no veth pair into a pod"
        } else if !canFilter {
            bridge.obstacle = "tc is not installed (iproute2)"
        }
        return bridge
    }

    /// Devices with routes to addresses of prefixes.
    private static func devices(to prefixes: [CIDR]) async throws(InterceptionError) -> Set<String> {
        var found: Set<String> = []
        guard !prefixes.isEmpty else { return found }
        for option in ["-4", "-6"] {
            let command = Command("ip", [option, "-j", "-N", "route", "show"])
            for route in try await decode([KernelRoute].self, command) ?? [] {
                guard let device = route.dev, let prefix = CIDR(route.dst),
                    prefixes.contains(where: { $0.overlaps(prefix) })
                else { continue }
                found.insert(device)
            }
        }
        return found
    }

    private static func ingressQdiscs() async throws(InterceptionError) -> [String: String] {
        struct Qdisc: Decodable {
            var kind: String
            var dev: String?
        }
        var found: [String: String] = [:]
        for qdisc in try await decode([Qdisc].self, Command("tc", ["-j", "qdisc", "show"])) ?? []
        where ["clsact", "ingress"].contains(qdisc.kind) {
            if let device = qdisc.dev { found[device] = qdisc.kind }
        }
        return found
    }

    private static func readFilters(_ port: inout BridgePort) async throws(InterceptionError) {
        func filters(_ direction: String) async throws(InterceptionError) -> [TrafficFilter] {
            let command = Command("tc", ["-j", "filter", "show", "dev", port.name, direction])
            return try await decode([TrafficFilter].self, command) ?? []
        }
        let coming = try await filters("ingress")
        let going = port.qdisc == "clsact" ? try await filters("egress") : []
        let families: [IPAddress.Family] = [.v4, .v6]
        for family in families {
            let own = coming.filter { $0.preference == BridgePort.preference(family) }
            if !own.isEmpty { port.present.insert(family) }
            let matching = own.filter { $0.match == BridgePort.match(family) && $0.target == port.bridge }
            if matching.count == 1 { port.covered.insert(family) }
        }
        port.hasForeignFilters =
            !going.isEmpty
            || coming.contains { filter in !families.contains { filter.preference == BridgePort.preference($0) } }
    }
}
