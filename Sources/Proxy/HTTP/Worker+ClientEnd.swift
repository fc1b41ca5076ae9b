import EventLoop
import Model

extension Worker {
    /// How long a client may take to end its side after ours has ended, and what is read of it meanwhile.
    private static let lingerNanoseconds: Int64 = 5_000_000_000
    private static let lingerBytesMax = 1 << 20

    /// All has been said: announces the end, and waits for the client's.
    mutating func endClient(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        guard !client.value.io.inputEnded else { return closeClient(client, handle, .completed, by: .client) }
        client.value.io.transport.finishWriting()
        client.value.state = .lingering
        client.value.lastActivity = now
        if let chunk = client.value.io.input.take() { pool.give(chunk) }
        setTimer(client, handle, at: now + Self.lingerNanoseconds)
        _ = linger(client, handle)
    }

    /// Reads and drops.
    mutating func linger(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) -> Int {
        while client.value.io.isReadable {
            switch client.value.io.read(into: scratch, &pool) {
            case .bytes(let count):
                client.value.lingered += count
                if client.value.lingered > Self.lingerBytesMax {
                    closeClient(client, handle, .completed, by: .proxy)
                    return 0
                }
            case .nothing: return 0
            case .end, .broken:
                closeClient(client, handle, .completed, by: .proxy)
                return 0
            }
        }
        return 0
    }

    /// When lingering is over although the client has not ended.
    func lingerDeadline(_ client: SlabReference<ClientSession>) -> Int64 {
        client.value.lastActivity + Self.lingerNanoseconds
    }

    /// The client is told as far as that can be done at once: what of its streams is lost, and that there will be no others.
    private mutating func sayGoodbye(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard client.value.state == .open, !client.value.io.isBroken, !client.value.io.inputEnded else { return }
        collect(forClient: handle)
        multiplex.value.codec.goAway(.noError, isFinal: true, into: &toClient)
        flushClient()
        var taken = 0
        _ = client.value.io.flush(&pool, taken: &taken)
    }

    /// Closes the connection: with FIN when it is `completed`, else with a reset. What it asked for ends, too. Only from
    /// the session's own turn, or outside of any.
    mutating func closeClient(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ reason: EndReason,
        by side: ConnectionRecord.Side
    ) {
        if reason != .completed { client.value.io.transport.resetOnClose() }
        if !client.value.exchange.isNone { abandon(client.value.exchange, reason) }
        if let lent = client.value.multiplex {
            abandonStreams(lent.reference, reason == .completed ? .clientReset : reason)
            sayGoodbye(client, handle, lent.reference)
            client.value.multiplex = nil
            _ = multiplexes.discard(lent.handle)
        }
        timers.cancel(client.value.timer)
        if client.value.queued { ready.remove(WorkItem(.client, handle.index), pod: client.value.fairnessSlot) }
        // An idle connection that only this client could use.
        closeServer(client.value.privateServer)
        uncharge(client)
        count(.bufferedBytes, -client.value.io.countedBytes)
        client.value.io.giveBack(&pool)
        var record = client.value.record
        record.durationNanoseconds = now - client.value.startedAt
        let (admission, requests) = (client.value.admission, client.value.requests)
        _ = clients.remove(handle)
        // Requests have log lines of their own.
        finish(record, admission, reason, by: side, isLogged: requests == 0)
    }
}
