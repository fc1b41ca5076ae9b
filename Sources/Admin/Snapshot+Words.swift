import Model

extension Snapshot {
    /// The name of the pod with this index.
    func podName(_ index: Int) -> String {
        podConfiguration(index)?.name ?? SlotNames.unknownPod
    }

    /// The name of the cluster with this index.
    func clusterName(_ index: Int) -> String {
        index == Self.passthroughCluster ? "passthrough" : configuration.clusters[index - 1].name
    }

    /// Where the endpoints of the cluster with this index come from.
    func discoveryWord(_ index: Int) -> String {
        guard index != Self.passthroughCluster else { return "originalDestination" }
        switch configuration.clusters[index - 1].discovery {
        case .endpoints: return "static"
        case .originalDestination: return "originalDestination"
        case .dns: return "dns"
        }
    }

    /// What the configuration says of the pod with this index; nil for an `unknown` one.
    func podConfiguration(_ index: Int) -> Configuration.Pod? {
        // The listed ones, in their order, lie between this host's `unknown` and those of protected hosts.
        configuration.pods.indices.contains(index - 1) ? configuration.pods[index - 1] : nil
    }

    /// An entry's match and action in words.
    func words(_ entry: EntryRecord) -> TableEntryView {
        var parts: [String] = []
        if !entry.cidrs.isEmpty {
            parts.append("cidrs " + entry.cidrs.indices.map { cidrs[$0].description }.joined(separator: ", "))
        }
        if !entry.ports.isEmpty {
            parts.append("ports " + entry.ports.indices.map { ports[$0].description }.joined(separator: ", "))
        }
        let match = parts.isEmpty ? "any" : parts.joined(separator: " ")
        if entry.http >= 0 {
            let http = httpListeners[Int(entry.http)]
            let action = "\(http.protocolKind.rawValue) routes \(routeTables[Int(http.routeTable)].name)"
            let rest = entry.protocolKind == .auto ? ", bytes \(bytesWords(entry.action))" : ""
            return TableEntryView(match: match, action: action + rest)
        }
        let kind = entry.protocolKind == .tls && entry.action != .deny ? "tls " : ""
        return TableEntryView(match: match, action: kind + bytesWords(entry.action))
    }

    private func bytesWords(_ action: EntryRecord.Action) -> String {
        switch action {
        case .deny: "deny"
        case .cluster(Self.passthroughCluster): "passthrough"
        case .cluster(let index): "cluster \(clusterName(index))"
        }
    }

    /// Whether first bytes decide anywhere.
    var detects: Bool { httpListeners.indices.contains { httpListeners[$0].protocolKind == .auto } }
}

extension SharedState {
    /// Whether an endpoint may be picked, in a word.
    func healthWord(_ endpoint: EndpointRecord, of cluster: ClusterRecord) -> String {
        guard cluster.hasVerdicts else { return "unchecked" }
        let verdict = endpointHealth.load(endpoint.slot)
        if verdict & Self.failedCheck != 0 { return "unhealthy" }
        return verdict & Self.ejected != 0 ? "ejected" : "healthy"
    }
}
