import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// From a request's head to where it goes: filters of the listener, route, filters of the route, target.
extension Worker {
    /// Runs the filters that have not run yet; at their end the request goes on.
    mutating func runFilters(_ exchange: SlabReference<Exchange>) {
        while true {
            let range = filters(exchange)
            guard exchange.value.nextFilter < range.count else {
                guard nextStage(exchange) else { return }
                continue
            }
            let index = Int(range.lower) + exchange.value.nextFilter
            exchange.value.nextFilter += 1
            guard apply(index, exchange) else { return }
        }
    }

    private func filters(_ exchange: SlabReference<Exchange>) -> IndexRange {
        switch exchange.value.stage {
        case .listener: exchange.value.settings.filters
        case .route: routes.rules[exchange.value.rule].filters
        case .receiver: snapshot.httpListeners[exchange.value.receiver].filters
        case .receiverRoute: routes.rules[exchange.value.receiverRule].filters
        }
    }

    /// All filters of a stage have let the request pass. Returns whether there are more to ask.
    private mutating func nextStage(_ exchange: SlabReference<Exchange>) -> Bool {
        exchange.value.nextFilter = 0
        switch exchange.value.stage {
        case .listener:
            guard findRoute(exchange) else { return false }
            exchange.value.stage = .route
            return true
        case .route:
            obeyRoute(exchange)
            return false
        case .receiver:
            guard findReceiverRoute(exchange) else { return false }
            exchange.value.stage = .receiverRoute
            return true
        case .receiverRoute:
            obeyReceiverRoute(exchange)
            return false
        }
    }

    /// Finds the rule for the request. False: none, and the client has been told.
    mutating func findRoute(_ exchange: SlabReference<Exchange>) -> Bool {
        let table = Int(exchange.value.settings.routeTable)
        guard let index = routes.find(table: table, exchange.value.heads.reference.value.request, scratch: &patterns)
        else {
            reply(exchange, status: 404, .noRoute, "no route matches\n")
            return false
        }
        let slot = routes.rules[index].slot
        exchange.value.rule = index
        exchange.value.record.route = Int32(slot)
        context.shared.routeRequests.add(1, at: slot)
        return true
    }

    /// Does what the rule says.
    mutating func obeyRoute(_ exchange: SlabReference<Exchange>) {
        let rule = exchange.value.rule
        if routes.rules[rule].hasRequestEdits {
            let variables = variables(exchange)
            keepTarget(exchange)
            routes.rewriteRequest(routes.rule(rule), &exchange.value.heads.reference.value.request, variables)
        }
        switch routes.rules[rule].action {
        case .forward: forward(exchange, rule)
        case .respond(let status): respond(exchange, routes.rule(rule), status: Int(status))
        case .redirect(let status): redirect(exchange, routes.rule(rule), status: Int(status))
        }
    }

    /// The log shows what the client asked for, not what a rule makes of it.
    func keepTarget(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.asked == nil else { return }
        let head = exchange.value.heads.reference
        exchange.value.asked = (head.value.request.path, head.value.request.authority)
    }

    /// Chooses the cluster, and takes the request's places in its limits.
    private mutating func forward(_ exchange: SlabReference<Exchange>, _ rule: Int) {
        if let pinned = clients.find(exchange.value.client)?.value.pinned {
            guard let cluster = snapshot.cluster(slot: pinned.clusterSlot) else {
                return reply(exchange, status: 503, .noEndpoint, "its cluster is gone\n")
            }
            exchange.value.target = ClusterTarget(cluster: cluster, subset: -1)
        } else {
            exchange.value.target = routes.target(rule, random: random.next())
            let subset = exchange.value.target.subset
            if subset >= 0 { exchange.value.subsetIdentity = snapshot.subsets[Int(subset)].identity }
        }
        exchange.value.generation = snapshot.generation
        let cluster = snapshot.clusters[exchange.value.target.cluster]
        exchange.value.clusterSlot = cluster.slot
        exchange.value.record.cluster = Int32(cluster.slot)
        guard context.shared.takeRequest(cluster) else {
            countCluster(cluster.slot, .requestBreakerOpen)
            return reply(exchange, status: 503, .circuitBreaker, "too many requests to the cluster\n")
        }
        exchange.value.counted.request = true
        retryBudgets.started(cluster.slot, now: now)
        if !cluster.isOriginalDestination {
            let source = exchange.value.record.client.address
            exchange.value.hash =
                routes.hash(rule, exchange.value.heads.reference.value.request, source: source)
                ?? clientHash(of: source)
        }
        prepareRetries(exchange, rule)
        let timeout = routes.rules[rule].timeout
        if timeout > 0 { exchange.value.deadline = exchange.value.startedAt + timeout }
        if exchange.value.isGRPC { boundCall(exchange) }
        acquire(exchange)
    }

    /// What header edits may speak of.
    func variables(_ exchange: SlabReference<Exchange>) -> RequestVariables {
        let record = exchange.value.record
        var variables = RequestVariables()
        variables.pod = record.pod
        variables.destinationPod = record.destinationPod
        variables.client = record.client
        variables.originalDestination = record.originalDestination
        variables.listener = record.listener
        variables.route = record.route
        variables.cluster = record.cluster
        return variables
    }

    /// The same for a response, whose own head does not have the request's id.
    func responseVariables(_ exchange: SlabReference<Exchange>) -> RequestVariables {
        var variables = variables(exchange)
        variables.takeRequestId(from: exchange.value.heads.reference.value.request)
        return variables
    }
}
