import Model

/// Parts of rules in words, for explanations.
extension Configuration.RequestMatch {
    /// The conditions, `any request` without one.
    var words: String {
        var words: [String] = []
        switch path {
        case .prefix(let text): words.append("path begins with \(text)")
        case .exact(let text): words.append("path is \(text)")
        case .regex(let text): words.append("path matches \(text)")
        case nil: break
        }
        if !methods.isEmpty { words.append("method is \(methods.joined(separator: " or "))") }
        words += headers.map { "header \($0.name) \($0.test.words)" }
        words += query.map { "query parameter \($0.name) \($0.test.words)" }
        return words.isEmpty ? "any request" : words.joined(separator: ", ")
    }
}

extension Configuration.RequestMatch.Path {
    var denial: String {
        switch self {
        case .prefix(let text): "does not begin with \(text)"
        case .exact(let text): "is not \(text)"
        case .regex(let text): "does not match \(text)"
        }
    }
}

extension Configuration.ValueMatch.Test {
    var words: String {
        switch self {
        case .exact(let text): "is \"\(text)\""
        case .prefix(let text): "begins with \"\(text)\""
        case .regex(let text): "matches \(text)"
        case .present: "is present"
        case .absent: "is absent"
        }
    }

    var denial: String {
        switch self {
        case .exact(let text): "is not \"\(text)\""
        case .prefix(let text): "does not begin with \"\(text)\""
        case .regex(let text): "does not match \(text)"
        case .present: "is absent"
        case .absent: "is present"
        }
    }
}

extension Configuration.RuleAction {
    /// What it does.
    var words: String {
        switch self {
        case .respond(let status, _): "responds with \(status)"
        case .redirect(let redirect): "redirects with \(redirect.status)"
        case .forward(let forwarding): forwarding.words
        }
    }
}

extension Configuration.Forwarding {
    fileprivate var words: String {
        let clusters = targets.map { target in
            let labels = target.labels.sorted { $0.key < $1.key }.map { " \($0.key)=\($0.value)" }.joined()
            return target.cluster + labels + (targets.count > 1 ? " (weight \(target.weight))" : "")
        }
        var words = ["forwards to cluster \(clusters.joined(separator: ", "))"]
        if let prefix = rewrite.prefix { words.append("path rewritten to \(prefix)") }
        if let host = rewrite.host { words.append("host rewritten to \(host)") }
        if let timeout { words.append("timeout \(timeout)") }
        if let retry { words.append("up to \(retry.attempts) retries") }
        words += mirrors.map { "mirrored to \($0.cluster)" }
        return words.joined(separator: ", ")
    }
}
