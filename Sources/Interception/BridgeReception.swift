import Model

/// The own nft table `netdev apus`: what the filters of bridge ports lead to a bridge device carries the address of another
/// pod, or looks as if it was not for the port that it came from; without this the host drops it as somebody else's.
struct BridgeReception: Sendable, Equatable {
    /// Bridge devices, sorted.
    var bridges: [String]

    private static let rule = "meta pkttype other meta l4proto tcp meta pkttype set host"
    static let removal = Command("nft", ["delete", "table", "netdev", RulePlan.tableName])

    /// Text for `nft -f` that replaces what is there.
    var text: String {
        var text = TextBlock()
        text.line("add table netdev \(RulePlan.tableName)")
        text.line("delete table netdev \(RulePlan.tableName)")
        text.block("table netdev \(RulePlan.tableName)") { table in
            let names = bridges.map { "\"\($0)\"" }.joined(separator: ", ")
            table.chain(
                "bridged", base: "type filter hook ingress devices = { \(names) } priority filter; policy accept;"
            ) {
                $0.line(Self.rule)
            }
        }
        return text.text
    }

    init(bridges: [String]) { self.bridges = bridges }

    /// From `nft -s list table netdev apus`: of bridges that are gone nothing is listed.
    init(parsing listing: String) {
        let lines = listing.lines
        let hook = lines.first { $0.hasPrefix("type filter hook ingress") } ?? ""
        let names = hook.split(separator: "\"", omittingEmptySubsequences: false).enumerated()
            .compactMap { $0.offset.isMultiple(of: 2) ? nil : String($0.element) }
        bridges = lines.contains(Self.rule) ? names.sorted() : []
    }
}
