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
            var cluster = readCluster(fields, name: name ?? "", discovery: discovery ?? .endpoints([]))
            guard let name else { continue }
            let isOriginalDestination = discovery.map { $0 == .originalDestination }
            let protocolName = readUpstreamProtocol(fields)
            clusters.add(name, .init(isOriginalDestination: isOriginalDestination, protocolName: protocolName))
            cluster.upstreamProtocol = protocolName.flatMap { .init(rawValue: $0) } ?? .asDownstream
            configuration.clusters.append(cluster)
        }
    }

    private func readUpstreamProtocol(_ fields: Fields) -> String? {
        guard let value = fields["protocol"] else { return nil }
        let offered = Configuration.Cluster.UpstreamProtocol.allCases.filter { $0 != .asDownstream }.map(\.rawValue)
        return value.choice(among: Self.protocols, offered: offered)
    }

    private func readCluster(
        _ fields: Fields, name: String, discovery: Configuration.Cluster.Discovery
    ) -> Configuration.Cluster {
        var cluster = Configuration.Cluster(name: name, discovery: discovery)
        if let balancer = fields["loadBalancer"]?.choice(Configuration.Cluster.LoadBalancer.self) {
            cluster.loadBalancer = balancer
        }
        if let timeout = fields["connectTimeout"]?.duration() { cluster.connectTimeout = timeout }
        if let timeout = fields["tunnelIdleTimeout"]?.duration(Value.idleTimeouts) {
            cluster.tunnelIdleTimeout = timeout
        }
        if let timeout = fields["idleTimeout"]?.duration(Value.idleTimeouts) { cluster.idleTimeout = timeout }
        if let share = fields["panicThreshold"]?.percent() { cluster.panicThreshold = share }
        if let breaker = fields["circuitBreaker"] { readCircuitBreaker(breaker, &cluster) }
        readEndpointPreferences(fields, &cluster)
        return cluster
    }

    /// What makes no sense without endpoints of the cluster's own.
    private func readEndpointPreferences(_ fields: Fields, _ cluster: inout Configuration.Cluster) {
        cluster.slowStart = fields["slowStart"]?.duration(Self.slowStarts)
        if let isAware = fields["zoneAware"]?.boolean() { cluster.isZoneAware = isAware }
        if let value = fields["zoneAware"], cluster.isZoneAware, configuration.node.zone == nil {
            value.fail("is true, expected node.zone to say which zone is this host's own")
        }
        cluster.healthCheck = fields["healthCheck"].flatMap(readHealthCheck)
        cluster.outlierDetection = fields["outlierDetection"].flatMap(readOutlierDetection)
        guard cluster.discovery == .originalDestination else { return }
        fields["healthCheck"]?.fail(
            "an originalDestination cluster has no endpoints to check, expected no healthCheck")
        for name in ["slowStart", "outlierDetection"] {
            fields[name]?.fail("an originalDestination cluster has no endpoints, expected no \(name)")
        }
        if cluster.isZoneAware {
            fields["zoneAware"]?.fail("an originalDestination cluster has no endpoints, expected false")
        }
    }

    /// An hour is longer than anything has to warm up.
    private static let slowStarts: ClosedRange<Duration> = .milliseconds(100)...(.seconds(3600))

    private func readCircuitBreaker(_ value: Value, _ cluster: inout Configuration.Cluster) {
        guard let fields = value.fields(["connections", "pendingRequests", "requests", "retries"]) else { return }
        let counts = 1...1_000_000_000
        cluster.connectionsMax = fields["connections"]?.integer(counts)
        cluster.pendingMax = fields["pendingRequests"]?.integer(counts)
        cluster.requestsMax = fields["requests"]?.integer(counts)
        cluster.retriesMax = fields["retries"]?.integer(0...1_000_000_000)
    }
}
