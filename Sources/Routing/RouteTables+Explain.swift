import HTTP
import Model
import Patterns

// MARK: explanations

extension RouteTables {
    /// Follows a request (its path normalised) through the table with this index and says what was looked at and why.
    public func explain(table index: Int, _ head: borrowing MessageHead) -> RouteExplanation {
        var explanation = RouteExplanation()
        guard sources.indices.contains(index) else { return explanation }
        let table = sources[index]
        guard let host = view.virtualHost(view.tables[index], index, head) else {
            let reason = "none of \(table.virtualHosts.count) has a domain for host \"\(text(head, head.authority))\""
            explanation.steps = [.init(subject: "virtual hosts", isChosen: false, reason: reason)]
            return explanation
        }
        let number = host - Int(view.tables[index].hosts.lower)
        let virtualHost = table.virtualHosts[number]
        explanation.steps = [
            .init(
                subject: "virtual host \(number)", isChosen: true,
                reason: Self.domainReason(virtualHost.domains, head))
        ]
        explanation.rule = view.find(table: index, head)
        addRules(virtualHost, "\(table.name)", number, host, head, &explanation)
        return explanation
    }

    private func addRules(
        _ virtualHost: Configuration.VirtualHost, _ table: String, _ number: Int, _ host: Int,
        _ head: borrowing MessageHead, _ explanation: inout RouteExplanation
    ) {
        let first = Int(view.hosts[host].rules.lower)
        let chosen = explanation.rule.map { $0 - first }
        let skipped = chosen ?? virtualHost.rules.count
        func name(_ index: Int) -> String {
            RouteName(virtualHost.rules[index], table: table, virtualHost: number, rule: index).description
        }
        for index in 0..<min(skipped, RouteExplanation.rulesListedMax) {
            let reason = reason(against: virtualHost.rules[index].match, head)
            explanation.steps.append(.init(subject: "rule \(name(index))", isChosen: false, reason: reason))
        }
        if skipped > RouteExplanation.rulesListedMax {
            let more = skipped - RouteExplanation.rulesListedMax
            explanation.steps.append(
                .init(subject: "\(more) more rules", isChosen: false, reason: "do not match either"))
        }
        guard let chosen, let rule = explanation.rule else {
            explanation.steps.append(.init(subject: "no rule", isChosen: false, reason: "the answer is 404"))
            return
        }
        let source = virtualHost.rules[chosen]
        explanation.routeName = name(chosen)
        explanation.action = source.action.words
        explanation.targets = view.rule(rule).targets.indices.map { view.targets[$0] }
        explanation.steps.append(
            .init(subject: "rule \(name(chosen))", isChosen: true, reason: source.match.words))
    }

    // MARK: reasons

    private static func domainReason(_ domains: [Domain], _ head: borrowing MessageHead) -> String {
        let authority = head.bytes(head.authority)
        let (count, port) = RouteView.split(authority)
        let host = String(decoding: (0..<count).map { authority[$0] }, as: UTF8.self).lowercased()
        let matching = domains.filter { $0.matches(host, port) }
        return matching.min(by: { $0.isMoreSpecific(than: $1) }).map { "by domain \($0)" } ?? "by its domains"
    }

    /// The first condition that does not hold.
    private func reason(against match: Configuration.RequestMatch, _ head: borrowing MessageHead) -> String {
        let path = text(head, Request(head).path)
        if let condition = match.path, !holds(.init(path: condition), head) {
            return "path \"\(path)\" \(condition.denial)"
        }
        if !match.methods.isEmpty, !holds(.init(methods: match.methods), head) {
            return "method \(text(head, head.methodText)) is not \(match.methods.joined(separator: " or "))"
        }
        for header in match.headers where !holds(.init(headers: [header]), head) {
            return "header \(header.name) \(header.test.denial)"
        }
        for parameter in match.query where !holds(.init(query: [parameter]), head) {
            return "query parameter \(parameter.name) \(parameter.test.denial)"
        }
        return "a condition does not hold"
    }

    private func holds(_ match: Configuration.RequestMatch, _ head: borrowing MessageHead) -> Bool {
        var compiler = RouteCompiler()
        compiler.add(match)
        let tables = RouteTables(compiler, sources: [])
        var scratch = PatternScratch()
        return tables.view.applies(filter: 0, head, scratch: &scratch)
    }

    private func text(_ head: borrowing MessageHead, _ range: ByteRange) -> String {
        let bytes = head.bytes(range)
        return String(decoding: bytes.indices.map { bytes[$0] }, as: UTF8.self)
    }
}

extension Domain {
    fileprivate func matches(_ host: String, _ port: UInt16) -> Bool {
        if let own = self.port, own != port { return false }
        switch kind {
        case .exact: return host == text
        case .suffix: return host.hasSuffix(text) && host.utf8.count > text.utf8.count
        case .prefix: return host.hasPrefix(text) && host.utf8.count > text.utf8.count
        case .any: return true
        }
    }

    fileprivate func isMoreSpecific(than other: Domain) -> Bool {
        if kind != other.kind { return kind.rawValue < other.kind.rawValue }
        let (count, otherCount) = (text.utf8.count, other.text.utf8.count)
        return count == otherCount ? port != nil && other.port == nil : count > otherCount
    }
}
