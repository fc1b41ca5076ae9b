/// What the compiler of snapshots adds to one rule of a route table, in the order of the tables, their virtual hosts and
/// rules: everything that is known by name in the configuration, by number here.
public struct RouteLinks: Sendable, BitwiseCopyable {
    /// For counters and live exchanges; stable over reloads by `RouteName`.
    public let slot: Int32
    /// In `Snapshot.filters`.
    public let filters: IndexRange
    /// In `Snapshot.routeTargets`; empty for rules that do not forward.
    public let targets: IndexRange
    /// In `Snapshot.routeMirrors`.
    public let mirrors: IndexRange
}

/// Where a rule sends requests, with a weight.
public struct RouteTarget: Sendable, BitwiseCopyable, Equatable {
    /// The cluster's index.
    public let cluster: Int
    /// In `Snapshot.subsets`; -1: all endpoints.
    public let subset: Int32
    /// Relative to the other targets of the rule.
    public let weight: Int
}

/// Who gets copies of a rule's requests.
public struct RouteMirror: Sendable, BitwiseCopyable, Equatable {
    /// The cluster's index.
    public let cluster: Int
    /// Of how many requests.
    public let share: RandomShare
}

/// Endpoints of one cluster that have some labels. One for each pair of cluster and labels that a rule names.
public struct SubsetRecord: Sendable, BitwiseCopyable, Equatable {
    /// The cluster's index.
    public let cluster: Int
    /// Among the subsets of its cluster; `Snapshot.subsetLabels` has what its endpoints must have.
    public let number: Int
    /// The same in every generation: of the cluster's slot and the labels. Never 0.
    public let identity: UInt64
}

/// What a rule is called in counters, logs and `explain`.
public enum RouteName: Hashable, Sendable, CustomStringConvertible {
    /// The rule's own `name`.
    case given(String)
    /// Its place: `<table>/<virtual host>/<rule>`, both from 0.
    case place(table: String, virtualHost: Int, rule: Int)

    /// The name of a rule.
    public init(_ rule: Configuration.Rule, table: String, virtualHost: Int, rule index: Int) {
        self = rule.name.map(Self.given) ?? .place(table: table, virtualHost: virtualHost, rule: index)
    }

    /// As it is shown.
    public var description: String {
        switch self {
        case .given(let name): name
        case .place(let table, let virtualHost, let rule): "\(table)/\(virtualHost)/\(rule)"
        }
    }
}
