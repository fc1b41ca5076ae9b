import Model

extension Configuration.RequestMatch {
    /// `any`, or e.g. `path prefix /v2, methods GET POST, header x-user exact 7`.
    var words: String {
        var parts: [String] = []
        switch path {
        case .prefix(let text): parts.append("path prefix \(text)")
        case .exact(let text): parts.append("path exact \(text)")
        case .regex(let text): parts.append("path regex \(text)")
        case nil: break
        }
        if !methods.isEmpty { parts.append("methods \(methods.joined(separator: " "))") }
        parts += headers.map { "header \($0.words)" }
        parts += query.map { "query \($0.words)" }
        return parts.isEmpty ? "any" : parts.joined(separator: ", ")
    }
}

extension Configuration.ValueMatch {
    /// `x-user exact 7`.
    var words: String {
        switch test {
        case .exact(let text): "\(name) exact \(text)"
        case .prefix(let text): "\(name) prefix \(text)"
        case .regex(let text): "\(name) regex \(text)"
        case .present: "\(name) present"
        case .absent: "\(name) absent"
        }
    }
}

extension Configuration.RuleAction {
    /// `cluster cart`, `clusters a 90, b 10`, `respond 200`, `redirect 308 to https://host/path`.
    var words: String {
        switch self {
        case .forward(let forwarding): forwarding.words
        case .respond(let status, _): "respond \(status)"
        case .redirect(let redirect): redirect.words
        }
    }
}

extension Configuration.Forwarding {
    fileprivate var words: String {
        let names = targets.map { target in
            let labels = target.labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
            let weight = targets.count > 1 ? " \(target.weight)" : ""
            return target.cluster + weight + (labels.isEmpty ? "" : " with \(labels.joined(separator: " "))")
        }
        return (targets.count == 1 ? "cluster " : "clusters ") + names.joined(separator: ", ")
    }
}

extension Configuration.Redirect {
    fileprivate var words: String {
        var parts: [String] = []
        if let scheme { parts.append("scheme \(scheme)") }
        if let host { parts.append("host \(host)") }
        if let prefix { parts.append("prefix \(prefix)") }
        if let path { parts.append("path \(path)") }
        return "redirect \(status)" + (parts.isEmpty ? "" : " to \(parts.joined(separator: ", "))")
    }
}

extension Configuration.Forwarding {
    /// What else a rule does with what it sends on, one by one: `timeout 2s`, `retries 2`, ...
    var details: [String] {
        var details: [String] = []
        if let timeout { details.append("timeout \(Self.words(timeout.nanoseconds))") }
        if let retry, retry.attempts > 0 { details.append(Self.words(retry, isForAll: retriesNonIdempotent)) }
        switch hashOn {
        case .header(let name): details.append("hash on header \(name)")
        case .cookie(let name): details.append("hash on cookie \(name)")
        case .sourceAddress: details.append("hash on the client's address")
        case .path: details.append("hash on the path")
        case nil: break
        }
        for (name, changes) in [("request", requestHeaders), ("response", responseHeaders)] where !changes.isEmpty {
            var parts = changes.remove.map { "-\($0)" }
            parts += changes.set.map { "=\($0.name)" } + changes.add.map { "+\($0.name)" }
            details.append("\(name) headers \(parts.joined(separator: " "))")
        }
        details += mirrors.map { "mirror \(Self.words(percent: $0.share)) to \($0.cluster)" }
        return details
    }

    private static func words(_ policy: RetryPolicy, isForAll: Bool) -> String {
        var when = RetryPolicy.Condition.names.filter { policy.when.contains($0.condition) }.map(\.name)
        when += (0..<RetryPolicy.statusesMax).map { policy.statuses[$0] }.filter { $0 != 0 }.map { "\($0)" }
        let time = policy.perTryTimeout > 0 ? ", \(words(policy.perTryTimeout)) each" : ""
        let methods = isForAll ? "any method" : "idempotent methods"
        return "retries \(policy.attempts) on \(when.joined(separator: " "))\(time), \(methods)"
    }

    private static func words(_ nanoseconds: Int64) -> String {
        for (unit, name) in [(1_000_000_000, "s"), (1_000_000, "ms")] as [(Int64, String)] where nanoseconds % unit == 0
        {
            return "\(nanoseconds / unit)\(name)"
        }
        return "\(nanoseconds / 1000)us"
    }

    private static func words(percent share: Double) -> String {
        let hundredths = Int((share * 10_000).rounded())
        return hundredths % 100 == 0 ? "\(hundredths / 100)%" : "\(Double(hundredths) / 100)%"
    }
}
