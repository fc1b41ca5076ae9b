import HTTP
import Model

// MARK: what rules do

extension RouteCompiler {
    mutating func record(_ rule: Configuration.Rule, _ links: RouteLinks) -> RuleRecord {
        var record = RuleRecord(
            slot: Int(links.slot), filters: links.filters, targets: links.targets, mirrors: links.mirrors)
        record.isImplicit = rule.isImplicit
        switch rule.action {
        case .forward(let forwarding): fill(&record, forwarding, rule.match.path)
        case .respond(let status, let body):
            record.action = .respond(status: status)
            record.body = texts.add(body)
        case .redirect(let redirect):
            record.action = .redirect(status: redirect.status)
            record.scheme = texts.add(redirect.scheme ?? "")
            record.host = texts.add(redirect.host ?? "")
            record.path = pathEdit(prefix: redirect.prefix, whole: redirect.path, rule.match.path)
        }
        return record
    }

    private mutating func fill(
        _ record: inout RuleRecord, _ forwarding: Configuration.Forwarding, _ path: Configuration.RequestMatch.Path?
    ) {
        record.timeout = forwarding.timeout?.nanoseconds ?? 0
        record.retry = forwarding.retry
        record.retryNonIdempotent = forwarding.retriesNonIdempotent
        record.weights = record.targets.indices.reduce(0) { $0 + UInt64(max(0, targets[$1].weight)) }
        switch forwarding.hashOn {
        case .header(let name): (record.hashKey, record.hashName) = (.header, texts.add(name))
        case .cookie(let name): (record.hashKey, record.hashName) = (.cookie, texts.add(name))
        case .sourceAddress: record.hashKey = .sourceAddress
        case .path: record.hashKey = .path
        case nil: break
        }
        record.path = pathEdit(prefix: forwarding.rewrite.prefix, whole: nil, path)
        record.host = texts.add(forwarding.rewrite.host ?? "")
        record.requestEdits = add(forwarding.requestHeaders)
        record.responseEdits = add(forwarding.responseHeaders)
        record.hasRequestEdits =
            !record.requestEdits.isEmpty || record.path.kind != .none || !record.host.isEmpty
        record.hasResponseEdits = !record.responseEdits.isEmpty
    }

    private mutating func pathEdit(
        prefix: String?, whole: String?, _ match: Configuration.RequestMatch.Path?
    ) -> PathEdit {
        var edit = PathEdit()
        guard let text = prefix ?? whole else { return edit }
        edit.text = texts.add(text)
        edit.kind = .whole
        // In place of an exact path the prefix is all of it.
        if prefix != nil, case .prefix(let matched) = match {
            edit.kind = .prefix
            edit.matchedBytes = UInt32(matched.utf8.count)
            edit.matchedSlash = matched.hasSuffix("/")
        }
        return edit
    }

    private mutating func add(_ changes: Configuration.HeaderChanges) -> IndexRange {
        let first = edits.count
        for name in changes.remove {
            edits.append(
                EditRecord(
                    operation: .remove, known: HeaderName(named: name), name: texts.add(name), parts: .empty,
                    valueBytesMax: 0))
        }
        for field in changes.set { add(field, .set) }
        for field in changes.add { add(field, .add) }
        return IndexRange(first..<edits.count)
    }

    private mutating func add(_ field: Configuration.HeaderChanges.Field, _ operation: EditRecord.Operation) {
        let first = parts.count
        var bytesMax = 0
        for part in field.value.parts {
            switch part {
            case .text(let text):
                parts.append(EditPart(text: texts.add(text), variable: nil))
                bytesMax += text.utf8.count
            case .variable(let variable):
                variables.insert(variable)
                parts.append(EditPart(text: .empty, variable: variable))
                bytesMax += ValueWriter.variableBytesMax
            }
        }
        edits.append(
            EditRecord(
                operation: operation, known: HeaderName(named: field.name), name: texts.add(field.name),
                parts: IndexRange(first..<parts.count), valueBytesMax: Int32(clamping: bytesMax)))
    }
}

// MARK: names for variables

extension RouteCompiler {
    mutating func addNames(_ snapshot: Snapshot) {
        let configuration = snapshot.configuration
        if variables.contains(.host) { names.host = texts.add(configuration.node.name) }
        if variables.contains(.pod) || variables.contains(.destinationPod) {
            add(SlotNames.unknownPod, snapshot.pods[Snapshot.unknownPod].slot, \.pods)
            for (index, pod) in configuration.pods.enumerated() {
                add(pod.name, snapshot.pods[index + 1].slot, \.pods)
            }
            for host in snapshot.hosts {
                add(SlotNames.unknownPod, snapshot.pods[host.unknownPod].slot, \.pods)
            }
        }
        if variables.contains(.cluster) {
            add("passthrough", snapshot.clusters[Snapshot.passthroughCluster].slot, \.clusters)
            for (index, cluster) in configuration.clusters.enumerated() {
                add(cluster.name, snapshot.clusters[index + 1].slot, \.clusters)
            }
        }
        if variables.contains(.listener) {
            add(SlotNames.outboundListener, Snapshot.outboundListenerSlot, \.listeners)
            add(SlotNames.inboundListener, Snapshot.inboundListenerSlot, \.listeners)
            let byAddress = Dictionary(
                configuration.listeners.map { ($0.address, $0.name) }, uniquingKeysWith: { first, _ in first })
            for listener in snapshot.listeners { add(byAddress[listener.address] ?? "", listener.slot, \.listeners) }
        }
        if variables.contains(.route) { addRouteNames(snapshot) }
    }

    private mutating func addRouteNames(_ snapshot: Snapshot) {
        var index = 0
        for table in snapshot.routeTables {
            for (host, virtualHost) in table.virtualHosts.enumerated() {
                for (number, rule) in virtualHost.rules.enumerated() {
                    let name = RouteName(rule, table: table.name, virtualHost: host, rule: number)
                    add(name.description, Int(snapshot.routeLinks[index].slot), \.routes)
                    index += 1
                }
            }
        }
    }

    private mutating func add(_ name: String, _ slot: Int, _ list: WritableKeyPath<Names, [IndexRange]>) {
        let missing = slot + 1 - names[keyPath: list].count
        if missing > 0 { names[keyPath: list] += Array(repeating: .empty, count: missing) }
        names[keyPath: list][slot] = texts.add(name)
    }
}
