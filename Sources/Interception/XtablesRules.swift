import Model

/// Own chains of one iptables set: a pure value that renders to what `iptables-restore --noflush` reads. Each table is
/// one transaction of the kernel. Every chain is called `APUS_...`; chains of others are touched only by the jumps.
public struct XtablesRules: Sendable, Equatable {
    /// Prefix of the own chains.
    static let chainPrefix = "APUS_"

    /// One of the kernel's tables.
    struct Table: Sendable, Equatable {
        var name: String
        /// Own chains with their rules (the part behind `-A CHAIN `), in order.
        var chains: [Chain]
        /// Built-in chain -> own chain, inserted first.
        var jumps: [(from: String, to: String)]

        static func == (one: Table, other: Table) -> Bool {
            one.name == other.name && one.chains == other.chains
                && one.jumps.map(\.from) == other.jumps.map(\.from) && one.jumps.map(\.to) == other.jumps.map(\.to)
        }
    }

    /// An own chain.
    struct Chain: Sendable, Equatable {
        var name: String
        var rules: [String]
    }

    /// Which programs restore them.
    public let set: Xtables
    var tables: [Table]

    /// What `iptables-restore --noflush` has to read to get from `present` to these rules in one transaction for each table.
    /// - Parameter present: the own lines the kernel has now.
    public func installText(replacing present: XtablesListing = XtablesListing()) -> String {
        var text = ""
        let names = tables.map(\.name) + present.tableNames.filter { name in !tables.contains { $0.name == name } }
        for name in names {
            let table = tables.first { $0.name == name } ?? Table(name: name, chains: [], jumps: [])
            text += "*\(name)\n"
            // Declaring a chain that exists empties it.
            for chain in table.chains { text += ":\(chain.name) - [0:0]\n" }
            for jump in present.jumps(in: name) { text += "-D \(jump.from) -j \(jump.to)\n" }
            let stale = present.chains(in: name).filter { old in !table.chains.contains { $0.name == old } }
            for chain in stale { text += "-F \(chain)\n" }
            for chain in stale { text += "-X \(chain)\n" }
            for chain in table.chains {
                for rule in chain.rules { text += "-A \(chain.name) \(rule)\n" }
            }
            for jump in table.jumps { text += "-I \(jump.from) 1 -j \(jump.to)\n" }
            text += "COMMIT\n"
        }
        return text
    }

    /// Names of own chains, in order.
    var chainNames: [String] { tables.flatMap { $0.chains.map(\.name) } }

    /// What writes the rules of all own chains anew where the chains and the jumps to them are there already.
    var switchText: String {
        tables.map { table in
            let chains = table.chains.map { ":\($0.name) - [0:0]\n" }
            let rules = table.chains.flatMap { chain in chain.rules.map { "-A \(chain.name) \($0)\n" } }
            return "*\(table.name)\n" + (chains + rules).joined() + "COMMIT\n"
        }.joined()
    }

    /// What removes `present`.
    static func removalText(of present: XtablesListing, set: Xtables) -> String {
        XtablesRules(set: set, tables: []).installText(replacing: present)
    }
}

/// The own lines of `iptables-save`, by table, in its order and spelling.
public struct XtablesListing: Sendable, Equatable, Codable {
    /// Table name and its own lines (`:APUS_X - [0:0]`, `-A APUS_X ...`, `-A PREROUTING -j APUS_X`).
    var tables: [NamedLines] = []

    /// One table's own lines.
    struct NamedLines: Sendable, Equatable, Codable {
        var name: String
        var lines: [String]
    }

    /// Nothing.
    public init() {}

    /// Own lines out of the output of `iptables-save`.
    init(parsing saved: String) {
        var name = ""
        for line in saved.split(separator: "\n") {
            if line.first == "*" { name = String(line.dropFirst()) }
            guard line.contains(XtablesRules.chainPrefix), line.first == ":" || line.first == "-" else { continue }
            if tables.last?.name != name { tables.append(NamedLines(name: name, lines: [])) }
            tables[tables.count - 1].lines.append(String(line))
        }
    }

    var isEmpty: Bool { tables.isEmpty }
    var tableNames: [String] { tables.map(\.name) }
    var lines: [String] { tables.flatMap { table in table.lines.map { "\(table.name): \($0)" } } }

    func chains(in table: String) -> [String] {
        lines(in: table).filter { $0.first == ":" }.compactMap { $0.dropFirst().split(separator: " ").first }.map(
            String.init)
    }

    /// Jumps out of chains of others into own ones.
    func jumps(in table: String) -> [(from: String, to: String)] {
        lines(in: table).compactMap { line in
            let words = line.split(separator: " ").map(String.init)
            guard words.count == 4, words[0] == "-A", words[2] == "-j" else { return nil }
            guard !words[1].hasPrefix(XtablesRules.chainPrefix) else { return nil }
            return words[3].hasPrefix(XtablesRules.chainPrefix) ? (words[1], words[3]) : nil
        }
    }

    private func lines(in table: String) -> [String] { tables.first { $0.name == table }?.lines ?? [] }
}
