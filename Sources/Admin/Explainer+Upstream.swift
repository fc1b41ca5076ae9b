import Model

extension Explainer {
    /// The part after the tables: cluster, endpoints, the receiving pod, and the verdict.
    func route(to index: Int, clientPod: Int?, leg: ConnectionDirection, _ draft: inout Explanation) {
        draft.cluster = snapshot.clusterName(index)
        let cluster = snapshot.clusters[index]
        addEndpoints(of: index, clientPod: clientPod, leg: leg, &draft)
        addReceivingPodLimits(leg, &draft)
        decide(cluster, &draft)
    }

    /// The endpoints of a cluster, and its limits. `subset`: only those with some labels; -1: all.
    func addEndpoints(
        of index: Int, subset: Int32 = -1, clientPod: Int?, leg: ConnectionDirection, after rule: Int? = nil,
        _ draft: inout Explanation
    ) {
        let cluster = snapshot.clusters[index]
        if cluster.connectionsMax != .max {
            draft.limits.append(
                Explanation.Limit(
                    name: "circuitBreaker of cluster \(snapshot.clusterName(index))",
                    used: shared?.clusterConnections.load(cluster.slot), max: cluster.connectionsMax))
        }
        if cluster.isOriginalDestination {
            draft.endpoints.append(
                endpoint(
                    destination, weight: 1, health: "unchecked", clientPod: clientPod, leg: leg, after: rule))
        } else {
            draft.loadBalancer = cluster.loadBalancer.rawValue
            draft.endpoints += endpoints(index, subset, clientPod: clientPod, leg: leg, after: rule)
        }
    }

    /// The endpoints of a cluster; of those only the ones with a subset's labels.
    private func members(of index: Int, _ subset: Int32) -> [EndpointRecord] {
        let set = snapshot.endpoints(ofCluster: index)
        guard subset >= 0 else { return Array(set.records) }
        let labels = snapshot.subsetLabels[index]?[snapshot.subsets[Int(subset)].number] ?? [:]
        return zip(set.endpoints, set.records).filter { endpoint, _ in
            labels.allSatisfy { endpoint.labels[$0.key] == $0.value }
        }.map(\.1)
    }

    private func endpoints(
        _ index: Int, _ subset: Int32, clientPod: Int?, leg: ConnectionDirection, after rule: Int?
    ) -> [Explanation.Endpoint] {
        let cluster = snapshot.clusters[index]
        var endpoints = members(of: index, subset).map { record in
            endpoint(
                record.address, weight: record.weight, health: health(record, of: cluster), clientPod: clientPod,
                leg: leg, after: rule)
        }
        let healthy = endpoints.count { !Self.isOut($0) }
        let isPanic = Double(healthy) < cluster.panicThreshold * Double(endpoints.count)
        for index in endpoints.indices where Self.isOut(endpoints[index]) && !isPanic {
            endpoints[index].eligible = false
        }
        return endpoints
    }

    private func health(_ endpoint: EndpointRecord, of cluster: ClusterRecord) -> String {
        guard cluster.hasVerdicts else { return "unchecked" }
        return shared?.healthWord(endpoint, of: cluster) ?? "unknown"
    }

    static func isOut(_ endpoint: Explanation.Endpoint) -> Bool {
        endpoint.health == "unhealthy" || endpoint.health == "ejected"
    }

    private func endpoint(
        _ address: SocketAddress, weight: Int, health: String, clientPod: Int?, leg: ConnectionDirection,
        after rule: Int?
    ) -> Explanation.Endpoint {
        var endpoint = Explanation.Endpoint(
            address: address.description, weight: weight, health: health, eligible: true,
            source: sourceWords(for: address.address, clientPod: clientPod, leg: leg))
        guard let pod = snapshot.pod(at: address.address, host: host) else { return endpoint }
        endpoint.pod = snapshot.podName(pod)
        // On the inbound leg the pod's table is the leg's own and has been asked already.
        if leg != .inbound {
            let entry = snapshot.inboundEntry(pod: pod, client: source, port: address.port)
            let table = inboundTable(pod, entry)
            endpoint.inbound = table
            // One exchange through both pods' routes, where both have some.
            if let entry, snapshot.entries[entry].http >= 0 {
                endpoint.request =
                    walk?.walk(Int(snapshot.entries[entry].http), listener: table.table, after: rule)
                    .request
            }
        }
        return endpoint
    }

    /// The rules of `preserveSource`: the client's own address where the kernel lets it work.
    private func sourceWords(for endpoint: IPAddress, clientPod: Int?, leg: ConnectionDirection) -> String {
        guard leg != .listener else { return "the host's address: explicit listeners never spoof" }
        guard let interception = snapshot.configuration.interception, interception.preserveSource || host != 0 else {
            return "the host's address: preserveSource is off"
        }
        let configuration = clientPod.flatMap { snapshot.podConfiguration($0) }
        if endpoint == source || configuration?.addresses.contains(endpoint) == true {
            return "the host's address: the endpoint is the client itself"
        }
        let isOther = host != 0 && snapshot.configuration.node.mode == .local
        let sourcePorts = isOther ? snapshot.configuration.failover.sourcePorts : interception.sourcePorts
        let ports = sourcePorts.halves.map { leg == .outbound ? $0.outbound : $0.inbound }
        let range = ports.map { ", ports \($0)" } ?? ""
        if endpoint.family == source.family { return "\(source)\(range): the client's own" }
        let record = clientPod.map { snapshot.pods[$0] }
        if let address = endpoint.isV4 ? record?.v4 : record?.v6 {
            return "\(address)\(range): the client's pod's address of the endpoint's family"
        }
        return "the host's address: the client has none of the endpoint's family"
    }

    func addReceivingPodLimits(_ leg: ConnectionDirection, _ draft: inout Explanation) {
        guard leg != .inbound else { return }
        let pods = Set(
            draft.endpoints.compactMap {
                SocketAddress($0.address).flatMap { snapshot.pod(at: $0.address, host: host) }
            })
        for pod in pods.sorted() {
            let limit = podLimit(pod)
            if !draft.limits.contains(limit) { draft.limits.append(limit) }
        }
    }

    private func decide(_ cluster: ClusterRecord, _ draft: inout Explanation) {
        draft.outcome = .reset
        let name = draft.cluster ?? ""
        let eligible = draft.endpoints.filter(\.eligible)
        if let full = draft.limits.first(where: { $0.used.map { [max = $0.max] in $0 >= max } ?? false }) {
            draft.verdict = "reset: \(full.name): \(full.used ?? 0) of \(full.max) in use"
        } else if eligible.isEmpty {
            draft.verdict = "reset: cluster \(name) has no endpoint that may be used"
        } else if eligible.allSatisfy({ $0.inbound?.action == "deny" }) {
            draft.verdict = "reset: \(eligible[0].inbound?.table ?? "") denies it"
        } else {
            draft.outcome = .forwarded
            draft.verdict = forwarded(cluster, eligible, &draft)
        }
    }

    private func forwarded(
        _ cluster: ClusterRecord, _ eligible: [Explanation.Endpoint], _ draft: inout Explanation
    ) -> String {
        let denied = eligible.count { $0.inbound?.action == "deny" }
        if denied > 0 {
            draft.notes.append("\(denied) of \(eligible.count) endpoints are pods that deny it: picked, then reset")
        }
        if eligible.contains(where: Self.isOut) {
            draft.notes.append("too few endpoints are healthy (panicThreshold): health is ignored")
        }
        noteAnswers(eligible, &draft)
        if cluster.isOriginalDestination { return "forwarded to the original destination \(destination)" }
        let count = eligible.count == 1 ? eligible[0].address : "one of \(eligible.count) endpoints"
        return "forwarded to \(count) of cluster \(draft.cluster ?? "")"
    }
}
