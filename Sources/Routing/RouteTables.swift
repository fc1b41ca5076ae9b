import Model
import Patterns

/// The route tables of a snapshot, compiled. Immutable and shared like the snapshot it belongs to: built on the control
/// side, kept by workers, who read it through `view`.
public final class RouteTables: Sendable {
    private let patterns: [Pattern]
    private let storage: Storage
    /// One record: where those of `storage` lie.
    private let views: RecordTable<RouteRecordViews>
    /// What was compiled, for explanations.
    let sources: [Configuration.RouteTable]
    /// For workers; good for as long as this object lives.
    public let view: RouteView

    /// What the view points into.
    private struct Storage: Sendable {
        let tables: RecordTable<TableRecord>
        let hosts: RecordTable<HostRecord>
        let matches: RecordTable<MatchRecord>
        let conditions: RecordTable<ConditionRecord>
        let rules: RecordTable<RuleRecord>
        let rulesBySlot: RecordTable<Int32>
        let domainIndex, pathIndex: RecordTable<HashIndex.Entry>
        let postings: RecordTable<UInt32>
        let lengths: RecordTable<UInt16>
        let patterns: RecordTable<PatternHandle>
        let words: RecordTable<IndexRange>
        let texts: RecordTable<UInt8>
        let edits: RecordTable<EditRecord>
        let parts: RecordTable<EditPart>
        let targets: RecordTable<RouteTarget>
        let mirrors: RecordTable<RouteMirror>
        let filterMatches: RecordTable<FilterMatch>
        let pods, clusters, listeners, routes: RecordTable<IndexRange>
    }

    /// No tables.
    static let empty = RouteTables(RouteCompiler(), sources: [])

    /// Compiles the route tables of `snapshot`, whose configuration has passed validation: patterns that do not compile
    /// match nothing.
    public convenience init(_ snapshot: Snapshot) {
        var compiler = RouteCompiler()
        compiler.add(snapshot)
        self.init(compiler, sources: snapshot.routeTables)
    }

    init(_ compiler: RouteCompiler, sources: [Configuration.RouteTable]) {
        self.sources = sources
        patterns = compiler.patterns
        storage = Storage(
            tables: RecordTable(compiler.tables), hosts: RecordTable(compiler.hosts),
            matches: RecordTable(compiler.matches), conditions: RecordTable(compiler.conditions),
            rules: RecordTable(compiler.rules), rulesBySlot: RecordTable(Self.bySlot(compiler.rules)),
            domainIndex: RecordTable(HashIndex.places(compiler.domainEntries)),
            pathIndex: RecordTable(HashIndex.places(compiler.pathEntries)), postings: RecordTable(compiler.postings),
            lengths: RecordTable(compiler.lengths), patterns: RecordTable(compiler.patterns.map(\.handle)),
            words: RecordTable(compiler.words), texts: RecordTable(compiler.texts.bytes),
            edits: RecordTable(compiler.edits), parts: RecordTable(compiler.parts),
            targets: RecordTable(compiler.targets), mirrors: RecordTable(compiler.mirrors),
            filterMatches: RecordTable(compiler.filterMatches), pods: RecordTable(compiler.names.pods),
            clusters: RecordTable(compiler.names.clusters), listeners: RecordTable(compiler.names.listeners),
            routes: RecordTable(compiler.names.routes))
        let views = RouteRecordViews(
            tables: storage.tables.view, hosts: storage.hosts.view, matches: storage.matches.view,
            conditions: storage.conditions.view, rules: storage.rules.view,
            rulesBySlot: storage.rulesBySlot.view, domainIndex: storage.domainIndex.view,
            pathIndex: storage.pathIndex.view, postings: storage.postings.view, lengths: storage.lengths.view,
            patterns: storage.patterns.view, words: storage.words.view, texts: storage.texts.view,
            edits: storage.edits.view, parts: storage.parts.view, targets: storage.targets.view,
            mirrorRecords: storage.mirrors.view, filterMatches: storage.filterMatches.view,
            names: NameView(
                pods: storage.pods.view, clusters: storage.clusters.view, listeners: storage.listeners.view,
                routes: storage.routes.view, host: compiler.names.host))
        self.views = RecordTable([views])
        view = RouteView(all: self.views.view)
    }

    /// By slot: the index of the rule that has it, -1 for none.
    private static func bySlot(_ rules: [RuleRecord]) -> [Int32] {
        var indices = [Int32](repeating: -1, count: (rules.lazy.map(\.slot).max() ?? -1) + 1)
        for (index, rule) in rules.enumerated() where rule.slot >= 0 { indices[rule.slot] = Int32(index) }
        return indices
    }
}
