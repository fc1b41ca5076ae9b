import Model

/// `route` of a rule.
extension ConfigurationReader {
    private static let forwardingKeys = [
        "cluster", "weightedClusters", "labels", "timeout", "retry", "retryNonIdempotent", "hashOn", "requestHeaders",
        "responseHeaders", "rewrite", "mirror",
    ]

    mutating func readForwarding(
        _ value: Value, _ match: Configuration.RequestMatch, _ table: String
    ) -> Configuration.Forwarding? {
        guard let fields = value.fields(Self.forwardingKeys) else { return nil }
        var forwarding = Configuration.Forwarding(targets: readTargets(fields, table))
        if let timeout = fields["timeout"]?.duration(.zero...(.seconds(86400))), timeout > .zero {
            forwarding.timeout = timeout
        }
        forwarding.retry = fields["retry"].flatMap(readRetry)
        forwarding.retriesNonIdempotent = fields["retryNonIdempotent"]?.boolean() ?? false
        forwarding.hashOn = fields["hashOn"].flatMap(readHashKey)
        if let changes = fields["requestHeaders"] { forwarding.requestHeaders = readHeaderChanges(changes) }
        if let changes = fields["responseHeaders"] { forwarding.responseHeaders = readHeaderChanges(changes) }
        if let rewrite = fields["rewrite"]?.fields(["prefix", "host"]) {
            forwarding.rewrite.prefix = rewrite["prefix"].flatMap { readNewPrefix($0, match) }
            forwarding.rewrite.host = rewrite["host"]?.host()
        }
        forwarding.mirrors = readMirrors(fields["mirror"], table)
        return forwarding
    }

    // MARK: where to

    private mutating func readTargets(_ fields: Fields, _ table: String) -> [Configuration.Target] {
        let labels = fields["labels"].map { ($0, readLabels($0)) }
        let present = fields.present(["cluster", "weightedClusters"])
        if let second = present.dropFirst().first {
            second.value.fail("stands beside \(present[0].name), expected one of cluster or weightedClusters")
        }
        guard let first = present.first else {
            fields.owner.fail("has no cluster, expected one of cluster or weightedClusters")
            return []
        }
        if first.name == "cluster" {
            guard let name = readRuleCluster(first.value, table) else { return [] }
            checkLabels(labels?.0, of: name)
            return [Configuration.Target(cluster: name, labels: labels?.1 ?? [:])]
        }
        return readWeightedClusters(first.value, labels?.1 ?? [:], table)
    }

    private mutating func readWeightedClusters(
        _ value: Value, _ common: [String: String], _ table: String
    ) -> [Configuration.Target] {
        guard let items = value.nonEmptyList("clusters with weights") else { return [] }
        var targets: [Configuration.Target] = []
        var weights = 0
        for item in items {
            guard let fields = item.fields(["cluster", "weight", "labels"]) else { continue }
            let weight = fields.required("weight", "a weight")?.integer(0...1_000_000)
            weights += weight ?? 1
            let labels = fields["labels"].map(readLabels) ?? [:]
            let name = fields.required("cluster", "a cluster's name").flatMap { readRuleCluster($0, table) }
            guard let name, let weight else { continue }
            checkLabels(fields["labels"], of: name)
            let all = common.merging(labels) { _, own in own }
            targets.append(Configuration.Target(cluster: name, weight: weight, labels: all))
        }
        if weights == 0 { value.fail("all weights are 0, expected one above 0") }
        return targets
    }

    /// A cluster that requests of a rule go to; remembered for those who use the table.
    private mutating func readRuleCluster(_ value: Value, _ table: String) -> String? {
        guard let name = clusters.resolve(value, .http) else { return nil }
        routes.add(RouteIndex.Use(cluster: name, position: value.position), to: table)
        return name
    }

    private func readLabels(_ value: Value) -> [String: String] {
        let fields = value.anyFields(expected: "a mapping of texts")?.all ?? []
        return Dictionary(fields.compactMap { field in field.value.text().map { (field.name, $0) } }) { first, _ in
            first
        }
    }

    private func checkLabels(_ value: Value?, of cluster: String) {
        guard let value, !clusters.hasEndpoints(cluster) else { return }
        value.fail("cluster \"\(cluster)\" goes to the original destination, which has no labels, expected none here")
    }

    private mutating func readMirrors(_ value: Value?, _ table: String) -> [Configuration.Mirror] {
        var mirrors: [Configuration.Mirror] = []
        for item in value?.list("clusters") ?? [] {
            guard let fields = item.fields(["cluster", "percent"]) else { continue }
            let share = fields["percent"]?.percentNumber()
            guard let value = fields.required("cluster", "a cluster's name"), let name = readRuleCluster(value, table)
            else { continue }
            mirrors.append(Configuration.Mirror(cluster: name, share: share ?? 1))
        }
        if mirrors.count > Self.mirrorsMax { value?.fail("has \(mirrors.count), expected \(Self.mirrorsMax) at most") }
        return mirrors
    }

    private static let mirrorsMax = 8

    private func readHashKey(_ value: Value) -> Configuration.HashKey? {
        let names = ["header", "cookie", "sourceAddress", "path"]
        guard let (name, text) = readChoice(value, names, Value.enumeration(names)) else { return nil }
        switch name {
        case "header": return text.headerName().map { .header($0) }
        case "cookie": return text.cookieName().map { .cookie($0) }
        default:
            guard let isSet = text.boolean() else { return nil }
            if !isSet { text.fail("is false, expected true: leave the key out otherwise") }
            return name == "path" ? .path : .sourceAddress
        }
    }

    // MARK: header fields

    private static let headerChangesMax = 64

    private func readHeaderChanges(_ value: Value) -> Configuration.HeaderChanges {
        var changes = Configuration.HeaderChanges()
        guard let fields = value.fields(["set", "add", "remove"]) else { return changes }
        changes.set = fields["set"].map(readHeaderFields) ?? []
        changes.add = fields["add"].map(readHeaderFields) ?? []
        changes.remove =
            fields["remove"]?.list("names of header fields")?.compactMap { $0.changeableHeaderName() } ?? []
        let count = changes.set.count + changes.add.count + changes.remove.count
        if count > Self.headerChangesMax {
            value.fail("has \(count) changes, expected \(Self.headerChangesMax) at most")
        }
        return changes
    }

    private func readHeaderFields(_ value: Value) -> [Configuration.HeaderChanges.Field] {
        var places: [String: Position] = [:]
        return (value.anyFields(expected: "a mapping of header fields")?.all ?? []).compactMap { field in
            let key = Value(
                node: DocumentNode(.scalar(field.name, isPlain: false), at: field.keyPosition), path: field.value.path,
                problems: problems)
            guard let name = key.changeableHeaderName(), let template = field.value.template() else { return nil }
            if let first = places.updateValue(field.keyPosition, forKey: name) {
                key.fail("\"\(name)\" is already at \(problems.place(first)), expected it once (case does not matter)")
            }
            return Configuration.HeaderChanges.Field(name: name, value: template)
        }
    }
}
