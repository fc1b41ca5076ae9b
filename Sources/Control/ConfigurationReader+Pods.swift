import Model

extension ConfigurationReader {
    /// The name under which addresses without a pod are shown.
    private static let unknownPod = "unknown"

    mutating func readPods(_ value: Value?, defaults: Value?) {
        if let defaults {
            configuration.podDefaults = readTables(defaults, fields: nil, isEffective: true)
            requireInterception(for: defaults)
        }
        var places = PodPlaces()
        for item in value?.list("pods") ?? [] {
            let known = [
                "name", "uid", "addresses", "serviceAccount", "node", "failover", "outbound", "inbound", "limits",
            ]
            guard let fields = item.fields(known) else { continue }
            let node = fields["node"].map { $0.name() } ?? configuration.node.name
            // One file serves a fleet: a pod of a host that is no business of ours only has to be well formed.
            let host = node.flatMap(hostID)
            if let pod = readPod(item, fields, host: host, places: &places), host != nil {
                configuration.pods.append(pod)
            }
        }
    }

    private mutating func requireInterception(for value: Value) {
        guard !hasInterception else { return }
        value.fail("has no effect without interception, expected an interception section with this host's podCIDRs")
        // Once is enough: the cause is one missing section.
        hasInterception = true
    }

    private mutating func readPod(
        _ value: Value, _ fields: Fields, host: Int?, places: inout PodPlaces
    ) -> Configuration.Pod? {
        let isEffective = host != nil
        if isEffective { requireInterception(for: value) }
        let uid = fields["uid"]?.text()
        let account = fields["serviceAccount"]?.name()
        let policy = fields["failover"].flatMap { readPodFailover($0, isEffective: host == 0) }
        let tables = readTables(value, fields: fields, isEffective: isEffective)
        let addressValues = fields.required("addresses", "the pod's IP addresses")?.nonEmptyList("IP addresses") ?? []
        guard let nameValue = fields.required("name", "a name, such as shop/cart-7d9f") else { return nil }
        guard let host else {
            _ = nameValue.name()
            for value in addressValues { _ = value.address() }
            return nil
        }
        let name = places.names[host, default: NameIndex("pod")].declare(nameValue)
        if name == Self.unknownPod {
            nameValue.fail("\"\(Self.unknownPod)\" stands for addresses without a pod, expected another name")
        }
        let addresses = addressValues.compactMap { readPodAddress($0, host: host, places: &places) }
        return name.map {
            Configuration.Pod(
                name: $0, uid: uid, addresses: addresses, serviceAccount: account, tables: tables, host: host,
                failoverPolicy: policy)
        }
    }

    private func readPodAddress(_ value: Value, host: Int, places: inout PodPlaces) -> IPAddress? {
        guard let address = value.address() else { return nil }
        if let first = places.addresses.updateValue(value.position, forKey: address) {
            places.addresses[address] = first
            value.fail(
                "\(address) is already a pod's address at \(problems.place(first)), expected one pod per address")
        }
        let (field, prefixes) = podCIDRs(ofHost: host)
        if !prefixes.isEmpty, !prefixes.contains(where: { $0.contains(address) }) {
            let expected = Value.enumeration(prefixes.map(\.description))
            value.fail(
                "\(address) is outside \(field) and would never be intercepted, "
                    + "expected an address in \(expected)")
        }
        return address
    }

    /// Where names and addresses of this host's pods were given.
    private struct PodPlaces {
        /// By host: a name is unique on its node.
        var names: [Int: NameIndex] = [:]
        var addresses: [IPAddress: Position] = [:]
    }
}

// MARK: tables

extension ConfigurationReader {
    /// `outbound`, `inbound` and `limits` of a pod (its `fields`) or of `podDefaults` (read from `value`).
    private func readTables(_ value: Value, fields: Fields?, isEffective: Bool) -> Configuration.PodTables {
        guard let fields = fields ?? value.fields(["outbound", "inbound", "limits"]) else { return .init() }
        var tables = Configuration.PodTables()
        tables.outbound = readTable(fields["outbound"], .outbound, isEffective: isEffective)
        tables.inbound = readTable(fields["inbound"], .inbound, isEffective: isEffective)
        if let limits = fields["limits"]?.fields(["connections", "pendingRequests", "bufferBytes"]) {
            tables.connectionsMax = limits["connections"]?.integer(1...10_000_000)
            tables.bufferBytesMax = limits["bufferBytes"]?.size()
            tables.pendingRequestsMax = limits["pendingRequests"]?.integer(1...10_000_000)
        }
        return tables
    }

    private func readTable(
        _ value: Value?, _ reference: ClusterIndex.Reference, isEffective: Bool
    ) -> [Configuration.TableEntry]? {
        value?.list("table entries")?.compactMap { readEntry($0, reference, isEffective: isEffective) }
    }

    private func readEntry(
        _ value: Value, _ reference: ClusterIndex.Reference, isEffective: Bool
    ) -> Configuration.TableEntry? {
        let known = ["match", "protocol", "routes", "cluster", "deny", "filters"]
        guard let fields = value.fields(known) else { return nil }
        var entry = Configuration.TableEntry()
        if let match = fields["match"]?.fields(["cidrs", "ports"]) {
            entry.cidrs = match["cidrs"]?.nonEmptyList("address prefixes")?.compactMap { $0.prefix() } ?? []
            entry.ports = match["ports"]?.nonEmptyList("ports or ranges")?.compactMap { $0.portRange() } ?? []
        }
        let traffic = readProtocol(fields, isEffective: isEffective)
        entry.protocolKind = traffic ?? .tcp
        entry.filters = readFilters(fields["filters"], traffic, isEffective: isEffective)
        let actions = fields.present(["routes", "cluster", "deny"])
        // With `auto` routes are for requests, and the cluster for everything else.
        let isBoth = traffic == .auto && Set(actions.map(\.name)) == ["routes", "cluster"]
        if let second = actions.dropFirst().first, !isBoth {
            second.value.fail("stands beside \(actions[0].name), expected one of routes, cluster or deny")
        }
        if let routes = fields["routes"] {
            entry.routes = readRoutes(routes, traffic, reference, isEffective: isEffective)
        }
        if let deny = fields["deny"], deny.boolean() == false {
            deny.fail("is false, expected true: leave the key out otherwise")
        }
        if fields["deny"] != nil { entry.action = .deny }
        if let value = fields["cluster"] {
            let name = isEffective ? clusters.resolve(value, reference, isBoth ? .tcp : traffic) : value.name()
            if let name { entry.action = .cluster(name) }
        }
        return entry
    }
}
