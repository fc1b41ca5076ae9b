import Model

extension ConfigurationReader {
    mutating func readListeners(_ value: Value?) {
        bindings.checkPorts()
        var names = NameIndex("listener")
        for item in value?.list("listeners") ?? [] {
            let known = [
                "name", "address", "protocol", "routes", "cluster", "filters", "requestId", "forwardedFor",
                "trustedHops", "limits",
            ]
            guard let fields = item.fields(known) else { continue }
            let name = names.declare(fields.required("name", "a name"))
            let addressValue = fields.required("address", "IP:PORT, such as 127.0.0.1:8080")
            let address = addressValue?.socketAddress(portMin: 0)
            if let address, let addressValue { bindings.add(address, addressValue) }
            var listener = readTraffic(of: fields)
            listener.name = name ?? ""
            listener.address = address ?? listener.address
            if let choice = fields["requestId"]?.choice(Configuration.RequestIdentity.self) {
                listener.requestId = choice
            }
            if let choice = fields["forwardedFor"]?.choice(Configuration.ForwardedFor.self) {
                listener.forwardedFor = choice
            }
            if let count = fields["trustedHops"]?.integer(0...100) { listener.trustedHops = count }
            listener.limits = fields["limits"].flatMap(readListenerLimits)
            configuration.listeners.append(listener)
        }
    }

    /// Where a listener's connections go, in a listener without name and address.
    private func readTraffic(of fields: Fields) -> Configuration.Listener {
        var listener = Configuration.Listener(name: "", address: SocketAddress(.loopbackV4, 0))
        let traffic = readProtocol(fields, isEffective: true)
        listener.protocolKind = traffic ?? .tcp
        listener.filters = readFilters(fields["filters"], traffic, isEffective: true)
        let targets = fields.present(["routes", "cluster"])
        if let routes = fields["routes"] { listener.routes = readRoutes(routes, traffic, .listener, isEffective: true) }
        if traffic?.mayBeHTTP == false {
            listener.cluster = fields.required("cluster", "a cluster's name").flatMap {
                clusters.resolve($0, .listener, .tcp)
            }
            return listener
        }
        if traffic == .auto, targets.count == 2 {
            listener.cluster = fields["cluster"].flatMap { clusters.resolve($0, .listener, .tcp) }
            return listener
        }
        if let second = targets.dropFirst().first {
            second.value.fail("stands beside \(targets[0].name), expected one of routes or cluster")
        } else if targets.isEmpty, traffic != nil {
            fields.owner.fail("has neither routes nor cluster, expected one of them")
        }
        listener.cluster = fields["cluster"].flatMap { clusters.resolve($0, .listener, traffic) }
        return listener
    }
}

// MARK: what listeners and table entries share

extension ConfigurationReader {
    /// What a table entry, a listener or a cluster may name.
    static let protocols = ["tcp", "http1", "http2", "http", "tls", "auto", "bolt", "dubbo"]

    /// How connections are read; nil when this build cannot, which has been reported.
    func readProtocol(_ fields: Fields, isEffective: Bool) -> Configuration.TrafficProtocol? {
        guard let value = fields["protocol"] else { return fields["routes"] == nil ? .tcp : .http }
        let offered = Configuration.TrafficProtocol.allCases.map(\.rawValue)
        guard let name = value.choice(among: Self.protocols, offered: offered) else { return nil }
        let traffic = Configuration.TrafficProtocol(rawValue: name)
        if traffic == nil, isEffective {
            value.notInThisBuild("protocol \(name)", expected: Value.enumeration(offered))
        }
        return traffic
    }

    /// The route table that a listener or a table entry names.
    func readRoutes(
        _ value: Value, _ traffic: Configuration.TrafficProtocol?, _ reference: ClusterIndex.Reference,
        isEffective: Bool
    ) -> String? {
        guard let name = value.scalar("the name of a route table") else { return nil }
        if let traffic, !traffic.mayBeHTTP {
            value.fail("protocol \(traffic.rawValue) has no routes, expected cluster")
            return nil
        }
        guard isEffective else { return nil }
        guard routes.names.positions[name] != nil else {
            value.fail("no route is named \"\(name.excerpt)\", \(routes.names.suggestion(for: name))")
            return nil
        }
        for use in routes.uses(of: name) {
            guard let reason = clusters.conflict(use.cluster, reference) else { continue }
            value.fail(
                "\"\(name)\" sends requests to cluster \"\(use.cluster)\" (\(problems.place(use.position))), "
                    + "which \(reason)")
            // One place is enough to see what the table is for.
            break
        }
        return name
    }
}
