import Model
import Routing

extension Explainer {
    /// Leads the question's request through routes; nil where there are none. The tables are compiled as workers have
    /// them: some ten milliseconds for ten thousand rules.
    static func walk(
        _ question: RequestQuestion?, to destination: SocketAddress, _ snapshot: Snapshot
    ) throws(Explanation.BadQuestion) -> RequestWalk? {
        guard !snapshot.httpListeners.indices.isEmpty else { return nil }
        let question = if let question { question } else { try RequestQuestion() }
        return RequestWalk(
            snapshot: snapshot, routes: RouteTables(snapshot), question: question, destination: destination)
    }

    /// A question about a request where nobody reads requests.
    func noteBytes(_ draft: inout Explanation) {
        guard isAboutARequest else { return }
        draft.notes.append(
            "\(draft.table?.table ?? draft.leg) passes bytes on: what a request says does not matter there")
    }

    /// The part of a connection that speaks HTTP: routes, then what an L4 connection meets too.
    func explainRequest(
        _ http: Int, _ listener: String, clientPod: Int?, leg: ConnectionDirection, _ draft: inout Explanation
    ) {
        guard let walk else { return }
        if !isAboutARequest { draft.notes.append("for a GET of /: other requests may meet other rules") }
        let result = walk.walk(http, listener: listener)
        draft.request = result.request
        if let status = result.request.status {
            draft.outcome = .answered
            draft.verdict = "answered \(status) by \(result.request.rule.map { "route \($0)" } ?? listener)"
            if result.request.rule == nil { draft.verdict = result.request.action }
            return
        }
        let names = result.targets.map { snapshot.clusterName($0.cluster) }
        draft.cluster = names.joined(separator: ", ")
        for (target, name) in zip(result.targets, names) {
            let first = draft.endpoints.count
            addEndpoints(
                of: target.cluster, subset: target.subset, clientPod: clientPod, leg: leg, after: result.rule, &draft)
            addRequestLimit(target.cluster, &draft)
            guard result.targets.count > 1 else { continue }
            for index in draft.endpoints.indices[first...] { draft.endpoints[index].cluster = name }
        }
        addReceivingPodLimits(leg, &draft)
        decideRequest(&draft)
    }

    private func addRequestLimit(_ index: Int, _ draft: inout Explanation) {
        let cluster = snapshot.clusters[index]
        guard cluster.requestsMax != .max else { return }
        draft.limits.append(
            Explanation.Limit(
                name: "circuitBreaker requests of cluster \(snapshot.clusterName(index))",
                used: shared?.clusterRequests.load(cluster.slot), max: cluster.requestsMax))
    }

    private func decideRequest(_ draft: inout Explanation) {
        let name = draft.cluster ?? ""
        let eligible = draft.endpoints.filter(\.eligible)
        let full = draft.limits.first { limit in limit.used.map { $0 >= limit.max } ?? false }
        draft.outcome = .answered
        if let full, full.name.hasPrefix("connections of pod") {
            draft.outcome = .reset
            draft.verdict = "reset: \(full.name): \(full.used ?? 0) of \(full.max) in use"
        } else if let full {
            draft.verdict = "answered 503: \(full.name): \(full.used ?? 0) of \(full.max) in use"
        } else if eligible.isEmpty {
            draft.verdict = "answered 503: cluster \(name) has no endpoint that may be used"
        } else if eligible.allSatisfy({ $0.inbound?.action == "deny" }) {
            draft.verdict = "answered 503: \(eligible[0].inbound?.table ?? "") denies it"
        } else {
            draft.outcome = .forwarded
            let count = eligible.count == 1 ? eligible[0].address : "one of \(eligible.count) endpoints"
            let rule = draft.request?.rule ?? ""
            let clusters = (name.contains(", ") ? "clusters " : "cluster ") + name
            draft.verdict = "forwarded to \(count) of \(clusters) by route \(rule)"
            noteReceivers(eligible, &draft)
        }
    }

    /// Endpoints whose own routes answer in their place.
    func noteAnswers(_ eligible: [Explanation.Endpoint], _ draft: inout Explanation) {
        for endpoint in eligible {
            guard let status = endpoint.request?.status, let table = endpoint.inbound?.table else { continue }
            draft.notes.append("at \(endpoint.address) \(table) answers \(status)")
        }
    }

    private func noteReceivers(_ eligible: [Explanation.Endpoint], _ draft: inout Explanation) {
        let denied = eligible.count { $0.inbound?.action == "deny" }
        if denied > 0 {
            draft.notes.append("\(denied) of \(eligible.count) endpoints are pods that deny it: picked, then a reset")
        }
        noteAnswers(eligible, &draft)
        if eligible.contains(where: Self.isOut) {
            draft.notes.append("too few endpoints are healthy (panicThreshold): health is ignored")
        }
    }
}
