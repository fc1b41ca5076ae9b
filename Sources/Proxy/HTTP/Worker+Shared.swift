import EventLoop
import HTTP
import Model
import Upstream

/// Upstream connections that carry many exchanges at once: by key, while there is one under way; in the pool otherwise.
extension Worker {
    /// A connection with that key which has a place for another stream.
    func findShared(_ key: PoolKey) -> (SlabReference<ServerSession>, SlabHandle)? {
        guard var handle = shared[key] else { return nil }
        while let server = servers.find(handle), let multiplex = server.value.multiplex?.reference {
            if hasPlace(server, multiplex) { return (server, handle) }
            handle = multiplex.value.next
        }
        return nil
    }

    /// Whether it may begin another stream, or be waited for.
    func hasPlace(_ server: SlabReference<ServerSession>, _ multiplex: SlabReference<Multiplex>) -> Bool {
        guard !multiplex.value.isLeaving, !server.value.io.isBroken, !server.value.io.inputEnded,
            !hasLeft(server.value.key.pod, since: server.value.plan.generation)
        else { return false }
        guard isKnown(server, multiplex) else { return multiplex.value.waiters.count < multiplex.value.waitersMax }
        return multiplex.value.codec.streamCount < multiplex.value.codec.streamsMax
    }

    /// Whether it is known how many streams it takes. Before, it gets one: what a server takes for too many it may refuse.
    func isKnown(_ server: SlabReference<ServerSession>, _ multiplex: SlabReference<Multiplex>) -> Bool {
        server.value.state != .connecting && multiplex.value.codec.hasPeerSettings
    }

    /// How many streams another connection with that key takes; nil: nobody has said.
    func streamsMax(_ key: PoolKey) -> Int? {
        guard var handle = shared[key] else { return nil }
        while let server = servers.find(handle), let multiplex = server.value.multiplex?.reference {
            if isKnown(server, multiplex) { return multiplex.value.codec.streamsMax }
            handle = multiplex.value.next
        }
        return nil
    }

    /// From now on exchanges with its key may find it.
    mutating func share(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard !multiplex.value.isShared else { return }
        multiplex.value.isShared = true
        multiplex.value.next = shared[server.value.key] ?? .none
        shared[server.value.key] = handle
    }

    /// Nobody finds it any more.
    mutating func unshare(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard multiplex.value.isShared else { return }
        multiplex.value.isShared = false
        let next = multiplex.value.next
        multiplex.value.next = .none
        guard var at = shared[server.value.key] else { return bug() }
        if at == handle {
            shared[server.value.key] = next.isNone ? nil : next
            return
        }
        while let other = servers.find(at)?.value.multiplex?.reference {
            if other.value.next == handle {
                other.value.next = next
                return
            }
            at = other.value.next
        }
        bug()
    }

    /// It begins no more streams; those under way go on.
    mutating func stopSharing(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        multiplex.value.isLeaving = true
        unshare(server, handle, multiplex)
    }

    /// The exchange's stream ends, if it has not ended; the connection goes on, or rests.
    mutating func leaveStream(
        _ exchange: SlabReference<Exchange>, _ server: SlabReference<ServerSession>, _ handle: SlabHandle,
        _ multiplex: SlabReference<Multiplex>
    ) {
        let stream = exchange.value.serverStream
        detach(exchange, server)
        if stream != 0 {
            collect(forServer: handle)
            multiplex.value.codec.reset(stream, .cancel, into: &toServer)
        } else {
            // It waited for the connection, or found no place on it.
            multiplex.value.waiters.removeAll { $0 == exchange.value.id }
        }
        if multiplex.value.codec.streamCount == 0 { rest(server, handle, multiplex) }
    }

    /// Its last stream has ended: it waits in the pool for another one, or closes.
    mutating func rest(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard server.value.state == .busy, multiplex.value.waiters.isEmpty else { return }
        guard !multiplex.value.isLeaving, !server.value.io.isBroken, !server.value.io.inputEnded, mayBeIdle(server)
        else {
            return closeServer(handle)
        }
        unshare(server, handle, multiplex)
        if server.value.key.client != 0 { keepPrivate(handle, of: SlabHandle(bits: server.value.key.client)) }
        makeIdle(server, handle)
    }

    /// The session is closing: its server is told, as far as that can be done at once.
    mutating func sayGoodbye(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard server.value.state != .connecting, !server.value.io.isBroken, !server.value.io.inputEnded else { return }
        collect(forServer: handle)
        multiplex.value.codec.goAway(.noError, isFinal: true, into: &toServer)
        flushServer()
        var taken = 0
        _ = server.value.io.flush(&pool, taken: &taken)
    }

    /// The session is closing: its multiplex goes with it.
    mutating func endMultiplex(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ lent: LentMultiplex
    ) {
        unshare(server, handle, lent.reference)
        server.value.multiplex = nil
        _ = multiplexes.discard(lent.handle)
    }
}
