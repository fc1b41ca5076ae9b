import FoundationEssentials
import Model

extension HostFacts {
    /// Those of this host.
    init(_ kernel: KernelState, _ before: InstallState?, _ redirection: Redirection) async {
        self.init()
        func isForeign(_ set: Xtables) -> Bool { before?.hasCreatedFilter(of: set) != true }
        hostFirewalls = kernel.inputFirewalls.filter(isForeign)
        forwardFirewalls = kernel.forwardFirewalls.filter(isForeign)
        closedOutputs = kernel.closedOutputs
        hasIPv6 = FileManager.default.fileExists(atPath: "/proc/self/net/if_inet6")
        hasTCPMigration = kernel.sysctls[Sysctl.migrateRequests.name] != nil
        var peers = redirection.failover.protects.map(\.address)
        if redirection.needsOwnTunnel { peers += redirection.failover.remotes.map(\.address) }
        var seen: Set<IPAddress> = []
        for peer in peers where seen.insert(peer).inserted {
            // A way that is gone for the moment is still the one that the tunnel was made for.
            let underlay = await Self.underlay(to: peer) ?? before?.host?.underlay(to: peer)
            if let underlay { underlays.append(underlay) }
        }
    }

    /// What the kernel would do with a packet to `peer`.
    private static func underlay(to peer: IPAddress) async -> Underlay? {
        struct Answer: Decodable { var dev, prefsrc: String? }
        let text = await Tool.output("ip", peer.family.ipOption, "-j", "route", "get", "\(peer)")
        guard let text, let answer = try? JSONDecoder().decode([Answer].self, from: Data(text.utf8)).first,
            let device = answer.dev, let local = answer.prefsrc
        else { return nil }
        struct Link: Decodable { var mtu: Int? }
        let links = await Tool.output("ip", "-j", "link", "show", "dev", device) ?? ""
        let mtu = (try? JSONDecoder().decode([Link].self, from: Data(links.utf8)))?.first?.mtu
        return Underlay(peer: "\(peer)", local: local, mtu: mtu ?? 1500)
    }
}
