import Model

/// `GET /config`: the effective configuration with the keys, units and nesting of the configuration file, so that the
/// two can be laid side by side, and `generation`. Nothing in it is secret in this build.
enum ConfigurationView {
    static func json(_ snapshot: Snapshot) -> JSONValue {
        let configuration = snapshot.configuration
        return [
            "generation": .int(Int(clamping: snapshot.generation)),
            "version": 1,
            "node": [
                "name": .string(configuration.node.name), "mode": .string(configuration.node.mode.rawValue),
                "zone": configuration.node.zone.map(JSONValue.string),
            ],
            "workers": configuration.workers.map(JSONValue.int),
            "gatherMax": .duration(configuration.gatherMax),
            "drainTimeout": .duration(configuration.drainTimeout),
            "admin": [
                "address": .string(configuration.admin.address.description),
                "port": .int(Int(configuration.admin.port)),
            ],
            "accessLog": configuration.accessLog.map {
                ["path": .string($0.path), "format": .string($0.format.rawValue)]
            },
            "statistics": ["seriesMax": .int(configuration.statisticsSeriesMax)],
            "interception": configuration.interception.map(interception),
            "failover": failover(configuration.failover),
            "passthrough": [
                "connectTimeout": .duration(configuration.passthrough.connectTimeout),
                "tunnelIdleTimeout": .duration(configuration.passthrough.tunnelIdleTimeout),
            ],
            "pods": .array(configuration.pods.map { pod($0, snapshot) }),
            "podDefaults": .object(tables(configuration.podDefaults)),
            "limits": limits(configuration.limits),
            "listeners": .array(configuration.listeners.map(listener)),
            "routes": .array(configuration.routes.map(routeTable)),
            "clusters": .array(configuration.clusters.map(cluster)),
        ]
    }

    private static func interception(_ interception: Configuration.Interception) -> JSONValue {
        [
            "outboundPort": .int(Int(interception.outboundPort)),
            "inboundPort": .int(Int(interception.inboundPort)),
            "sourcePorts": .string(interception.sourcePorts.description),
            "mark": ["value": .hexadecimal(interception.mark.value), "mask": .hexadecimal(interception.mark.mask)],
            "podCIDRs": .descriptions(interception.podCIDRs),
            "excludeCIDRs": .descriptions(interception.excludeCIDRs),
            "excludeOutboundPorts": .ports(interception.excludeOutboundPorts),
            "excludeInboundPorts": .ports(interception.excludeInboundPorts),
            "preserveSource": .bool(interception.preserveSource),
        ]
    }

    private static func pod(_ pod: Configuration.Pod, _ snapshot: Snapshot) -> JSONValue {
        var members = tables(pod.tables)
        members["name"] = .string(pod.name)
        members["uid"] = pod.uid.map(JSONValue.string)
        members["addresses"] = .descriptions(pod.addresses)
        members["serviceAccount"] = pod.serviceAccount.map(JSONValue.string)
        members["node"] = snapshot.node(ofHost: UInt16(truncatingIfNeeded: pod.host)).map(JSONValue.string)
        members["failover"] = pod.failoverPolicy.map { ["policy": policy($0)] }
        return .object(members)
    }

    private static func tables(_ tables: Configuration.PodTables) -> [String: JSONValue?] {
        var members: [String: JSONValue?] = [:]
        members["outbound"] = tables.outbound.map { .array($0.map(entry)) }
        members["inbound"] = tables.inbound.map { .array($0.map(entry)) }
        if tables.connectionsMax != nil || tables.bufferBytesMax != nil || tables.pendingRequestsMax != nil {
            members["limits"] = [
                "connections": tables.connectionsMax.map(JSONValue.int),
                "pendingRequests": tables.pendingRequestsMax.map(JSONValue.int),
                "bufferBytes": tables.bufferBytesMax.map(JSONValue.bytes),
            ]
        }
        return members
    }

    private static func entry(_ entry: Configuration.TableEntry) -> JSONValue {
        var match: [String: JSONValue?] = [:]
        if !entry.cidrs.isEmpty { match["cidrs"] = .descriptions(entry.cidrs) }
        if !entry.ports.isEmpty { match["ports"] = .ports(entry.ports) }
        var members: [String: JSONValue?] = ["match": .object(match)]
        if entry.action != .passthrough || entry.protocolKind != .tcp {
            members["protocol"] = .string(entry.protocolKind.rawValue)
        }
        switch entry.action {
        case .passthrough: break
        case .cluster(let name): members["cluster"] = .string(name)
        case .deny: return ["match": .object(match), "deny": true]
        }
        members["routes"] = entry.routes.map(JSONValue.string)
        if !entry.filters.isEmpty { members["filters"] = .array(entry.filters.map(filter)) }
        return .object(members)
    }

    private static func cluster(_ cluster: Configuration.Cluster) -> JSONValue {
        var members: [String: JSONValue?] = [
            "name": .string(cluster.name), "loadBalancer": .string(cluster.loadBalancer.rawValue),
            "connectTimeout": .duration(cluster.connectTimeout),
            "tunnelIdleTimeout": .duration(cluster.tunnelIdleTimeout),
            "panicThreshold": share(cluster.panicThreshold),
        ]
        switch cluster.discovery {
        case .originalDestination: members["discovery"] = ["originalDestination": true]
        case .endpoints(let endpoints): members["endpoints"] = .array(endpoints.map(endpoint))
        case .dns(let name): members["discovery"] = ["dns": .string("\(name.host):\(name.port)")]
        }
        if cluster.upstreamProtocol != .asDownstream {
            members["protocol"] = .string(cluster.upstreamProtocol.rawValue)
        }
        members["idleTimeout"] = .duration(cluster.idleTimeout)
        members["slowStart"] = cluster.slowStart.map(JSONValue.duration)
        if cluster.isZoneAware { members["zoneAware"] = true }
        members["healthCheck"] = cluster.healthCheck.map(healthCheck)
        members["outlierDetection"] = cluster.outlierDetection.map(outlierDetection)
        let breakers: [(String, Int?)] = [
            ("connections", cluster.connectionsMax), ("pendingRequests", cluster.pendingMax),
            ("requests", cluster.requestsMax), ("retries", cluster.retriesMax),
        ]
        let limits = breakers.compactMap { name, limit in limit.map { (name, JSONValue.int($0)) } }
        if !limits.isEmpty { members["circuitBreaker"] = .object(Dictionary(uniqueKeysWithValues: limits)) }
        return .object(members)
    }

    private static func healthCheck(_ check: Configuration.HealthCheck) -> JSONValue {
        var members: [String: JSONValue?] = [
            "interval": .duration(check.interval), "timeout": .duration(check.timeout),
            "unhealthyAfter": .int(check.unhealthyAfter), "healthyAfter": .int(check.healthyAfter),
        ]
        if let http = check.http {
            members["http"] = [
                "path": .string(http.path), "host": http.host.map(JSONValue.string),
                "expect": .array(http.expected.map(JSONValue.int)),
            ]
        } else if let grpc = check.grpc {
            members["grpc"] = ["service": .string(grpc.service), "host": grpc.host.map(JSONValue.string)]
        } else {
            members["tcp"] = [:]
        }
        return .object(members)
    }

    private static func outlierDetection(_ detection: Configuration.OutlierDetection) -> JSONValue {
        [
            "consecutiveFailures": .int(detection.consecutiveFailures),
            "baseEjection": .duration(detection.baseEjection), "maxEjected": share(detection.maxEjected),
            "successRate": detection.successRate.map { rate in
                [
                    "interval": .duration(rate.interval), "requests": .int(rate.requestsMin),
                    "endpoints": .int(rate.endpointsMin), "factor": .string("\(rate.factor)"),
                ]
            },
        ]
    }

    private static func share(_ share: Double) -> JSONValue { .string("\(Int((share * 100).rounded()))%") }

    private static func endpoint(_ endpoint: Configuration.Endpoint) -> JSONValue {
        [
            "address": .string(endpoint.address.description), "weight": .int(endpoint.weight),
            "zone": endpoint.zone.map(JSONValue.string),
            "labels": endpoint.labels.isEmpty ? nil : .object(endpoint.labels.mapValues { .string($0) }),
        ]
    }
}
