import FoundationEssentials
import Model

/// What an installation leaves in `/run/apus/<netns inode>/state.json`, so that it can be compared with later and taken
/// back without the configuration. One directory for each network namespace: several may share a file system.
struct InstallState: Sendable, Equatable, Codable {
    /// One iptables set's part.
    struct XtablesPart: Sendable, Equatable, Codable {
        var variant: IptablesVariant
        var isV6: Bool
        /// What was asked for.
        var text: String
        /// The kernel's own spelling of it, read right after.
        var listing: XtablesListing

        var set: Xtables { Xtables(variant, isV6 ? .v6 : .v4) }

        /// Names of the chains that were asked for, in order.
        var chainNames: [String] {
            text.split(separator: "\n").filter { $0.hasPrefix(":") }.compactMap { line in
                line.dropFirst().split(separator: " ").first.map(String.init)
            }
        }
    }

    /// The layout of this file.
    var version = 1
    /// For the operator.
    var backend: String
    /// How it was asked for.
    var options: Installer.Options?
    /// Mark field value and mask: to tell own rules of the routing policy.
    var mark: UInt32
    var mask: UInt32
    /// Has IPv4, IPv6 rules.
    var isV4: Bool
    var isV6: Bool
    var rules: [RoutingRule]
    /// What was asked of nft, and its own spelling of it.
    var nftText: String
    var nftListing: String
    var iptables: [XtablesPart]
    /// Names and former values.
    var sysctlsBefore: [String: String]
    /// Values while installed.
    var sysctls: [Sysctl]
    /// iptables tables (`iptables-nft/mangle`) that did not exist before us.
    var tablesCreated: [String]
    /// Built-in chains of iptables-nft (`iptables-nft/filter/FORWARD`) that did not exist in a table that did. Absent in
    /// what earlier versions wrote.
    var chainsCreated: [String]?
    var limitations: [String]
    /// Where the rules lead what pods send, and what happens when nobody listens there (`failover.policy`). Absent in
    /// what earlier versions wrote.
    var outboundPort: UInt16?
    var answer: String?
    /// What the plan was made from beside the configuration, and what it made of tunnels. Absent in what earlier versions
    /// wrote.
    var host: HostFacts?
    var failover: FailoverState?
    var fixedText: String?
    var routes: [Route]?
    var nexthops: [Nexthop]?
    var devices: [TunnelDevice]?
    /// Prefixes of this host's pods, and ports of bridges whose qdisc for filters is ours. Absent in what earlier versions
    /// wrote.
    var podPrefixes: [String]?
    var portsPrepared: [String]?
    /// It is being taken out: nobody repairs it any more.
    var isLeaving: Bool?

    var families: [IPAddress.Family] { (isV4 ? [.v4] : []) + (isV6 ? [.v6] : []) }

    /// Families that have routing rules.
    var routedFamilies: [IPAddress.Family] {
        guard let routes else { return families }
        return [.v4, .v6].filter { family in routes.contains { $0.family == family } }
    }

    /// Routes; those of earlier versions are known.
    var ownRoutes: [Route] { routes ?? families.map { Route($0, table: RulePlan.localTable, .local) } }
    var tables: Set<Int> { Set(ownRoutes.map(\.table)) }

    /// Where it is kept for the network namespace of this process.
    static func path() throws(InterceptionError) -> String { try HostDirectory.path("state.json") }

    /// What the last installation left, or nil.
    static func load() throws(InterceptionError) -> InstallState? {
        let path = try path()
        guard FileManager.default.fileExists(atPath: path) else { return nil }
        do {
            return try JSONDecoder().decode(InstallState.self, from: Data(contentsOf: URL(filePath: path)))
        } catch {
            // Unreadable is the same as missing: own names tell what is ours.
            return nil
        }
    }

    func save() throws(InterceptionError) {
        try HostDirectory.make()
        let path = try Self.path()
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do {
            try encoder.encode(self).write(to: URL(filePath: path), options: .atomic)
        } catch {
            throw .failed(step: "write \(path)", cause: "\(error)", leftBehind: [])
        }
    }

    /// Removes it, with the directories that are of no use then. The rule lock is held.
    static func remove() throws(InterceptionError) {
        let path = try path()
        guard FileManager.default.fileExists(atPath: path) else { return }
        try GuardMemory.save(nil)
        do {
            try FileManager.default.removeItem(atPath: path)
        } catch {
            throw .failed(step: "remove \(path)", cause: "\(error)", leftBehind: [])
        }
        try HostDirectory.removeIfUnused(holding: RuleLock.name)
    }
}
