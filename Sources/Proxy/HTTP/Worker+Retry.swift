import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// What happens when an attempt fails: another one, or the bad news.
extension Worker {
    /// What a rule allows for this request.
    mutating func prepareRetries(_ exchange: SlabReference<Exchange>, _ rule: Int) {
        let method = exchange.value.heads.reference.value.request.method
        exchange.value.isRepeatable = method.isIdempotent || routes.rules[rule].retryNonIdempotent
        exchange.value.retry = RetryState(routes.rules[rule].retry)
        // A body is kept where it may be needed again; none at all is always there.
        exchange.value.keepsReplay =
            exchange.value.requestFraming != .none && !exchange.value.wantsUpgrade && exchange.value.replayMax > 0
            && (exchange.value.isRepeatable || routes.rules[rule].hasMirrors
                // A stream may be refused, or its connection be going away, when the body has been sent.
                || speaksHTTP2(exchange, exchange.value.target.cluster))
    }

    /// The attempt under way has failed. Its connection closes.
    mutating func upstreamFailed(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) {
        exchange.value.lastFailure = failure
        if failure.isTimeout { exchange.value.record.timeouts &+= 1 }
        report(exchange, failure)
        let outcome = outcome(exchange, failure)
        leaveUpstream(exchange)
        guard !exchange.value.responseStarted else { return cutOff(exchange, failure) }
        if failure != .timeout, mayRetry(exchange, outcome, callStatus: callStatus(exchange, failure.status)) {
            return retry(exchange)
        }
        giveUp(exchange)
    }

    /// Whether the connection had died while it was idle, or may have: no byte of a response came by it, and it had served
    /// before. If the kernel took bytes of the request, only what may be repeated counts as such.
    private func isStale(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) -> Bool {
        guard failure == .reset || failure == .vanished, let server = servers.find(exchange.value.server),
            server.value.multiplex == nil, server.value.requests > 1, server.value.decoder.isBetweenMessages
        else { return false }
        return server.value.bytesSent == 0 || exchange.value.isRepeatable
    }

    /// Whether all that was sent of the request could be sent again.
    private func isReplayable(_ exchange: SlabReference<Exchange>) -> Bool {
        if exchange.value.requestFraming == .none || exchange.value.keepsReplay { return true }
        // Nothing of the body was passed on yet: it is still with the client, or in its session.
        return exchange.value.passedOn == 0
    }

    private func outcome(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) -> RetryState.Outcome {
        if isStale(exchange, failure) { return .staleConnection }
        return switch failure {
        case .connectFailed, .connectTimeout, .portsExhausted, .nodeLimit, .forbidden: .connectFailure
        case .denied, .receiverFull, .reset, .vanished, .protocolError: .reset
        case .perTryTimeout, .timeout: .perTryTimeout
        case .refused: .refusedStream
        case .goneAway: .staleConnection
        case .turnedAway: .turnedAway
        }
    }

    /// Whether there is to be another attempt; then its place among the cluster's retries is taken, and its pause known.
    mutating func mayRetry(
        _ exchange: SlabReference<Exchange>, _ outcome: RetryState.Outcome, callStatus: Int? = nil
    ) -> Bool {
        let before = exchange.value.retry.retries
        let decision = exchange.value.retry.decide(
            outcome: outcome, isReplayable: isReplayable(exchange), isIdempotent: exchange.value.isRepeatable,
            callStatus: callStatus, random: &random)
        guard case .retry(let delay) = decision else { return false }
        exchange.value.backoff = delay
        // What went wrong with an idle connection says nothing about the endpoint, nor about the cluster.
        guard outcome != .staleConnection else {
            exchange.value.tried = TriedEndpoints()
            return true
        }
        guard outcome != .turnedAway || exchange.value.retry.retries > before else { return true }
        guard takeRetry(exchange) else {
            exchange.value.record.flags.add(.retryOverflow)
            return false
        }
        return true
    }

    private mutating func takeRetry(_ exchange: SlabReference<Exchange>) -> Bool {
        guard let cluster = currentCluster(exchange) else { return false }
        let percent = exchange.value.retry.budgetPercent
        guard retryBudgets.take(snapshot.clusters[cluster].slot, percent: percent, now: now) else {
            countCluster(snapshot.clusters[cluster].slot, .retryBudgetEmpty)
            return false
        }
        guard !exchange.value.counted.retry else { return true }
        guard context.shared.takeRetry(snapshot.clusters[cluster]) else {
            countCluster(snapshot.clusters[cluster].slot, .retryBreakerOpen)
            return false
        }
        exchange.value.counted.retry = true
        return true
    }

    /// The next attempt, after its pause.
    mutating func retry(_ exchange: SlabReference<Exchange>) {
        leaveUpstream(exchange)
        exchange.value.heads.reference.value.response.removeAll()
        exchange.value.heads.reference.value.responseTrailers.removeAll()
        exchange.value.requestSent = false
        exchange.value.responseFraming = .none
        exchange.value.tryDeadline = 0
        guard exchange.value.backoff > 0 else { return acquire(exchange) }
        pause(exchange, for: exchange.value.backoff, .retry)
    }

    /// Nothing more to try: the client is told what went wrong last.
    mutating func giveUp(_ exchange: SlabReference<Exchange>) {
        let failure = exchange.value.lastFailure ?? .connectFailed
        reply(exchange, status: failure.status, failure.flag, failure.text)
    }

    /// The response was under way: the client must not take what it has for all of it.
    private mutating func cutOff(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) {
        exchange.value.record.flags.add(failure.flag)
        guard !endCall(exchange, status: failure.status, failure.text) else { return finishExchange(exchange) }
        cutOffClient(exchange, .internalError, .upstreamReset)
        finishExchange(exchange)
    }

    /// The exchange's upstream connection, if it has one, closes; of a connection of streams its own one ends.
    mutating func leaveUpstream(_ exchange: SlabReference<Exchange>) {
        endAttempt(exchange)
        let handle = exchange.value.server
        guard let server = servers.find(handle) else {
            // It is closed already, and with it the stream: the next attempt has none yet.
            exchange.value.server = .none
            exchange.value.serverStream = 0
            return
        }
        if let multiplex = server.value.multiplex?.reference {
            return leaveStream(exchange, server, handle, multiplex)
        }
        detach(exchange, server)
        closeServer(handle)
    }

    /// The attempt no longer counts for its endpoint.
    mutating func endAttempt(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.counted.endpoint else { return }
        exchange.value.counted.endpoint = false
        picker.requestFinished(
            endpointSlot: exchange.value.endpointSlot, latencyNanoseconds: now - exchange.value.tryStartedAt, now: now)
    }

    /// Tells the outlier detection what the endpoint answered. Not implemented is what was asked for: any client could have
    /// an endpoint taken out by it.
    mutating func report(_ exchange: SlabReference<Exchange>, status: Int) {
        report(
            endpointSlot: exchange.value.endpointSlot, clusterSlot: exchange.value.clusterSlot,
            status >= 500 && status != 501 ? .failure(.status5xx) : .success)
    }

    /// The same of an attempt without an answer; nothing of what is this process's own trouble, or the client's.
    private mutating func report(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) {
        guard let kind = failure.endpointFailure, !exchange.value.responseEnded else { return }
        if kind == .timeout, !isEndpointLate(exchange, failure) { return }
        report(
            endpointSlot: exchange.value.endpointSlot, clusterSlot: exchange.value.clusterSlot, .failure(kind))
    }

    /// Whether a time that is over was the endpoint's to keep: it had the request, or did not take it, and said nothing. A
    /// slow client, or one that gives less time than its route, is not its fault.
    private func isEndpointLate(_ exchange: SlabReference<Exchange>, _ failure: UpstreamFailure) -> Bool {
        if exchange.value.responseStarted || failure == .timeout && exchange.value.isCallersTime { return false }
        guard let server = servers.find(exchange.value.server) else { return false }
        if server.value.state == .connecting { return true }
        return exchange.value.requestEnded || exchange.value.heldUp != nil || server.value.io.isBlocked
    }
}
