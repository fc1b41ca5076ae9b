import FoundationEssentials
import Model

extension HostFacts {
    /// Those of this host.
    init(
        _ kernel: KernelState, _ before: InstallState?, _ redirection: Redirection
    ) async throws(InterceptionError) {
        self.init()
        func isForeign(_ set: Xtables) -> Bool { before?.hasCreatedFilter(of: set) != true }
        hostFirewalls = kernel.inputFirewalls.filter(isForeign)
        forwardFirewalls = kernel.forwardFirewalls.filter(isForeign)
        closedOutputs = kernel.closedOutputs
        hasIPv6 = FileManager.default.fileExists(atPath: "/proc/self/net/if_inet6")
        hasTCPMigration = kernel.sysctls[Sysctl.migrateRequests.name] != nil
        let remotes = OwnTunnel.slotted(redirection.failover, known: before?.host?.slots ?? [:])
        slots = Dictionary(remotes.map { ("\($0.address)", $0.slot) }) { first, _ in first }
        var peers = redirection.failover.protects.map(\.address)
        if redirection.needsOwnTunnel { peers += redirection.failover.remotes.map(\.address) }
        var seen: Set<IPAddress> = []
        for peer in peers where seen.insert(peer).inserted {
            // A way that is gone for the moment is still the one that the tunnel was made for.
            var underlay = try await Self.underlay(to: peer)
            if underlay == nil { underlay = before?.host?.underlay(to: peer) }
            if let underlay { underlays.append(underlay) }
        }
    }

    /// What the kernel would do with a packet to `peer`; nil: nothing.
    private static func underlay(to peer: IPAddress) async throws(InterceptionError) -> Underlay? {
        struct Answer: Decodable { var dev, prefsrc: String? }
        let question = await Tool.run(Command("ip", [peer.family.ipOption, "-j", "route", "get", "\(peer)"]))
        guard question.ending != .broken else {
            throw .failed(step: "look: the way to \(peer)", cause: question.complaint, leftBehind: [])
        }
        // What is said in many ways when there is none is that there is none.
        guard let answer = try? JSONDecoder().decode([Answer].self, from: Data(question.output.utf8)).first,
            let device = answer.dev, let local = answer.prefsrc
        else { return nil }
        struct Link: Decodable { var mtu: Int? }
        let links = try await KernelState.decode([Link].self, Command("ip", ["-j", "link", "show", "dev", device]))
        guard let link = links?.first else { return nil }
        return Underlay(peer: "\(peer)", local: local, mtu: link.mtu ?? 1500)
    }
}
