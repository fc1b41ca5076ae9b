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
