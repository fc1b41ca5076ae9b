import EventLoop
import HTTP
import Model

/// Times of connections of many streams. One timer looks after all streams of a connection, so that an ordinary request
/// sets none.
extension Worker {
    /// When the first of its streams will have been silent for too long, or what has begun not have come.
    func streamsDeadline(_ client: SlabReference<ClientSession>, _ multiplex: SlabReference<Multiplex>) -> Int64 {
        var first = Int64.max
        if !multiplex.value.isLeaving {
            first = client.value.expiresAt
        } else if !multiplex.value.codec.hasSaidLast {
            first = multiplex.value.leaveBy
        }
        if client.value.headStartedAt > 0 {
            first = min(first, client.value.headStartedAt + client.value.settings.headerTimeout)
        }
        for tag in tags(of: multiplex) {
            guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { continue }
            first = min(first, exchange.value.idleDeadline)
        }
        guard multiplex.value.codec.streamCount == 0 else { return first }
        if multiplex.value.isLeaving { return min(first, client.value.lastActivity + Self.leaveUnreadNanoseconds) }
        return min(first, client.value.lastActivity + restTimeout(client))
    }

    /// One of its times is over.
    mutating func streamsTimedOut(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        let settings = client.value.settings
        if client.value.headStartedAt > 0, client.value.headStartedAt + settings.headerTimeout <= now {
            // Whoever sends half a frame stops all of its streams: nothing more comes of this connection.
            client.value.headStartedAt = 0
            abandonStreams(multiplex, .idleTimeout)
            sayLast(client, handle, multiplex)
        } else if multiplex.value.isLeaving, multiplex.value.leaveBy <= now {
            // Everything was said, and it is not read.
            if multiplex.value.codec.hasSaidLast, multiplex.value.codec.streamCount == 0 {
                return closeClient(client, handle, .idleTimeout, by: .proxy)
            }
            sayLast(client, handle, multiplex)
        } else if multiplex.value.codec.streamCount == 0 || client.value.expiresAt <= now {
            leave(client, handle)
        }
        endIdleStreams(multiplex)
        let next = min(deadline(of: client), now + Self.streamsTimerNanosecondsMax)
        setTimer(client, handle, at: max(next, now + Self.streamsTimerNanoseconds))
        flushAll()
        enqueue(client, handle)
    }

    /// How long a client may take to read the last words.
    static var leaveUnreadNanoseconds: Int64 { 5_000_000_000 }

    /// The least and the most between two looks at the streams of a connection.
    private static var streamsTimerNanoseconds: Int64 { 10_000_000 }
    private static var streamsTimerNanosecondsMax: Int64 { 3_600_000_000_000 }

    private mutating func endIdleStreams(_ multiplex: SlabReference<Multiplex>) {
        for tag in tags(of: multiplex) {
            guard let exchange = exchanges.find(SlabHandle(bits: tag)), exchange.value.idleDeadline <= now else {
                continue
            }
            exchange.value.record.flags.add(.idleTimeout)
            if exchange.value.responseStarted {
                if !endCall(exchange, status: 504, Self.idleText) { cutOffClient(exchange, .cancel, .idleTimeout) }
                finishExchange(exchange)
            } else {
                reply(exchange, status: 504, .idleTimeout, Self.idleText)
            }
        }
    }

    private static var idleText: StaticString { "nothing happened for too long\n" }
}
