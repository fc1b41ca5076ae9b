/// One rule of a snapshot's route tables, with where it stands. All parts are indices from 0.
public struct RulePlace: Sendable {
    /// In `Snapshot.routeTables`.
    public let table: Int
    /// In the table.
    public let virtualHost: Int
    /// In the virtual host.
    public let rule: Int
    /// In `Snapshot.routeLinks`.
    public let index: Int
}

extension Snapshot {
    /// Calls `body` for every rule of every table, in the order of `routeLinks`.
    public func forEachRule(_ body: (RulePlace, Configuration.Rule) -> Void) {
        var index = 0
        for (table, content) in routeTables.enumerated() {
            for (virtualHost, host) in content.virtualHosts.enumerated() {
                for (position, rule) in host.rules.enumerated() {
                    body(RulePlace(table: table, virtualHost: virtualHost, rule: position, index: index), rule)
                    index += 1
                }
            }
        }
    }

    /// What a rule is called.
    public func routeName(_ place: RulePlace, _ rule: Configuration.Rule) -> String {
        let name = RouteName(
            rule, table: routeTables[place.table].name, virtualHost: place.virtualHost, rule: place.rule)
        return name.description
    }
}
