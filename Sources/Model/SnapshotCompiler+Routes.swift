extension SnapshotCompiler {
    /// A place in the configuration that has a rate limit.
    struct RateLimitKey: Hashable, Sendable {
        let place: String
        let index: Int
    }

    /// What a label set of a cluster is found by.
    struct SubsetKey: Hashable, Sendable {
        let cluster: Int
        let labels: [String: String]
    }

    /// HTTP without filters is the same at many entries: they share a record.
    struct HTTPKey: Hashable, Sendable {
        let routeTable: Int32
        let direction: ConnectionDirection
        let protocolKind: Configuration.TrafficProtocol
    }

    /// What routes add to a snapshot.
    struct RouteParts: Sendable {
        var tables: [Configuration.RouteTable] = []
        var tableIndexByName: [String: Int32] = [:]
        var implicitTableByCluster: [String: Int32] = [:]
        var links: [RouteLinks] = []
        var targets: [RouteTarget] = []
        var mirrors: [RouteMirror] = []
        var subsets: [SubsetRecord] = []
        var subsetLabels: [Int: [[String: String]]] = [:]
        var subsetByKey: [SubsetKey: Int32] = [:]
        var filters: [FilterRecord] = []
        var filterMatches: [Configuration.RequestMatch] = []
        var httpListeners: [HTTPListenerRecord] = []
        var http2Limits: [Configuration.HTTP2Limits] = []
        var httpByKey: [HTTPKey: Int32] = [:]
    }

    /// The route tables of the configuration. Clusters have been added.
    mutating func addRoutes(to parts: inout Parts) throws(TooMany) {
        for table in parts.configuration.routes { try addTable(table, to: &parts) }
    }

    private mutating func addTable(_ table: Configuration.RouteTable, to parts: inout Parts) throws(TooMany) {
        parts.routes.tableIndexByName[table.name] = Int32(parts.routes.tables.count)
        parts.routes.tables.append(table)
        for (host, virtualHost) in table.virtualHosts.enumerated() {
            for (index, rule) in virtualHost.rules.enumerated() {
                try addRule(rule, RouteName(rule, table: table.name, virtualHost: host, rule: index), to: &parts)
            }
        }
    }

    private mutating func addRule(
        _ rule: Configuration.Rule, _ name: RouteName, to parts: inout Parts
    ) throws(TooMany) {
        let slot = try routeSlot(name, &parts)
        let filters = try addFilters(rule.filters, place: "route \(name)", to: &parts)
        let firstTarget = parts.routes.targets.count
        let firstMirror = parts.routes.mirrors.count
        if case .forward(let forwarding) = rule.action {
            for target in forwarding.targets {
                // Validation has refused unknown names; without a target a request is answered with 503.
                guard let cluster = parts.clusterIndexByName[target.cluster] else { continue }
                let subset = parts.subset(cluster, target.labels)
                parts.routes.targets.append(RouteTarget(cluster: cluster, subset: subset, weight: target.weight))
            }
            for mirror in forwarding.mirrors {
                guard let cluster = parts.clusterIndexByName[mirror.cluster] else { continue }
                parts.routes.mirrors.append(RouteMirror(cluster: cluster, share: RandomShare(mirror.share)))
            }
        }
        parts.routes.links.append(
            RouteLinks(
                slot: Int32(slot), filters: filters,
                targets: IndexRange(firstTarget..<parts.routes.targets.count),
                mirrors: IndexRange(firstMirror..<parts.routes.mirrors.count)))
    }

    private mutating func routeSlot(_ name: RouteName, _ parts: inout Parts) throws(TooMany) -> Int {
        let words = shared.routeRequests
        let given = routeSlots.slot(
            for: name, generation: generation, oldestGenerationInUse: oldestGenerationInUse
        ) { words.loadAcquiring($0) == 0 }
        guard let given else { throw TooMany(description: "routes: more than \(SlotLimits.routes)") }
        words.reserve(given.slot)
        if given.isFresh {
            parts.freshSlots.routes.append(given.slot)
            names.set(.route, given.slot, name.description)
        }
        return given.slot
    }

    private mutating func addFilters(
        _ filters: [Configuration.Filter], place: @autoclosure () -> String, to parts: inout Parts
    ) throws(TooMany) -> IndexRange {
        let first = parts.routes.filters.count
        for (index, filter) in filters.enumerated() {
            switch filter.kind {
            case .fault(let fault): parts.routes.filters.append(.fault(FaultRecord(fault)))
            case .localRateLimit(let limit):
                let slot = try rateSlot(RateLimitKey(place: place(), index: index))
                parts.routes.filters.append(.localRateLimit(RateLimitRecord(limit, slot: slot)))
            }
            parts.routes.filterMatches.append(filter.match)
        }
        return IndexRange(first..<parts.routes.filters.count)
    }

    private mutating func rateSlot(_ key: RateLimitKey) throws(TooMany) -> Int {
        // Nothing outlives its snapshot here: a request takes its token at once.
        let given = rateSlots.slot(
            for: key, generation: generation, oldestGenerationInUse: oldestGenerationInUse
        ) { _ in true }
        guard let given else { throw TooMany(description: "rate limits: more than \(SlotLimits.rateBuckets)") }
        shared.rateBuckets.reserve(given.slot)
        if given.isFresh { shared.rateBuckets.store(0, at: given.slot) }
        return given.slot
    }
}

// MARK: where HTTP is spoken

extension SnapshotCompiler {
    /// The HTTP record of a table entry; -1: its connections are bytes. `place` names the entry over reloads.
    mutating func http(
        _ entry: Configuration.TableEntry, _ direction: ConnectionDirection, place: @autoclosure () -> String,
        to parts: inout Parts
    ) throws(TooMany) -> Int32 {
        guard entry.protocolKind.mayBeHTTP, entry.action != .deny else { return -1 }
        var cluster = "passthrough"
        if case .cluster(let name) = entry.action { cluster = name }
        let table = try routeTable(named: entry.routes, cluster: cluster, &parts)
        let key = HTTPKey(routeTable: table, direction: direction, protocolKind: entry.protocolKind)
        if entry.filters.isEmpty, let known = parts.routes.httpByKey[key] { return known }
        let index = Int32(parts.routes.httpListeners.count)
        let filters = try addFilters(entry.filters, place: place(), to: &parts)
        parts.routes.httpListeners.append(
            HTTPListenerRecord(
                routeTable: table, filters: filters, direction: direction, protocolKind: entry.protocolKind,
                limits: parts.configuration.limits.http))
        if entry.filters.isEmpty { parts.routes.httpByKey[key] = index }
        return index
    }

    /// The HTTP record of an ordinary listener; -1: its connections are bytes.
    mutating func http(_ listener: Configuration.Listener, to parts: inout Parts) throws(TooMany) -> Int32 {
        guard listener.protocolKind.mayBeHTTP else { return -1 }
        let table = try routeTable(named: listener.routes, cluster: listener.cluster ?? "", &parts)
        let filters = try addFilters(listener.filters, place: "listener \(listener.name)", to: &parts)
        var record = HTTPListenerRecord(
            routeTable: table, filters: filters, direction: .listener, protocolKind: listener.protocolKind,
            limits: listener.limits ?? parts.configuration.limits.http)
        if let limits = listener.limits, limits.http2 != parts.configuration.limits.http.http2 {
            parts.routes.http2Limits.append(limits.http2)
            record.http2 = Int32(parts.routes.http2Limits.count)
        }
        record.requestId = listener.requestId
        record.forwardedFor = listener.forwardedFor
        record.trustedHops = listener.trustedHops
        parts.routes.httpListeners.append(record)
        return Int32(parts.routes.httpListeners.count - 1)
    }

    /// The table with this name, or else the one rule that sends everything to the cluster.
    private mutating func routeTable(
        named name: String?, cluster: String, _ parts: inout Parts
    ) throws(TooMany) -> Int32 {
        if let name, let index = parts.routes.tableIndexByName[name] { return index }
        if let index = parts.routes.implicitTableByCluster[cluster] { return index }
        let index = Int32(parts.routes.tables.count)
        let label = "cluster:\(cluster)"
        let rule = Configuration.Rule(
            name: label, action: .forward(Configuration.Forwarding(targets: [.init(cluster: cluster)])),
            isImplicit: true)
        let table = Configuration.RouteTable(
            name: label, virtualHosts: [Configuration.VirtualHost(domains: [.any], rules: [rule])])
        let known = parts.routes.tableIndexByName[label]
        try addTable(table, to: &parts)
        // A table of the configuration keeps its name, whatever it is.
        parts.routes.tableIndexByName[label] = known
        parts.routes.implicitTableByCluster[cluster] = index
        return index
    }
}

extension SnapshotCompiler.Parts {
    /// The subset of a cluster's endpoints that have these labels; -1: all of them.
    fileprivate mutating func subset(_ cluster: Int, _ labels: [String: String]) -> Int32 {
        guard !labels.isEmpty else { return -1 }
        let key = SnapshotCompiler.SubsetKey(cluster: cluster, labels: labels)
        if let known = routes.subsetByKey[key] { return known }
        let index = Int32(routes.subsets.count)
        let number = routes.subsetLabels[cluster]?.count ?? 0
        let identity = Self.identity(clusters[cluster].slot, labels)
        routes.subsets.append(SubsetRecord(cluster: cluster, number: number, identity: identity))
        routes.subsetLabels[cluster, default: []].append(labels)
        routes.subsetByKey[key] = index
        return index
    }

    /// 64 bits under the process's own key: that two of a configuration meet takes billions of them.
    private static func identity(_ clusterSlot: Int, _ labels: [String: String]) -> UInt64 {
        var hasher = Hasher()
        hasher.combine(clusterSlot)
        hasher.combine(labels)
        return max(1, UInt64(bitPattern: Int64(hasher.finalize())))
    }
}
