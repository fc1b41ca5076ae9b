import Model
import Patterns

/// Where the records of compiled route tables lie. `RouteView` finds it in one place: it is half a kilobyte, too much to
/// be copied for each call.
@usableFromInline struct RouteRecordViews: Sendable, BitwiseCopyable {
    let tables: RecordView<TableRecord>
    let hosts: RecordView<HostRecord>
    let matches: RecordView<MatchRecord>
    let conditions: RecordView<ConditionRecord>
    /// By index. Who wants one field of a rule reads it here: a rule is half a kilobyte.
    @usableFromInline let rules: RecordView<RuleRecord>
    let rulesBySlot: RecordView<Int32>
    /// Open addressing; see `HashIndex`.
    let domainIndex, pathIndex: RecordView<HashIndex.Entry>
    /// Rules, ascending, in lists that index entries and hosts name.
    let postings: RecordView<UInt32>
    let lengths: RecordView<UInt16>
    let patterns: RecordView<PatternHandle>
    let words: RecordView<IndexRange>
    let texts: RecordView<UInt8>
    let edits: RecordView<EditRecord>
    let parts: RecordView<EditPart>
    let targets: RecordView<RouteTarget>
    let mirrorRecords: RecordView<RouteMirror>
    /// By filter: whom it is for.
    let filterMatches: RecordView<FilterMatch>
    let names: NameView
}

extension RouteView {
    @inline(__always) var tables: RecordView<TableRecord> { all[0].tables }
    @inline(__always) var hosts: RecordView<HostRecord> { all[0].hosts }
    @inline(__always) var matches: RecordView<MatchRecord> { all[0].matches }
    @inline(__always) var conditions: RecordView<ConditionRecord> { all[0].conditions }
    /// By index. Who wants one field of a rule reads it here: a rule is large.
    @inlinable public var rules: RecordView<RuleRecord> { all[0].rules }
    @inline(__always) var rulesBySlot: RecordView<Int32> { all[0].rulesBySlot }
    @inline(__always) var domainIndex: RecordView<HashIndex.Entry> { all[0].domainIndex }
    @inline(__always) var pathIndex: RecordView<HashIndex.Entry> { all[0].pathIndex }
    @inline(__always) var postings: RecordView<UInt32> { all[0].postings }
    @inline(__always) var lengths: RecordView<UInt16> { all[0].lengths }
    @inline(__always) var patterns: RecordView<PatternHandle> { all[0].patterns }
    @inline(__always) var words: RecordView<IndexRange> { all[0].words }
    @inline(__always) var texts: RecordView<UInt8> { all[0].texts }
    @inline(__always) var edits: RecordView<EditRecord> { all[0].edits }
    @inline(__always) var parts: RecordView<EditPart> { all[0].parts }
    @inline(__always) var targets: RecordView<RouteTarget> { all[0].targets }
    @inline(__always) var mirrorRecords: RecordView<RouteMirror> { all[0].mirrorRecords }
    @inline(__always) var filterMatches: RecordView<FilterMatch> { all[0].filterMatches }
    @inline(__always) var names: NameView { all[0].names }
}
