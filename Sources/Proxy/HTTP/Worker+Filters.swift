import EventLoop
import HTTP
import Model
import Routing

/// What filters do with a request: let it pass, let it wait, or answer it.
extension Worker {
    /// Asks one filter. False: the request does not go on now, or at all.
    mutating func apply(_ index: Int, _ exchange: SlabReference<Exchange>) -> Bool {
        guard routes.applies(filter: index, exchange.value.heads.reference.value.request, scratch: &patterns) else {
            return true
        }
        switch snapshot.filters[index] {
        case .fault(let fault): return apply(fault, exchange)
        case .localRateLimit(let limit): return apply(limit, exchange)
        }
    }

    private mutating func apply(_ fault: FaultRecord, _ exchange: SlabReference<Exchange>) -> Bool {
        let (delay, status) = fault.decide(random: random.next())
        exchange.value.faultStatus = status ?? 0
        guard delay > 0 else { return !abort(exchange) }
        exchange.value.record.flags.add(.faultDelay)
        pause(exchange, for: delay, .filters)
        return false
    }

    /// Answers instead of the endpoint, if a fault says so.
    private mutating func abort(_ exchange: SlabReference<Exchange>) -> Bool {
        guard exchange.value.faultStatus > 0 else { return false }
        reply(exchange, status: exchange.value.faultStatus, .faultAbort, "fault injected\n")
        return true
    }

    private mutating func apply(_ limit: RateLimitRecord, _ exchange: SlabReference<Exchange>) -> Bool {
        switch limit.take(from: context.shared.rateBuckets, now: now) {
        case .allowed: return true
        case .refused(let wait):
            let seconds = Int((wait + 999_999_999) / 1_000_000_000)
            reply(exchange, status: limit.status, .rateLimited, "rate limit exceeded\n", retryAfterSeconds: seconds)
            return false
        }
    }

    /// A filter's pause is over.
    mutating func resumeFilters(_ exchange: SlabReference<Exchange>) {
        guard !abort(exchange) else { return }
        if exchange.value.stage == .receiver || exchange.value.stage == .receiverRoute {
            // Still on its way to a connection: its body has to wait for that.
            exchange.value.phase = .acquiring
            return exchange.value.generation == snapshot.generation ? runFilters(exchange) : askReceiverAnew(exchange)
        }
        exchange.value.phase = .receiving
        if exchange.value.generation == snapshot.generation { return runFilters(exchange) }
        // A reload has come meanwhile: indices mean nothing any more. The request is routed anew; filters that have let
        // it pass are not asked again.
        guard let client = clients.find(exchange.value.client) else { return finishExchange(exchange) }
        refreshSettings(client)
        exchange.value.settings = client.value.settings
        exchange.value.generation = snapshot.generation
        releaseRoutes(exchange)
        releasePlaces(exchange)
        guard !client.value.isOrphan, findRoute(exchange) else {
            return reply(exchange, status: 503, .noRoute, "its routes are gone\n")
        }
        obeyRoute(exchange)
    }
}
