import HTTP
import Model
import Patterns

/// The route tables of one snapshot as workers read them: bare bits, nothing is allocated or counted. Good for as long as
/// its `RouteTables` lives.
public struct RouteView: Sendable, BitwiseCopyable {
    /// One record, which lists all others.
    @usableFromInline let all: RecordView<RouteRecordViews>

    /// No tables: nothing matches.
    public static let empty = RouteTables.empty.view

    /// A copy of the rule with this index.
    public func rule(_ index: Int) -> RuleRecord { rules[index] }

    /// The rule with this slot: an index for `rule`; nil when a reload has taken it away. For those who come with a slot
    /// from an older snapshot.
    public func index(slot: Int) -> Int? {
        guard slot >= 0, slot < rulesBySlot.count, rulesBySlot[slot] >= 0 else { return nil }
        return Int(rulesBySlot[slot])
    }

    /// The rule for a request: an index for `rule`; nil when no virtual host has its domain, or none of that one's rules
    /// matches (404).
    ///
    /// `table` is `HTTPListenerRecord.routeTable`. The path must be normalised. `scratch` is the calling thread's.
    public func find(table: Int, _ head: borrowing MessageHead, scratch: inout PatternScratch) -> Int? {
        guard tables.indices.contains(table), let host = virtualHost(tables[table], table, head) else { return nil }
        scratch.begin()
        return firstRule(host, head, &scratch)
    }

    /// The same with memory of its own, should patterns need some.
    public func find(table: Int, _ head: borrowing MessageHead) -> Int? {
        var scratch = PatternScratch()
        return find(table: table, head, scratch: &scratch)
    }

    /// Whether the filter with this index (in `Snapshot.filters`) is for this request.
    public func applies(filter: Int, _ head: borrowing MessageHead, scratch: inout PatternScratch) -> Bool {
        let match = filterMatches[filter]
        if match.isAny { return true }
        scratch.begin()
        return holds(match.match, Request(head), head, &scratch)
    }
}

extension RouteView {
    /// The first rule of a virtual host that matches.
    ///
    /// Candidates come in lists, each ascending: one for every path prefix of the host that the path begins with, one for the
    /// path itself, and the rules that are in no index. Each list is walked until a rule matches or is behind the best so
    /// far, so the result is the first rule in the order of the configuration, wherever that rule stands.
    private func firstRule(_ host: Int, _ head: borrowing MessageHead, _ scratch: inout PatternScratch) -> Int? {
        let record = hosts[host]
        let request = Request(head)
        let path = head.bytes(request.path)
        var best = Int.max
        var hash = TextHash()
        var length = 0
        for index in record.prefixLengths.indices {
            let next = Int(lengths[index])
            if next > path.count { break }
            while length < next {
                hash.append(path[length])
                length &+= 1
            }
            let key = hash.key(scope: host, kind: PathKind.prefix)
            guard let list = pathList(key, host, PathKind.prefix, path, length) else { continue }
            first(of: list, below: &best, request, head, &scratch)
        }
        if path.count <= Int(record.exactBytesMax) {
            while length < path.count {
                hash.append(path[length])
                length &+= 1
            }
            let key = hash.key(scope: host, kind: PathKind.exact)
            if let list = pathList(key, host, PathKind.exact, path, length) {
                first(of: list, below: &best, request, head, &scratch)
            }
        }
        first(of: record.unindexed, below: &best, request, head, &scratch)
        return best == .max ? nil : best
    }

    private func first(
        of list: IndexRange, below best: inout Int, _ request: Request, _ head: borrowing MessageHead,
        _ scratch: inout PatternScratch
    ) {
        for place in list.indices {
            let rule = Int(postings[place])
            if rule >= best { return }
            if holds(matches[rule], request, head, &scratch) {
                best = rule
                return
            }
        }
    }

    private func pathList(
        _ hash: UInt64, _ host: Int, _ kind: UInt8, _ path: borrowing Span<UInt8>, _ length: Int
    ) -> IndexRange? {
        let mask = pathIndex.count - 1
        guard mask >= 0 else { return nil }
        var place = Int(truncatingIfNeeded: hash) & mask
        while pathIndex[place].isUsed {
            let entry = pathIndex[place]
            if entry.hash == hash, entry.scope == Int32(truncatingIfNeeded: host), entry.kind == kind,
                entry.text.count == length, equal(entry.text, path, 0, length)
            {
                return entry.value
            }
            place = (place &+ 1) & mask
        }
        return nil
    }
}

/// Kinds of paths in `RouteView.pathIndex`.
enum PathKind {
    static let prefix: UInt8 = 1
    static let exact: UInt8 = 2
}

/// What matching asks of a request again and again.
struct Request: BitwiseCopyable {
    /// Without the query; none for CONNECT.
    let path: ByteRange
    /// Without the question mark; none when there is none.
    let query: ByteRange
    /// The bit of the method.
    let methodBit: UInt16

    init(_ head: borrowing MessageHead) {
        methodBit = 1 &<< UInt16(head.method.rawValue)
        let target = head.path
        let end = UInt32(truncatingIfNeeded: head.pathCount)
        guard end < target.count else {
            path = target
            query = .none
            return
        }
        path = ByteRange(start: target.start, count: end)
        query = ByteRange(start: target.start &+ end &+ 1, count: target.count &- end &- 1)
    }
}
