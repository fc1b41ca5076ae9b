import EventLoop
import HTTP
import Model

/// Times of sessions and exchanges. Timers are set where something has to happen in any case; what activity moves is
/// computed when a timer fires, so that an ordinary request sets none.
extension Worker {
    // MARK: clients

    mutating func setTimer(_ client: SlabReference<ClientSession>, _ handle: SlabHandle, at time: Int64) {
        timers.cancel(client.value.timer)
        client.value.timer = timers.set(time, payload: Token(.clientTimer, handle).bits)
        client.value.timerAt = time
    }

    /// It fires no later than `time`.
    mutating func lowerTimer(_ client: SlabReference<ClientSession>, _ handle: SlabHandle, to time: Int64) {
        guard client.value.timer == .none || client.value.timerAt > time else { return }
        setTimer(client, handle, at: time)
    }

    mutating func clientTimerFired(_ handle: SlabHandle) {
        guard let client = clients.find(handle) else { return }
        client.value.timer = .none
        let deadline = deadline(of: client)
        guard deadline <= now else { return setTimer(client, handle, at: deadline) }
        if client.value.state == .lingering { return closeClient(client, handle, .completed, by: .proxy) }
        if let multiplex = client.value.multiplex?.reference { return streamsTimedOut(client, handle, multiplex) }
        guard let exchange = exchanges.find(client.value.exchange) else {
            endRest(client)
            return enqueue(client, handle)
        }
        client.value.isClosing = true
        if exchange.value.phase == .receiving {
            exchange.value.requestEnded = true
            reply(exchange, status: 408, .headerTimeout, "the request's head took too long\n")
        } else if !exchange.value.responseStarted {
            exchange.value.requestEnded = true
            reply(exchange, status: 504, .idleTimeout, "nothing happened for too long\n")
        } else {
            client.value.abortReason = .idleTimeout
        }
        flushAll()
        enqueueClient(handle)
    }

    func deadline(of client: SlabReference<ClientSession>) -> Int64 {
        if client.value.state == .lingering { return lingerDeadline(client) }
        let settings = client.value.settings
        if let multiplex = client.value.multiplex?.reference { return streamsDeadline(client, multiplex) }
        guard let exchange = exchanges.find(client.value.exchange) else {
            return client.value.lastActivity + restTimeout(client)
        }
        if client.value.headStartedAt > 0 { return client.value.headStartedAt + settings.headerTimeout }
        return max(client.value.lastActivity + exchange.value.silenceMax, exchange.value.idleDeadline)
    }

    /// How long a client without a request may do nothing. One that has not taken all of its answers is not idle, but slow.
    func restTimeout(_ client: SlabReference<ClientSession>) -> Int64 {
        if client.value.io.hasOutput { return client.value.settings.streamIdleTimeout }
        let timeout = client.value.settings.keepAliveTimeout
        return isDraining ? min(timeout, Self.drainIdleNanoseconds) : timeout
    }

    /// That time is over. Who has taken nothing of what waits for it is not waited for.
    func endRest(_ client: SlabReference<ClientSession>) {
        client.value.isClosing = true
        if client.value.io.hasOutput { client.value.abortReason = .idleTimeout }
    }

    /// A draining worker closes connections that have not been used for so long: who is about to send a request has
    /// probably done so.
    static let drainIdleNanoseconds: Int64 = 1_000_000_000

    // MARK: servers

    mutating func serverTimerFired(_ handle: SlabHandle) {
        guard let server = servers.find(handle) else { return }
        server.value.timer = .none
        server.value.timedOut = true
        enqueueServer(handle)
    }

    // MARK: exchanges

    /// The request has been handed to an upstream connection.
    mutating func startAttempt(_ exchange: SlabReference<Exchange>) {
        exchange.value.tryStartedAt = now
        let timeout = exchange.value.retry.perTryTimeout
        exchange.value.tryDeadline = timeout > 0 ? now + timeout : 0
        setTimer(exchange)
    }

    mutating func pause(_ exchange: SlabReference<Exchange>, for delay: Int64, _ pause: Exchange.Pause) {
        exchange.value.phase = .paused
        exchange.value.pause = pause
        exchange.value.pauseEnd = now + delay
        setTimer(exchange)
    }

    /// Sets its timer to the next of its times.
    mutating func setTimer(_ exchange: SlabReference<Exchange>) {
        let due = min(
            Self.due(exchange.value.deadline), Self.due(exchange.value.tryDeadline), Self.due(exchange.value.pauseEnd))
        guard due < .max else { return }
        timers.cancel(exchange.value.timer)
        exchange.value.timer = timers.set(due, payload: Token(.exchangeTimer, exchange.value.id).bits)
    }

    /// 0 is no such time.
    private static func due(_ time: Int64) -> Int64 { time > 0 ? time : .max }

    mutating func exchangeTimerFired(_ handle: SlabHandle) {
        guard let exchange = exchanges.find(handle) else { return }
        exchange.value.timer = .none
        // The response is all there; what is left of the request has the idle timeout.
        if exchange.value.phase == .answered { return }
        if exchange.value.deadline > 0, exchange.value.deadline <= now {
            exchange.value.deadline = 0
            noteCallersTimeOver(exchange)
            upstreamFailed(exchange, .timeout)
        } else if exchange.value.pauseEnd > 0, exchange.value.pauseEnd <= now {
            exchange.value.pauseEnd = 0
            setTimer(exchange)
            resume(exchange)
        } else if exchange.value.tryDeadline > 0, exchange.value.tryDeadline <= now, !exchange.value.responseStarted {
            exchange.value.tryDeadline = 0
            setTimer(exchange)
            upstreamFailed(exchange, .perTryTimeout)
        } else {
            setTimer(exchange)
        }
        flushAll()
    }

    private mutating func resume(_ exchange: SlabReference<Exchange>) {
        switch exchange.value.pause {
        case .retry: acquire(exchange)
        case .filters: resumeFilters(exchange)
        case .serverEnd: if exchange.value.requestEnded { responseEnded(exchange) } else { awaitServerEnd(exchange) }
        }
    }
}
