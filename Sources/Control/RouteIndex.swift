/// The route tables by name, with the clusters that each one names: what those who use the table must check.
struct RouteIndex {
    /// A place in a table that names a cluster.
    struct Use {
        let cluster: String
        let position: Position
    }

    var names = NameIndex("route")
    /// Rules that have a name, of all tables.
    var ruleNames = NameIndex("rule")
    private var usesByTable: [String: [Use]] = [:]

    /// Remembers that a table names a cluster.
    mutating func add(_ use: Use, to table: String) { usesByTable[table, default: []].append(use) }

    /// The clusters that a table names, each once.
    func uses(of table: String) -> [Use] {
        var seen: Set<String> = []
        return (usesByTable[table] ?? []).filter { seen.insert($0.cluster).inserted }
    }
}
