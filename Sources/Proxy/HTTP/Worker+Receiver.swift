import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// The receiving pod's table, where that pod is on this host: asked for the endpoint picked, in the same exchange.
extension Worker {
    /// Goes on to connect, if the receiver lets the request pass.
    mutating func askReceiver(_ exchange: SlabReference<Exchange>) {
        let endpoint = exchange.value.endpoint
        guard !isOwnListener(endpoint) else {
            return reply(exchange, status: 503, .loop, "the endpoint is this proxy\n")
        }
        // On the inbound leg the table is the one that the connection came under.
        guard exchange.value.record.direction != .inbound, !isPinned(exchange) else { return connect(exchange) }
        leaveReceiver(exchange)
        guard let pod = snapshot.pod(at: endpoint.address, host: exchange.value.record.host) else {
            return connect(exchange)
        }
        exchange.value.record.destinationPod = Int32(snapshot.pods[pod].slot)
        let client = exchange.value.record.client.address
        guard let index = snapshot.inboundEntry(pod: pod, client: client, port: endpoint.port) else {
            return connect(exchange)
        }
        let entry = snapshot.entries[index]
        if entry.action == .deny { return upstreamFailed(exchange, .denied) }
        // A request is no ClientHello: the other host's proxy would reset it.
        if entry.protocolKind == .tls { return upstreamFailed(exchange, .reset) }
        guard entry.http >= 0 else { return connect(exchange) }
        exchange.value.receiver = Int(entry.http)
        exchange.value.stage = .receiver
        exchange.value.nextFilter = 0
        runFilters(exchange)
    }

    /// A reload has come while one of the receiver's filters let the request wait. Filters that have let it pass are not
    /// asked again, and what the sender's route did with it stays.
    mutating func askReceiverAnew(_ exchange: SlabReference<Exchange>) {
        guard currentCluster(exchange) != nil else {
            return reply(exchange, status: 503, .noEndpoint, "its cluster is gone\n")
        }
        let (endpoint, client) = (exchange.value.endpoint, exchange.value.record.client.address)
        guard let pod = snapshot.pod(at: endpoint.address, host: exchange.value.record.host),
            let index = snapshot.inboundEntry(pod: pod, client: client, port: endpoint.port)
        else { return connect(exchange) }
        let entry = snapshot.entries[index]
        if entry.action == .deny { return upstreamFailed(exchange, .denied) }
        // A request is no ClientHello: the other host's proxy would reset it.
        if entry.protocolKind == .tls { return upstreamFailed(exchange, .reset) }
        guard entry.http >= 0 else { return connect(exchange) }
        exchange.value.receiver = Int(entry.http)
        guard findReceiverRoute(exchange) else { return }
        obeyReceiverRoute(exchange)
    }

    private func isPinned(_ exchange: SlabReference<Exchange>) -> Bool {
        clients.find(exchange.value.client)?.value.pinned != nil
    }

    /// Finds the receiver's rule. False: none, and the client has been told.
    mutating func findReceiverRoute(_ exchange: SlabReference<Exchange>) -> Bool {
        let table = Int(snapshot.httpListeners[exchange.value.receiver].routeTable)
        guard let index = routes.find(table: table, exchange.value.heads.reference.value.request, scratch: &patterns)
        else {
            reply(exchange, status: 404, .noRoute, "no route of the receiving pod matches\n")
            return false
        }
        exchange.value.receiverRule = index
        return true
    }

    /// An attempt before met another receiver: the next one gets the request as the sender's table left it.
    private func leaveReceiver(_ exchange: SlabReference<Exchange>) {
        exchange.value.record.destinationPod = -1
        exchange.value.receiver = -1
        if exchange.value.isEditedForReceiver {
            exchange.value.isEditedForReceiver = false
            exchange.value.heads.reference.value.request.copy(from: exchange.value.heads.reference.value.sent)
        }
        guard exchange.value.record.inboundRoute >= 0 else { return }
        context.shared.routeRequests.addReleasing(-1, at: Int(exchange.value.record.inboundRoute))
        exchange.value.record.inboundRoute = -1
    }

    /// Does what the receiver's rule says.
    mutating func obeyReceiverRoute(_ exchange: SlabReference<Exchange>) {
        let rule = routes.rule(exchange.value.receiverRule)
        exchange.value.record.inboundRoute = Int32(rule.slot)
        context.shared.routeRequests.add(1, at: rule.slot)
        if rule.hasRequestEdits {
            keepTarget(exchange)
            exchange.value.heads.reference.value.sent.copy(from: exchange.value.heads.reference.value.request)
            exchange.value.isEditedForReceiver = true
            routes.rewriteRequest(rule, &exchange.value.heads.reference.value.request, variables(exchange))
        }
        switch rule.action {
        case .forward: connect(exchange)
        case .respond(let status): respond(exchange, rule, status: Int(status))
        case .redirect(let status): redirect(exchange, rule, status: Int(status))
        }
    }

    /// The routes it was counted under are its no longer.
    func releaseRoutes(_ exchange: SlabReference<Exchange>) {
        if exchange.value.record.route >= 0 {
            context.shared.routeRequests.addReleasing(-1, at: Int(exchange.value.record.route))
        }
        if exchange.value.record.inboundRoute >= 0 {
            context.shared.routeRequests.addReleasing(-1, at: Int(exchange.value.record.inboundRoute))
        }
        exchange.value.record.route = -1
        exchange.value.record.inboundRoute = -1
    }
}
