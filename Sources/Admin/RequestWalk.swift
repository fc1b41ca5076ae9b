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
            return find(record, &head, request)
        } catch {
            request.action = "answered \(error.status): \(error.why)"
            request.status = error.status
            return Result(request: request)
        }
    }

    private func find(
        _ record: HTTPListenerRecord, _ head: inout MessageHead, _ draft: Explanation.Request
    ) -> Result {
        var request = draft
        let explanation = routes.explain(table: Int(record.routeTable), head)
        for step in explanation.steps {
            let isRule = step.subject.hasPrefix("rule ")
            if step.isChosen, !isRule { request.domain = step.reason }
            if !step.isChosen, isRule {
                request.passed.append(.init(rule: String(step.subject.dropFirst(5)), why: step.reason))
            }
        }
        guard let found = explanation.rule, let (place, rule) = rule(found) else {
            request.status = 404
            let why = request.domain == nil ? "no domain is for this host" : "no rule matches"
            request.action = "answered 404: \(why)"
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
