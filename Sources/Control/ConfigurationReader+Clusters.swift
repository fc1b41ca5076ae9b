import Model

extension ConfigurationReader {
    private static let clusterKeys = [
        "name", "endpoints", "discovery", "originalDestination", "protocol", "loadBalancer", "slowStart",
        "panicThreshold", "zoneAware", "connectTimeout", "idleTimeout", "tunnelIdleTimeout", "healthCheck",
        "outlierDetection", "circuitBreaker",
    ]

    mutating func readClusters(_ value: Value?) {
        for item in value?.list("clusters") ?? [] {
            guard let fields = item.fields(Self.clusterKeys) else { continue }
            let name = clusters.names.declare(fields.required("name", "a name"))
            let discovery = readDiscovery(fields)
            let cluster = readCluster(fields, name: name ?? "", discovery: discovery ?? .endpoints([]))
            guard let name else { continue }
            let isOriginalDestination = discovery.map { $0 == .originalDestination }
            let protocolName = fields["protocol"]?.choice(among: Self.protocols, offered: ["tcp"])
            clusters.add(name, .init(isOriginalDestination: isOriginalDestination, protocolName: protocolName))
            configuration.clusters.append(cluster)
        }
    }

    private func readCluster(
        _ fields: Fields, name: String, discovery: Configuration.Cluster.Discovery
    ) -> Configuration.Cluster {
        var cluster = Configuration.Cluster(name: name, discovery: discovery)
        if let balancer = fields["loadBalancer"].flatMap(readLoadBalancer) { cluster.loadBalancer = balancer }
        if let timeout = fields["connectTimeout"]?.duration() { cluster.connectTimeout = timeout }
        if let timeout = fields["tunnelIdleTimeout"]?.duration(Value.idleTimeouts) {
            cluster.tunnelIdleTimeout = timeout
        }
        if let share = fields["panicThreshold"]?.percent() { cluster.panicThreshold = share }
        if let breaker = fields["circuitBreaker"] { cluster.connectionsMax = readCircuitBreaker(breaker) }
        if let check = fields["healthCheck"] {
            cluster.healthCheck = readHealthCheck(check)
            if discovery == .originalDestination {
                check.fail("an originalDestination cluster has no endpoints to check, expected no healthCheck")
            }
        }
        // Only pooled connections are ever unused, and tunnels are not pooled.
        _ = fields["idleTimeout"]?.duration(Value.idleTimeouts)
        refuseUnsupported(fields)
        return cluster
    }

    private func refuseUnsupported(_ fields: Fields) {
        if let value = fields["slowStart"], value.duration() != nil {
            value.notInThisBuild("slow start", expected: "no slowStart")
        }
        if let value = fields["zoneAware"], value.boolean() == true {
            value.notInThisBuild("zone-aware balancing", expected: "false")
        }
        if let value = fields["outlierDetection"] {
            Shape.outlierDetection.check(value)
            value.notInThisBuild("outlier detection", expected: "a healthCheck instead")
        }
    }

    private func readLoadBalancer(_ value: Value) -> Configuration.Cluster.LoadBalancer? {
        let names = Configuration.Cluster.LoadBalancer.allCases.map(\.rawValue)
        guard let name = value.choice(among: names + ["peakEwma"], offered: names) else { return nil }
        if name == "peakEwma" { value.notInThisBuild(name, expected: Value.enumeration(names)) }
        return Configuration.Cluster.LoadBalancer(rawValue: name)
    }

    /// Limits of requests and retries are checked, and without effect while no listener decodes any.
    private func readCircuitBreaker(_ value: Value) -> Int? {
        guard let fields = value.fields(["connections", "pendingRequests", "requests", "retries"]) else { return nil }
        let counts = 1...1_000_000_000
        for field in fields.present(["pendingRequests", "requests", "retries"]) { _ = field.value.integer(counts) }
        return fields["connections"]?.integer(counts)
    }

    private func readHealthCheck(_ value: Value) -> Configuration.HealthCheck? {
        let known = ["tcp", "http", "interval", "timeout", "unhealthyAfter", "healthyAfter"]
        guard let fields = value.fields(known) else { return nil }
        let kinds = fields.present(["tcp", "http"])
        if kinds.isEmpty { value.fail("has no kind of check, expected tcp: {}") }
        if kinds.count > 1 { value.fail("has tcp and http, expected one of them") }
        _ = fields["tcp"]?.fields([])
        if let http = fields["http"] {
            Shape.httpCheck.check(http)
            http.notInThisBuild("an HTTP health check", expected: "tcp: {}")
        }
        var check = Configuration.HealthCheck()
        if let interval = fields["interval"]?.duration(.milliseconds(10)...(.seconds(86400))) {
            check.interval = interval
        }
        if let timeout = fields["timeout"]?.duration() { check.timeout = timeout }
        if let count = fields["unhealthyAfter"]?.integer(1...1000) { check.unhealthyAfter = count }
        if let count = fields["healthyAfter"]?.integer(1...1000) { check.healthyAfter = count }
        return check
    }
}

// MARK: endpoints

extension ConfigurationReader {
    /// Where endpoints come from: one of three keys. `originalDestination` may also stand inside `discovery`.
    private func readDiscovery(_ fields: Fields) -> Configuration.Cluster.Discovery? {
        let sources = fields.present(["endpoints", "discovery", "originalDestination"])
        guard let source = sources.first else {
            fields.owner.fail("has no endpoints, expected one of endpoints, discovery or originalDestination")
            return nil
        }
        if let second = sources.dropFirst().first {
            second.value.fail(
                "stands beside \(source.name), expected one of endpoints, discovery or originalDestination")
        }
        switch source.name {
        case "endpoints": return readEndpoints(source.value).map { .endpoints($0) }
        case "discovery": return readDynamicDiscovery(source.value)
        default: return readOriginalDestination(source.value)
        }
    }

    private func readOriginalDestination(_ value: Value) -> Configuration.Cluster.Discovery? {
        guard let isSet = value.boolean() else { return nil }
        if !isSet { value.fail("is false, expected true: leave the key out otherwise") }
        return .originalDestination
    }

    private func readDynamicDiscovery(_ value: Value) -> Configuration.Cluster.Discovery? {
        guard let fields = value.fields(["dns", "kubernetes", "consul", "originalDestination"]) else { return nil }
        guard let source = fields.all.first, fields.all.count == 1 else {
            value.fail("has \(fields.all.count) sources, expected one: originalDestination: true")
            return nil
        }
        guard source.name == "originalDestination" else {
            source.value.notInThisBuild("discovery.\(source.name)", expected: "endpoints or originalDestination: true")
            return nil
        }
        return readOriginalDestination(source.value)
    }

    private func readEndpoints(_ value: Value) -> [Configuration.Endpoint]? {
        guard let items = value.list("endpoints") else { return nil }
        var endpoints: [Configuration.Endpoint] = []
        var places: [SocketAddress: Position] = [:]
        for item in items {
            guard let fields = item.fields(["address", "weight", "zone", "labels"]) else { continue }
            var labels: [String: String] = [:]
            for label in fields["labels"]?.anyFields(expected: "a mapping of texts")?.all ?? [] {
                labels[label.name] = label.value.text()
            }
            let weight = fields["weight"]?.integer(1...1000) ?? 1
            let zone = fields["zone"]?.name()
            guard let value = fields.required("address", "IP:PORT"), let address = readEndpointAddress(value) else {
                continue
            }
            if let first = places.updateValue(value.position, forKey: address) {
                value.fail(
                    "\(address) is already at \(problems.place(first)), expected each endpoint once (see weight)")
            }
            endpoints.append(.init(address: address, weight: weight, zone: zone, labels: labels))
        }
        return endpoints
    }

    private func readEndpointAddress(_ value: Value) -> SocketAddress? {
        if let text = value.scalar("IP:PORT"), Self.isHostAndPort(text), SocketAddress(text) == nil {
            value.fail("\"\(text.excerpt)\" is a host name, expected IP:PORT (discovery.dns is not in this build)")
            return nil
        }
        guard let address = value.node.isScalar ? value.socketAddress(portMin: 1) : nil else { return nil }
        if address.address.isUnspecified {
            value.fail("\(address) is no address to connect to, expected the endpoint's own")
            return nil
        }
        return address
    }

    private static func isHostAndPort(_ text: String) -> Bool {
        guard text.first?.isLetter == true else { return false }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        return parts.count == 2 && UInt16(parts[1]) != nil
            && parts[0].utf8.allSatisfy { DocumentText.isNameByte($0) || $0 == UInt8(ascii: ".") }
    }
}
