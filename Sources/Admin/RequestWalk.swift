import Buffers
import HTTP
import Model
import Patterns
import Routing

/// Leads a request through filters and routes of a listener as the data plane does, with the data plane's own matcher,
/// and keeps the reasons.
struct RequestWalk {
    let snapshot: Snapshot
    let routes: RouteTables
    let question: RequestQuestion
    let destination: SocketAddress

    /// What a walk found, and where the request goes.
    struct Result {
        var request: Explanation.Request
        /// In `Snapshot.routeTargets`; empty: it is answered.
        var targets: [RouteTarget] = []
        /// The rule that sends it on, for the walk that follows.
        var rule: Int?
    }

    private static let passedMax = 8

    /// `before`: the rule that has rewritten the request already, where both ends have routes.
    func walk(_ index: Int, listener: String, after before: Int? = nil) -> Result {
        let record = snapshot.httpListeners[index]
        let table = snapshot.routeTables[Int(record.routeTable)]
        var request = Explanation.Request(
            listener: listener, method: question.method, host: question.host ?? destination.description,
            path: question.path, filters: [], table: table.name, passed: [], action: "", details: [])
        do throws(RequestQuestion.Refusal) {
            var head = try question.head(to: destination, record)
            if let before { routes.view.rewriteRequest(routes.view.rule(before), &head, RequestVariables()) }
            request.host = head.text(head.authority)
            request.path = head.text(head.path)
            request.filters = filters(record.filters, "of the listener", head)
            return find(record, table, &head, request)
        } catch {
            request.action = "answered \(error.status): \(error.why)"
            request.status = error.status
            return Result(request: request)
        }
    }

    private func find(
        _ record: HTTPListenerRecord, _ table: Configuration.RouteTable, _ head: inout MessageHead,
        _ draft: Explanation.Request
    ) -> Result {
        var request = draft
        let host = DomainChoice(table, authority: request.host)
        request.domain = host?.domain.description
        let found = routes.view.find(table: Int(record.routeTable), head)
        let (place, rule) = found.flatMap(rule) ?? (nil, nil)
        if let virtualHost = place?.virtualHost ?? host?.virtualHost {
            let before = table.virtualHosts[virtualHost].rules.prefix(place?.rule ?? .max)
            let plain = PlainRequest(head)
            for (position, rule) in before.enumerated().prefix(Self.passedMax) {
                let name = RouteName(rule, table: table.name, virtualHost: virtualHost, rule: position)
                request.passed.append(.init(rule: name.description, why: plain.obstacle(rule.match)))
            }
        }
        guard let found, let place, let rule else {
            request.status = 404
            request.action = host == nil ? "answered 404: no domain is for this host" : "answered 404: no rule matches"
            return Result(request: request)
        }
        request.rule = snapshot.routeName(place, rule)
        request.position = place.rule
        request.match = rule.match.words
        request.filters += filters(snapshot.routeLinks[place.index].filters, "of the rule", head)
        return conclude(found, rule, &head, request)
    }

    private func conclude(
        _ found: Int, _ rule: Configuration.Rule, _ head: inout MessageHead, _ draft: Explanation.Request
    ) -> Result {
        var request = draft
        request.action = rule.action.words
        let record = routes.view.rule(found)
        switch rule.action {
        case .respond(let status, _):
            request.status = status
            return Result(request: request)
        case .redirect(let redirect):
            request.status = redirect.status
            request.action = "redirect \(redirect.status) to \(location(record, head))"
            return Result(request: request)
        case .forward(let forwarding):
            request.details = forwarding.details
            routes.view.rewriteRequest(record, &head, RequestVariables())
            if head.text(head.authority) != request.host { request.sentHost = head.text(head.authority) }
            if head.text(head.path) != request.path { request.sentPath = head.text(head.path) }
            let targets = snapshot.routeLinks[found].targets.indices.map { snapshot.routeTargets[$0] }
            return Result(request: request, targets: targets, rule: found)
        }
    }

    private func rule(_ index: Int) -> (RulePlace, Configuration.Rule)? {
        var found: (RulePlace, Configuration.Rule)?
        snapshot.forEachRule { place, rule in
            if place.index == index { found = (place, rule) }
        }
        return found
    }

    private func location(_ rule: RuleRecord, _ head: borrowing MessageHead) -> String {
        var output = OutputBuffer()
        routes.view.redirectLocation(rule, head, isTLS: false, into: &output)
        // Copied within the call.
        return unsafe output.withBytes { unsafe String(decoding: $0, as: UTF8.self) }
    }

    private func filters(_ range: IndexRange, _ whose: String, _ head: borrowing MessageHead) -> [String] {
        var words: [String] = []
        var scratch = PatternScratch()
        for index in range.indices {
            let name =
                switch snapshot.filters[index] {
                case .fault: "fault"
                case .localRateLimit: "localRateLimit"
                }
            let applies = routes.view.applies(filter: index, head, scratch: &scratch)
            words.append("\(name) \(whose)" + (applies ? "" : ": not for this request"))
        }
        return words
    }
}

/// The virtual host that a request's authority leads to.
private struct DomainChoice {
    let virtualHost: Int
    let domain: Domain

    /// nil: no domain of the table is for it.
    init?(_ table: Configuration.RouteTable, authority: String) {
        var (host, port) = (Substring(authority.lowercased()), UInt16?.none)
        if let colon = host.lastIndex(of: ":"), let number = UInt16(host[host.index(after: colon)...]) {
            (host, port) = (host[..<colon], number)
        }
        if host.hasSuffix(".") { host.removeLast() }
        var best: (rank: Rank, virtualHost: Int, domain: Domain)?
        for (index, virtualHost) in table.virtualHosts.enumerated() {
            for domain in virtualHost.domains where domain.isFor(host) && (domain.port == nil || domain.port == port) {
                let rank = Rank(domain)
                if best.map({ $0.rank < rank }) ?? true { best = (rank, index, domain) }
            }
        }
        guard let best else { return nil }
        virtualHost = best.virtualHost
        domain = best.domain
    }

    /// Exact before suffix before prefix before any; the longer before the shorter; with a port before without.
    private struct Rank: Comparable {
        let kind, length, port: Int

        init(_ domain: Domain) {
            kind = -Int(domain.kind.rawValue)
            length = domain.text.utf8.count
            port = domain.port == nil ? 0 : 1
        }

        static func < (left: Rank, right: Rank) -> Bool {
            (left.kind, left.length, left.port) < (right.kind, right.length, right.port)
        }
    }
}

extension Domain {
    fileprivate func isFor(_ host: Substring) -> Bool {
        switch kind {
        case .exact: host == text
        case .suffix: host.hasSuffix(text) && host.utf8.count > text.utf8.count
        case .prefix: host.hasPrefix(text) && host.utf8.count > text.utf8.count
        case .any: true
        }
    }
}
