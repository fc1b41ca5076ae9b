import EventLoop
import HTTP
import Model

/// Times of connections of many streams. One timer looks after all streams of a connection, so that an ordinary request
/// sets none.
extension Worker {
    /// When the first of its streams will have been silent for too long, or what has begun not have come.
    func streamsDeadline(_ client: SlabReference<ClientSession>, _ multiplex: SlabReference<Multiplex>) -> Int64 {
        var first = Int64.max
        if client.value.headStartedAt > 0 { first = client.value.headStartedAt + client.value.settings.headerTimeout }
        for tag in tags(of: multiplex) {
            guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { continue }
            first = min(first, exchange.value.idleDeadline)
        }
        guard multiplex.value.codec.streamCount == 0 else { return first }
        return min(first, client.value.lastActivity + restTimeout(client))
    }

    /// One of its times is over.
    mutating func streamsTimedOut(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        let settings = client.value.settings
        if client.value.headStartedAt > 0, client.value.headStartedAt + settings.headerTimeout <= now {
            // Whoever sends half a frame stops all of its streams: nothing more comes of this connection.
            abandonStreams(multiplex, .idleTimeout)
            client.value.isClosing = true
        } else if multiplex.value.codec.streamCount == 0 {
            endRest(client)
        } else {
            endIdleStreams(multiplex)
            setTimer(client, handle, at: max(deadline(of: client), now + Self.streamsTimerNanoseconds))
        }
        flushAll()
        enqueue(client, handle)
    }

    /// The least between two looks at the streams of a connection.
    private static var streamsTimerNanoseconds: Int64 { 10_000_000 }

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
