import FoundationEssentials
import Model

/// What the kernel has under our names, preferences and tables, and what of others stands next to it. Read in one go,
/// compared by pure code.
struct KernelState: Sendable, Equatable {
    /// Every policy routing rule of a family.
    var rules: [IPAddress.Family: [ForeignRule]] = [:]
    /// Routes in own tables.
    var routes: [IPAddress.Family: [Int: [KernelRoute]]] = [:]
    /// VXLAN devices, and whatever else has a name of ours.
    var devices: [Device] = []
    var nexthops: [KernelNexthop] = []
    var bridges = BridgeState()
    /// `nft -s list table inet apus`, or nil.
    var nftListing: String?
    /// Own lines of each iptables set that has any.
    var iptables: [Xtables: XtablesListing] = [:]
    /// Own jumps that have to be the first rule of their chain and are not.
    var lateJumps: [LateJump] = []
    /// iptables sets and tables (`ip6tables-nft/filter`) that exist.
    var xtablesTables: Set<String> = []
    /// iptables sets with a filter INPUT chain, with a FORWARD chain, and those whose OUTPUT drops what it does not know.
    var inputFirewalls: [Xtables] = []
    var forwardFirewalls: [Xtables] = []
    var closedOutputs: [Xtables] = []
    /// nft base chains, and the rules of those that are somebody else's.
    var nft = NftFirewalls()
    /// Rules of others in the iptables sets that write marks.
    var foreignMarkRules: [String] = []
    /// Rules of others by variant, and whether Kubernetes has left its hint chains there.
    var foreignRuleCount: [IptablesVariant: Int] = [:]
    var kubernetesVariants: Set<IptablesVariant> = []
    /// Current values of the sysctls we know of; nil: the kernel has it not.
    var sysctls: [String: String] = [:]

    /// A rule as `ip -j -N rule show` prints it.
    struct ForeignRule: Sendable, Equatable, Codable {
        var priority: Int
        var not: Bool?
        var src: String?
        var fwmark: String?
        var fwmask: String?
        var iif: String?
        var ipproto: String?
        var dport: UInt16?
        var table: String?
        private enum CodingKeys: String, CodingKey {
            case priority, not, src, fwmark, fwmask, iif, ipproto, dport, table
        }
    }

    /// A built-in chain of iptables in which rules of others stand before our jump.
    struct LateJump: Sendable, Equatable {
        var set: Xtables
        var table: String
        var chain: String
    }

    /// Reads the kernel through the host's programs.
    /// - Parameters:
    ///   - tables: own routing tables.
    ///   - pods: prefixes of this host's pods, to know bridges that have some.
    static func read(tables: Set<Int>, pods: [CIDR] = []) async throws(InterceptionError) -> KernelState {
        var state = KernelState()
        // First: after an installation this is its own spelling, which nobody may have changed meanwhile.
        state.nftListing = try await ownTable()
        for family in [IPAddress.Family.v4, .v6] {
            state.rules[family] = try await decode(
                [ForeignRule].self, Command("ip", [family.ipOption, "-j", "-N", "rule", "show"]))
        }
        try await state.readRoutes(tables)
        try await state.readTunnels()
        state.nft = try await NftFirewalls.read()
        for set in Xtables.all {
            guard let saved = try await set.saved() else { continue }
            state.note(saved, of: set)
        }
        for sysctl in Sysctl.known { state.sysctls[sysctl.name] = sysctl.current }
        try await state.readBridges(pods)
        return state
    }

    /// Own tables and chains alone: what there is of others may be much.
    static func readOwn(_ sets: [Xtables]) async throws(InterceptionError) -> KernelState {
        var state = KernelState()
        state.nftListing = try await ownTable()
        for set in sets {
            guard let saved = try await set.saved() else { continue }
            let listing = XtablesListing(parsing: saved)
            if !listing.isEmpty { state.iptables[set] = listing }
        }
        return state
    }

    /// The kernel's spelling of the own nft table, or nil.
    static func ownTable() async throws(InterceptionError) -> String? {
        try await Tool.look(Command("nft", ["-s", "list", "table", "inet", RulePlan.tableName]))
    }

    /// Takes in what `iptables-save` printed.
    mutating func note(_ saved: String, of set: Xtables) {
        let listing = XtablesListing(parsing: saved)
        if !listing.isEmpty { iptables[set] = listing }
        var table = ""
        var begun: Set<String> = []
        for line in saved.split(separator: "\n") {
            noteForeign(line, of: set)
            if line.first == "*" {
                table = String(line.dropFirst())
                xtablesTables.insert("\(set)/\(table)")
            }
            if table == "filter" { noteFilter(line, of: set) }
            let words = line.split(separator: " ").map(String.init)
            guard ["nat", "filter"].contains(table), words.count > 3, words[0] == "-A" else { continue }
            let isOurs = words[words.count - 1].hasPrefix(XtablesRules.chainPrefix)
            let isFirst = begun.insert("\(table)/\(words[1])").inserted
            guard isOurs, !isFirst, !words[1].hasPrefix(XtablesRules.chainPrefix) else { continue }
            lateJumps.append(LateJump(set: set, table: table, chain: words[1]))
        }
    }

    private mutating func noteFilter(_ line: Substring, of set: Xtables) {
        // iptables-nft prints built-in chains that do not exist: those drop nothing.
        func exists(_ chain: String) -> Bool { set.variant == .legacy || nft.has(chain, table: "filter", set.family) }
        if line.hasPrefix(":INPUT "), exists("INPUT") { inputFirewalls.append(set) }
        if line.hasPrefix(":FORWARD "), exists("FORWARD") { forwardFirewalls.append(set) }
        let words = line.split(separator: " ")
        let isClosing =
            line.hasPrefix(":OUTPUT DROP ")
            || words.starts(with: ["-A", "OUTPUT", "-j"]) && words.count > 3 && ["DROP", "REJECT"].contains(words[3])
        if isClosing, exists("OUTPUT"), !closedOutputs.contains(set) { closedOutputs.append(set) }
    }

    private mutating func noteForeign(_ line: Substring, of set: Xtables) {
        if line.hasPrefix(":KUBE-IPTABLES-HINT") || line.hasPrefix(":KUBE-PROXY-CANARY") {
            kubernetesVariants.insert(set.variant)
        }
        guard line.hasPrefix("-A"), !line.contains(XtablesRules.chainPrefix) else { return }
        foreignRuleCount[set.variant, default: 0] += 1
        if line.contains("MARK --set-") { foreignMarkRules.append("\(set): \(line)") }
    }

    /// The set of programs whose rules the host uses: Kubernetes' own hint first, then the one with more rules of
    /// others, then what `iptables` is.
    func variantInUse() async throws(InterceptionError) -> IptablesVariant {
        if let one = kubernetesVariants.first, kubernetesVariants.count == 1 { return one }
        let nft = foreignRuleCount[.nft, default: 0]
        let legacy = foreignRuleCount[.legacy, default: 0]
        if nft != legacy { return nft > legacy ? .nft : .legacy }
        let version = try await Tool.look(Command("iptables", ["--version"])) ?? ""
        return version.contains("legacy") ? .legacy : .nft
    }

    /// What a program prints as JSON.
    static func decode<Value: Decodable>(
        _ type: Value.Type, _ command: Command
    ) async throws(InterceptionError) -> Value? {
        guard Tool.path(of: command.tool) != nil else {
            throw .refused(["\(command.tool): not installed: install iproute2"])
        }
        // A table that was never used and a family that the kernel has not are the same as empty ones.
        guard let text = try await Tool.look(command), !text.isEmpty else { return nil }
        do {
            return try JSONDecoder().decode(type, from: Data(text.utf8))
        } catch {
            throw .failed(step: "\(command)", cause: "unexpected output: \(error)", leftBehind: [])
        }
    }
}

extension KernelState.ForeignRule {
    /// The same rule in our terms, when it is one that we could have written.
    var ours: RoutingRule? {
        guard not != true, src == "all", let table = table.flatMap(Int.init) else { return nil }
        let mark = fwmark.flatMap(UInt32.init(hexadecimal:))
        guard mark != nil || dport != nil else { return nil }
        guard ipproto == nil || isUDP else { return nil }
        let mask = mark == nil ? 0 : fwmask.flatMap(UInt32.init(hexadecimal:)) ?? .max
        return RoutingRule(
            priority: priority, mark: mark ?? 0, mask: mask, inputDevice: iif, udpPort: isUDP ? dport : nil,
            table: table)
    }

    /// With numbers `ip` prints `ipproto-17`.
    private var isUDP: Bool { ipproto == "udp" || ipproto == "ipproto-17" }
}

extension UInt32 {
    /// Parses `0x10` or `16`.
    init?(hexadecimal text: String) {
        if text.hasPrefix("0x") { self.init(text.dropFirst(2), radix: 16) } else { self.init(text) }
    }
}

extension Xtables {
    /// All rules of this set, or nil when the host has not its programs or never used it. Asking the legacy programs for
    /// a table that is not there would create it.
    func saved() async throws(InterceptionError) -> String? {
        if variant == .legacy {
            let path = family == .v4 ? "/proc/self/net/ip_tables_names" : "/proc/self/net/ip6_tables_names"
            guard let names = try? String(contentsOfFile: path, encoding: .utf8), !names.isEmpty else { return nil }
        }
        guard let text = try await Tool.look(Command(saveTool, [])) else { return nil }
        return text.contains("*") ? text : nil
    }
}
