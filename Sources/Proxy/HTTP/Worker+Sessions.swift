import EventLoop
import Model
import Syscalls
import Upstream

/// What happens to sessions from outside: events, new generations, drains, ends.
extension Worker {
    mutating func takeInClient(_ readiness: Poller.Readiness, _ handle: SlabHandle) {
        // A stale handle: the connection was closed earlier in this batch of events.
        guard let client = clients.find(handle) else { return }
        client.value.io.event(readiness)
        if hasWork(client) { enqueue(client, handle) }
    }

    mutating func takeInServer(_ readiness: Poller.Readiness, _ handle: SlabHandle) {
        guard let server = servers.find(handle) else { return }
        server.value.io.event(readiness)
        if server.value.state == .connecting, !readiness.isDisjoint(with: [.writable, .hangup, .error]) {
            server.value.answered = true
        }
        guard hasWork(server) else { return }
        // Before anybody takes it for a request: an end that is known must not meet one.
        if server.value.state == .idle, server.value.multiplex == nil || server.value.io.readToEnd {
            return closeServer(handle)
        }
        enqueueServer(handle)
    }

    /// Whether a turn could do something for it.
    func hasWork(_ client: SlabReference<ClientSession>) -> Bool {
        if client.value.abortReason != nil || client.value.io.isBroken { return true }
        if let multiplex = client.value.multiplex?.reference { return hasWork(client, multiplex) }
        if client.value.io.hasOutput { return client.value.io.isWritable }
        if client.value.state == .lingering { return client.value.io.isReadable }
        if client.value.isClosing, client.value.exchange.isNone { return true }
        guard mayReceive(client) else { return false }
        // Bytes that are known to be too few are no work.
        return client.value.io.isReadable && !client.value.io.inputEnded || !client.value.needsMoreInput
    }

    private func hasWork(_ client: SlabReference<ClientSession>, _ multiplex: SlabReference<Multiplex>) -> Bool {
        if client.value.state == .lingering { return client.value.io.isReadable }
        if client.value.io.hasWork(multiplex) { return true }
        if client.value.isClosing, multiplex.value.codec.streamCount == 0, !client.value.io.hasOutput,
            multiplex.value.codec.hasSaidLast || !multiplex.value.isLeaving
        {
            return true
        }
        guard mayReceiveFrames(client, multiplex) else { return false }
        return client.value.io.isReadable && !client.value.io.inputEnded || !client.value.needsMoreInput
    }

    private func hasWork(_ server: SlabReference<ServerSession>, _ multiplex: SlabReference<Multiplex>) -> Bool {
        if server.value.io.isBroken, !server.value.io.isReadable { return true }
        return server.value.io.hasWork(multiplex) || mayReceiveFrames(server)
    }

    /// Whether a turn could do something for it.
    func hasWork(_ server: SlabReference<ServerSession>) -> Bool {
        if server.value.state != .connecting, let multiplex = server.value.multiplex?.reference {
            return hasWork(server, multiplex)
        }
        switch server.value.state {
        case .connecting: return server.value.answered || server.value.timedOut
        case .idle: return server.value.io.isReadable || server.value.io.isBroken
        case .busy:
            if server.value.io.hasOutput, server.value.io.isWritable { return true }
            if server.value.io.isBroken, !server.value.io.isReadable { return true }
            guard mayReceive(server) else { return false }
            return server.value.io.isReadable || !server.value.needsMoreInput
        }
    }

    /// Once a second: idle connections whose time is over, and what goes by seconds.
    mutating func tendSessions() {
        wallOffset = Clock.wall() - now
        while let index = idle.expired(now) { closeIdle(index) }
        tendGathered()
    }

    /// The wall clock at a monotonic time of this second.
    func wallClock(_ time: Int64) -> Int64 { time + wallOffset }

    /// Resets all sessions.
    mutating func closeSessions() {
        for index in 0..<clients.indexEnd {
            guard let handle = clients.handle(at: index), let client = clients.find(handle) else { continue }
            closeClient(client, handle, .drainTimeout, by: .proxy)
        }
        for index in 0..<servers.indexEnd {
            if let handle = servers.handle(at: index) { closeServer(handle) }
        }
        for index in 0..<exchanges.indexEnd {
            guard let handle = exchanges.handle(at: index), let exchange = exchanges.find(handle) else { continue }
            finishExchange(exchange)
        }
    }
}
