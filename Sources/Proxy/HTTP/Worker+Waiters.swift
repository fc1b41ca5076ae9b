import EventLoop
import HTTP
import Model
import Upstream

/// Exchanges that wait for a new upstream connection of streams: for its handshake, and then for the server's SETTINGS, which
/// say how many streams it takes and whether it offers WebSocket. The first one does not wait for those: one stream, any
/// server takes.
extension Worker {
    /// The handshake's end, one way or the other.
    mutating func streamsAnswered(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        if let failure = handshakeFailure(server) { return failStreams(handle, failure) }
        collect(forServer: handle)
        multiplex.value.codec.start(into: &toServer)
        server.value.state = .busy
        serveWaiters(server, handle, multiplex)
        if servers.find(handle) != nil, !multiplex.value.waiters.isEmpty { boundSettings(server, handle) }
        flushAll()
    }

    /// A server that never says its SETTINGS is as good as one that never answers.
    mutating func boundSettings(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        let cluster = snapshot.cluster(slot: server.value.plan.clusterSlot) ?? Snapshot.passthroughCluster
        let timeout = snapshot.clusters[cluster].connectTimeout
        server.value.timer = timers.set(now + timeout, payload: Token(.serverTimer, handle).bits)
    }

    /// Its time is over. False: it has said them, or nobody waits any more.
    mutating func settingsTimedOut(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Bool {
        guard server.value.timedOut else { return false }
        server.value.timedOut = false
        guard !multiplex.value.waiters.isEmpty, !multiplex.value.codec.hasPeerSettings else { return false }
        countCluster(server.value.plan.clusterSlot, .connectTimeouts)
        failStreams(handle, .connectTimeout)
        return true
    }

    /// The server has said something about the connection: maybe that.
    mutating func settingsReceived(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard servers.find(handle) != nil, server.value.state == .busy, !multiplex.value.waiters.isEmpty,
            multiplex.value.codec.hasPeerSettings
        else { return }
        timers.cancel(server.value.timer)
        server.value.timer = .none
        serveWaiters(server, handle, multiplex)
    }

    /// Those that need not wait any longer begin; those that the server has no place for go elsewhere.
    private mutating func serveWaiters(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        var place = 0
        // Those behind stay in the list meanwhile: with that, nobody takes the connection for one at rest. Whoever begins may
        // fail, and take the connection with it, or leave the list by itself.
        while servers.find(handle) != nil, place < multiplex.value.waiters.count {
            guard let exchange = exchanges.find(multiplex.value.waiters[place]), exchange.value.server == handle,
                exchange.value.serverStream == 0
            else {
                multiplex.value.waiters.remove(at: place)
                continue
            }
            if !multiplex.value.codec.hasPeerSettings,
                multiplex.value.codec.streamCount > 0 || exchange.value.needsExtendedConnect
            {
                place += 1
                continue
            }
            multiplex.value.waiters.remove(at: place)
            if multiplex.value.codec.streamCount < multiplex.value.codec.streamsMax {
                attach(exchange, server, handle)
            } else {
                detach(exchange, server)
                connect(exchange)
            }
        }
        guard servers.find(handle) != nil, multiplex.value.codec.streamCount == 0 else { return }
        rest(server, handle, multiplex)
    }
}
