import Model

/// Finds rules the way the documentation says it, one after the other, out of the configuration itself: what the compiled
/// tables are compared with.
struct NaiveMatcher {
    struct Request: CustomStringConvertible {
        var method = "GET"
        /// Without the port.
        var host = ""
        var port: UInt16?
        var path = "/"
        var query: [(String, String)] = []
        var headers: [(String, String)] = []

        var description: String { "\(method) \(host):\(port ?? 0) \(path) \(query) \(headers)" }
    }

    let table: Configuration.RouteTable

    /// The number of the rule, counted over all virtual hosts.
    func find(_ request: Request) -> Int? {
        guard let index = host(request) else { return nil }
        let before = table.virtualHosts[..<index].reduce(0) { $0 + $1.rules.count }
        let rule = table.virtualHosts[index].rules.firstIndex { matches($0.match, request) }
        return rule.map { before + $0 }
    }

    private func host(_ request: Request) -> Int? {
        var best: (rank: [Int], host: Int)?
        for (index, virtualHost) in table.virtualHosts.enumerated() {
            for domain in virtualHost.domains where matches(domain, request) {
                let rank = [3 - Int(domain.kind.rawValue), domain.text.utf8.count, domain.port == nil ? 0 : 1]
                if best.map({ $0.rank.lexicographicallyPrecedes(rank) }) ?? true { best = (rank, index) }
            }
        }
        return best?.host
    }

    private func matches(_ domain: Domain, _ request: Request) -> Bool {
        let host = request.host.lowercased()
        if let port = domain.port, request.port != port { return false }
        switch domain.kind {
        case .exact: return host == domain.text
        case .suffix: return host.hasSuffix(domain.text) && host.count > domain.text.count
        case .prefix: return host.hasPrefix(domain.text) && host.count > domain.text.count
        case .any: return true
        }
    }

    private func matches(_ match: Configuration.RequestMatch, _ request: Request) -> Bool {
        let path =
            switch match.path {
            case .exact(let text): request.path == text
            case .prefix(let text): request.path.hasPrefix(text)
            case .regex(let text): (try? Regex(text).wholeMatch(in: request.path)) != nil
            case nil: true
            }
        return path && (match.methods.isEmpty || match.methods.contains(request.method))
            && match.headers.allSatisfy { holds($0, request.headers) }
            && match.query.allSatisfy { holds($0, request.query) }
    }

    private func holds(_ match: Configuration.ValueMatch, _ fields: [(String, String)]) -> Bool {
        let values = fields.filter { $0.0 == match.name }.map(\.1)
        switch match.test {
        case .present: return !values.isEmpty
        case .absent: return values.isEmpty
        case .exact(let text): return values.contains(text)
        case .prefix(let text): return values.contains { $0.hasPrefix(text) }
        case .regex(let text): return values.contains { (try? Regex(text).wholeMatch(in: $0)) != nil }
        }
    }
}
