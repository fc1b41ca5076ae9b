import Model

extension ConfigurationView {
    static func limits(_ limits: Configuration.ProcessLimits) -> JSONValue {
        var members = httpLimits(limits.http)
        members["memory"] = .bytes(limits.memoryBytesMax)
        return .object(members)
    }

    private static func httpLimits(_ http: Configuration.HTTPLimits) -> [String: JSONValue?] {
        [
            "headerBytes": .bytes(http.headerBytes), "headerCount": .int(http.headerCount),
            "requestTargetBytes": .bytes(http.requestTargetBytes), "headerTimeout": .duration(http.headerTimeout),
            "keepAliveTimeout": .duration(http.keepAliveTimeout),
            "streamIdleTimeout": .duration(http.streamIdleTimeout), "retryBodyBytes": .bytes(http.retryBodyBytes),
            "maxConnectionAge": http.maxConnectionAge.map(JSONValue.duration), "http2": http2Limits(http.http2),
        ]
    }

    static func listener(_ listener: Configuration.Listener) -> JSONValue {
        var members: [String: JSONValue?] = [
            "name": .string(listener.name), "address": .string(listener.address.description),
            "protocol": .string(listener.protocolKind.rawValue), "cluster": listener.cluster.map(JSONValue.string),
            "routes": listener.routes.map(JSONValue.string),
        ]
        if listener.protocolKind.mayBeHTTP {
            members["requestId"] = .string(listener.requestId.rawValue)
            members["forwardedFor"] = .string(listener.forwardedFor.rawValue)
            members["trustedHops"] = .int(listener.trustedHops)
            members["limits"] = listener.limits.map { .object(httpLimits($0)) }
        }
        if !listener.filters.isEmpty { members["filters"] = .array(listener.filters.map(filter)) }
        return .object(members)
    }

    static func routeTable(_ table: Configuration.RouteTable) -> JSONValue {
        let hosts = table.virtualHosts.map { host -> JSONValue in
            ["domains": .descriptions(host.domains), "rules": .array(host.rules.map(rule))]
        }
        return ["name": .string(table.name), "virtualHosts": .array(hosts)]
    }

    private static func rule(_ rule: Configuration.Rule) -> JSONValue {
        var members: [String: JSONValue?] = ["name": rule.name.map(JSONValue.string), "match": match(rule.match)]
        switch rule.action {
        case .forward(let forwarding): members["route"] = route(forwarding)
        case .respond(let status, let body): members["respond"] = ["status": .int(status), "body": .string(body)]
        case .redirect(let redirect):
            members["redirect"] = [
                "scheme": redirect.scheme.map(JSONValue.string), "host": redirect.host.map(JSONValue.string),
                "prefix": redirect.prefix.map(JSONValue.string), "path": redirect.path.map(JSONValue.string),
                "status": .int(redirect.status),
            ]
        }
        if !rule.filters.isEmpty { members["filters"] = .array(rule.filters.map(filter)) }
        return .object(members)
    }

    private static func match(_ match: Configuration.RequestMatch) -> JSONValue? {
        guard !match.isAny else { return nil }
        var members: [String: JSONValue?] = [:]
        switch match.path {
        case .prefix(let text): members["path"] = ["prefix": .string(text)]
        case .exact(let text): members["path"] = ["exact": .string(text)]
        case .regex(let text): members["path"] = ["regex": .string(text)]
        case nil: break
        }
        if !match.methods.isEmpty { members["methods"] = .array(match.methods.map(JSONValue.string)) }
        if !match.headers.isEmpty { members["headers"] = .array(match.headers.map(valueMatch)) }
        if !match.query.isEmpty { members["query"] = .array(match.query.map(valueMatch)) }
        return .object(members)
    }

    private static func valueMatch(_ match: Configuration.ValueMatch) -> JSONValue {
        let name = JSONValue.string(match.name)
        return switch match.test {
        case .exact(let text): ["name": name, "exact": .string(text)]
        case .prefix(let text): ["name": name, "prefix": .string(text)]
        case .regex(let text): ["name": name, "regex": .string(text)]
        case .present: ["name": name, "present": true]
        case .absent: ["name": name, "absent": true]
        }
    }

    private static func route(_ forwarding: Configuration.Forwarding) -> JSONValue {
        var members: [String: JSONValue?] = [:]
        if let only = forwarding.targets.first, forwarding.targets.count == 1 {
            members["cluster"] = .string(only.cluster)
            members["labels"] = only.labels.isEmpty ? nil : .object(only.labels.mapValues { .string($0) })
        } else {
            members["weightedClusters"] = .array(forwarding.targets.map(target))
        }
        members["timeout"] = forwarding.timeout.map(JSONValue.duration)
        members["retry"] = forwarding.retry.map(retry)
        if forwarding.retriesNonIdempotent { members["retryNonIdempotent"] = true }
        members["hashOn"] = forwarding.hashOn.map(hashKey)
        members["requestHeaders"] = changes(forwarding.requestHeaders)
        members["responseHeaders"] = changes(forwarding.responseHeaders)
        if forwarding.rewrite != Configuration.Rewrite() {
            members["rewrite"] = [
                "prefix": forwarding.rewrite.prefix.map(JSONValue.string),
                "host": forwarding.rewrite.host.map(JSONValue.string),
            ]
        }
        if !forwarding.mirrors.isEmpty {
            members["mirror"] = .array(
                forwarding.mirrors.map { ["cluster": .string($0.cluster), "percent": .percent($0.share)] })
        }
        return .object(members)
    }

    private static func target(_ target: Configuration.Target) -> JSONValue {
        [
            "cluster": .string(target.cluster), "weight": .int(target.weight),
            "labels": target.labels.isEmpty ? nil : .object(target.labels.mapValues { .string($0) }),
        ]
    }

    private static func retry(_ policy: RetryPolicy) -> JSONValue {
        let conditions = RetryPolicy.Condition.names.filter { policy.when.contains($0.condition) }
        let statuses = (0..<RetryPolicy.statusesMax).map { policy.statuses[$0] }.filter { $0 != 0 }
        let grpc = RetryPolicy.grpcNames.filter { policy.retries(grpcStatus: $0.status) }
        return [
            "attempts": .int(policy.attempts),
            "perTryTimeout": policy.perTryTimeout == 0 ? nil : .duration(.nanoseconds(policy.perTryTimeout)),
            "when": .array(conditions.map { .string($0.name) } + statuses.map { .int(Int($0)) }),
            "grpc": grpc.isEmpty ? nil : .array(grpc.map { .string($0.name) }),
            "backoff": [
                "base": .duration(.nanoseconds(policy.backoffBase)), "max": .duration(.nanoseconds(policy.backoffMax)),
            ],
            "budget": .string("\(policy.budgetPercent)%"),
        ]
    }

    private static func hashKey(_ key: Configuration.HashKey) -> JSONValue {
        switch key {
        case .header(let name): ["header": .string(name)]
        case .cookie(let name): ["cookie": .string(name)]
        case .sourceAddress: ["sourceAddress": true]
        case .path: ["path": true]
        }
    }

    /// Fields whose values are credentials: they are shown as `***`.
    private static let secretFields: Set = ["authorization", "proxy-authorization", "cookie", "set-cookie"]

    private static func changes(_ changes: Configuration.HeaderChanges) -> JSONValue? {
        guard !changes.isEmpty else { return nil }
        func fields(_ fields: [Configuration.HeaderChanges.Field]) -> JSONValue? {
            guard !fields.isEmpty else { return nil }
            let pairs = fields.map { field -> (String, JSONValue?) in
                let isSecret = secretFields.contains(field.name)
                return (field.name, .string(isSecret ? "***" : field.value.description))
            }
            return .object(Dictionary(pairs) { $1 })
        }
        return [
            "set": fields(changes.set), "add": fields(changes.add),
            "remove": changes.remove.isEmpty ? nil : .array(changes.remove.map(JSONValue.string)),
        ]
    }

    static func filter(_ filter: Configuration.Filter) -> JSONValue {
        var members: [String: JSONValue?] = ["match": match(filter.match)]
        switch filter.kind {
        case .fault(let fault):
            var parts: [String: JSONValue?] = [:]
            if fault.delayShare > 0 {
                parts["delay"] = ["percent": .percent(fault.delayShare), "duration": .duration(fault.delay)]
            }
            if fault.abortShare > 0 {
                parts["abort"] = ["percent": .percent(fault.abortShare), "status": .int(fault.abortStatus)]
            }
            members["fault"] = .object(parts)
        case .localRateLimit(let limit):
            members["localRateLimit"] = [
                "requests": .int(limit.requests), "per": .duration(limit.per), "burst": .int(limit.burst),
                "status": .int(limit.status),
            ]
        }
        return .object(members)
    }
}
