import EventLoop
import HTTP
import Model

/// What a new generation leaves without a place: client connections of streams that no table takes any more, upstream
/// connections to endpoints that are gone. They begin nothing new; what is under way goes on, and then they end.
extension Worker {
    /// This turn's piece of it. Returns whether all connections have been looked at.
    mutating func leaveOutdated(_ step: inout Adoption) -> Bool {
        if step.old != nil, !leaveOutdatedClients(&step) { return false }
        return leaveGoneEndpoints(&step)
    }

    private mutating func leaveOutdatedClients(_ step: inout Adoption) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(clients, &step.streamsSeen, &budget) {
            guard let client = clients.find(handle), client.value.multiplex != nil, client.value.abortReason == nil
            else { continue }
            refreshSettings(client)
            if client.value.isClosing { leave(client, handle) }
        }
        return budget > 0
    }

    private mutating func leaveGoneEndpoints(_ step: inout Adoption) -> Bool {
        guard !(step.replacement?.gone ?? generation.snapshot.goneEndpoints).isEmpty else { return true }
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(servers, &step.endpointsSeen, &budget) {
            guard let server = servers.find(handle), isEndpointGone(server) else { continue }
            retire(server, handle)
        }
        return budget > 0
    }

    /// The upstream connection carries nothing new. Its server is told at the end: many of those that learn it before take the
    /// rest of its streams for lost.
    private mutating func retire(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        server.value.isLast = true
        guard server.value.state != .idle, let multiplex = server.value.multiplex?.reference else { return }
        stopSharing(server, handle, multiplex)
        guard server.value.state == .busy, multiplex.value.waiters.isEmpty else { return }
        if multiplex.value.codec.streamCount == 0 { closeServer(handle) }
    }
}
