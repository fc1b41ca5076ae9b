import HTTP
import Model
import Patterns

/// Lays the route tables of a snapshot out as flat arrays, on the control side.
struct RouteCompiler {
    var tables: [TableRecord] = []
    var hosts: [HostRecord] = []
    var matches: [MatchRecord] = []
    var conditions: [ConditionRecord] = []
    var rules: [RuleRecord] = []
    var domainEntries: [HashIndex.Entry] = []
    var pathEntries: [HashIndex.Entry] = []
    var postings: [UInt32] = []
    var lengths: [UInt16] = []
    var patterns: [Pattern] = []
    var words: [IndexRange] = []
    var texts = TextPool()
    var edits: [EditRecord] = []
    var parts: [EditPart] = []
    var targets: [RouteTarget] = []
    var mirrors: [RouteMirror] = []
    var filterMatches: [FilterMatch] = []
    var names = Names()
    private var patternByText: [String: Int32] = [:]
    /// Variables that some template has: the names of thousands of pods are only kept when somebody asks for them.
    var variables: Set<HeaderTemplate.Variable> = []

    /// By slot.
    struct Names {
        var pods: [IndexRange] = []
        var clusters: [IndexRange] = []
        var listeners: [IndexRange] = []
        var routes: [IndexRange] = []
        var host = IndexRange.empty
    }

    /// The rules of one virtual host by path.
    private struct PathLists {
        var prefixes: [String: [UInt32]] = [:]
        var exacts: [String: [UInt32]] = [:]
        var unindexed: [UInt32] = []
    }

    mutating func add(_ snapshot: Snapshot) {
        targets = Array(snapshot.routeTargets)
        mirrors = Array(snapshot.routeMirrors)
        for (index, table) in snapshot.routeTables.enumerated() { add(table, index, snapshot.routeLinks) }
        snapshot.filterMatches.forEach { add($0) }
        addNames(snapshot)
    }

    /// The conditions of a filter.
    mutating func add(_ match: Configuration.RequestMatch) {
        filterMatches.append(FilterMatch(match: record(match, withPath: true), isAny: match.isAny))
    }

    // MARK: tables and virtual hosts

    private mutating func add(_ table: Configuration.RouteTable, _ index: Int, _ links: RecordTable<RouteLinks>) {
        var record = TableRecord()
        let firstHost = hosts.count
        var (suffixes, prefixes): (Set<Int>, Set<Int>) = ([], [])
        for virtualHost in table.virtualHosts {
            for domain in virtualHost.domains {
                if domain.kind == .exact { record.hasExact = true }
                if domain.kind == .suffix { suffixes.insert(domain.text.utf8.count) }
                if domain.kind == .prefix { prefixes.insert(domain.text.utf8.count) }
                add(domain, table: index, host: hosts.count)
            }
            add(virtualHost, links)
        }
        record.hosts = IndexRange(firstHost..<hosts.count)
        record.suffixLengths = add(lengths: suffixes)
        record.prefixLengths = add(lengths: prefixes)
        tables.append(record)
    }

    private mutating func add(_ domain: Domain, table: Int, host: Int) {
        var hash = TextHash()
        let bytes = Array(domain.text.utf8)
        // Suffixes are found from the end of the host.
        for byte in domain.kind == .suffix ? bytes.reversed() : bytes { hash.append(byte) }
        let port = domain.port ?? 0
        domainEntries.append(
            HashIndex.Entry(
                hash: hash.key(scope: table, kind: domain.kind.rawValue, port: port), text: texts.add(domain.text),
                scope: Int32(table), port: port, kind: domain.kind.rawValue, value: IndexRange(host..<host + 1)))
    }

    private mutating func add(_ virtualHost: Configuration.VirtualHost, _ links: RecordTable<RouteLinks>) {
        let host = hosts.count
        let firstRule = rules.count
        var lists = PathLists()
        for rule in virtualHost.rules {
            let number = UInt32(rules.count)
            switch rule.match.path {
            case .prefix(let text): lists.prefixes[text, default: []].append(number)
            case .exact(let text): lists.exacts[text, default: []].append(number)
            case .regex, nil: lists.unindexed.append(number)
            }
            matches.append(record(rule.match, withPath: false))
            rules.append(record(rule, links[rules.count]))
        }
        var record = HostRecord()
        record.rules = IndexRange(firstRule..<rules.count)
        record.unindexed = add(postings: lists.unindexed)
        for (text, list) in lists.prefixes { addPath(text, list, PathKind.prefix, host) }
        for (text, list) in lists.exacts {
            record.exactBytesMax = max(record.exactBytesMax, Int32(text.utf8.count))
            addPath(text, list, PathKind.exact, host)
        }
        record.prefixLengths = add(lengths: Set(lists.prefixes.keys.lazy.map(\.utf8.count)))
        hosts.append(record)
    }

    private mutating func addPath(_ text: String, _ list: [UInt32], _ kind: UInt8, _ host: Int) {
        var hash = TextHash()
        for byte in text.utf8 { hash.append(byte) }
        pathEntries.append(
            HashIndex.Entry(
                hash: hash.key(scope: host, kind: kind), text: texts.add(text), scope: Int32(host), kind: kind,
                value: add(postings: list)))
    }

    private mutating func add(postings list: [UInt32]) -> IndexRange {
        let first = postings.count
        postings += list
        return IndexRange(first..<postings.count)
    }

    private mutating func add(lengths set: Set<Int>) -> IndexRange {
        let first = lengths.count
        lengths += set.sorted().map { UInt16(clamping: $0) }
        return IndexRange(first..<lengths.count)
    }

    // MARK: conditions

    /// The conditions of a match; that on the path only where no index tells it.
    private mutating func record(_ match: Configuration.RequestMatch, withPath: Bool) -> MatchRecord {
        let first = conditions.count
        var methods = MatchRecord.anyMethod
        if !match.methods.isEmpty {
            methods = 0
            let firstWord = words.count
            for name in match.methods {
                let method = Method(named: name)
                methods |= 1 << UInt16(method.rawValue)
                if method == .other { words.append(texts.add(name)) }
            }
            if words.count > firstWord {
                conditions.append(
                    ConditionRecord(subject: .method, test: .oneOf, value: IndexRange(firstWord..<words.count)))
            }
        }
        add(match.path, withPath: withPath)
        for header in match.headers {
            let known = HeaderName(named: header.name)
            add(header, ConditionRecord(subject: known == .host ? .host : .header, test: .present, known: known))
        }
        for parameter in match.query { add(parameter, ConditionRecord(subject: .query, test: .present)) }
        return MatchRecord(methods: methods, conditions: IndexRange(first..<conditions.count))
    }

    private mutating func add(_ path: Configuration.RequestMatch.Path?, withPath: Bool) {
        var record = ConditionRecord(subject: .path, test: .exact)
        switch path {
        case .exact(let text) where withPath: record.value = texts.add(text)
        case .prefix(let text) where withPath:
            record.test = .prefix
            record.value = texts.add(text)
        case .regex(let text):
            record.test = .regex
            record.pattern = pattern(text)
        case .exact, .prefix, nil: return
        }
        conditions.append(record)
    }

    private mutating func add(_ match: Configuration.ValueMatch, _ start: ConditionRecord) {
        var record = start
        record.name = texts.add(match.name)
        switch match.test {
        case .exact(let text):
            record.test = .exact
            record.value = texts.add(text)
        case .prefix(let text):
            record.test = .prefix
            record.value = texts.add(text)
        case .regex(let text):
            record.test = .regex
            record.pattern = pattern(text)
        case .present: record.test = .present
        case .absent: record.test = .absent
        }
        conditions.append(record)
    }

    private mutating func pattern(_ text: String) -> Int32 {
        if let known = patternByText[text] { return known }
        // Validation has refused what does not compile; `(*F)` matches nothing.
        guard let pattern = (try? Pattern(text)) ?? (try? Pattern("(*F)")) else { return -1 }
        patterns.append(pattern)
        let index = Int32(patterns.count - 1)
        patternByText[text] = index
        return index
    }
}

extension Method {
    /// `other` for names that have no case of their own.
    init(named name: String) {
        let names: [(String, Method)] = [
            ("GET", .get), ("HEAD", .head), ("POST", .post), ("PUT", .put), ("DELETE", .delete), ("CONNECT", .connect),
            ("OPTIONS", .options), ("TRACE", .trace), ("PATCH", .patch),
        ]
        self = names.first { $0.0 == name }?.1 ?? .other
    }
}

extension HeaderName {
    private static let byText = Dictionary(
        uniqueKeysWithValues: allCases.filter { $0 != .other }.map { ("\($0.text)", $0) })

    /// `other` for names that have no case of their own.
    init(named name: String) { self = Self.byText[name] ?? .other }
}
