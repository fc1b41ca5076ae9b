import Model

extension Snapshot {
    /// The name of the pod with this index.
    func podName(_ index: Int) -> String {
        index == Self.unknownPod ? SlotNames.unknownPod : configuration.pods[index - 1].name
    }

    /// The name of the cluster with this index.
    func clusterName(_ index: Int) -> String {
        index == Self.passthroughCluster ? "passthrough" : configuration.clusters[index - 1].name
    }

    /// What the configuration says of the pod with this index; nil for `unknown`.
    func podConfiguration(_ index: Int) -> Configuration.Pod? {
        index == Self.unknownPod ? nil : configuration.pods[index - 1]
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
            return TableEntryView(match: match, action: action)
        }
        switch entry.action {
        case .deny: return TableEntryView(match: match, action: "deny")
        case .cluster(Self.passthroughCluster): return TableEntryView(match: match, action: "passthrough")
        case .cluster(let index): return TableEntryView(match: match, action: "cluster \(clusterName(index))")
        }
    }
}
