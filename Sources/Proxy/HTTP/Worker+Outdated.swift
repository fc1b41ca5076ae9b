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
        let end = min(step.streamsSeen + Self.adoptionTunnelsPerTurn, clients.indexEnd)
        for index in step.streamsSeen..<end {
            guard let handle = clients.handle(at: index), let client = clients.find(handle),
                client.value.multiplex != nil, client.value.abortReason == nil
            else { continue }
            refreshSettings(client)
            if client.value.isClosing { leave(client, handle) }
        }
        step.streamsSeen = end
        return end == clients.indexEnd
    }

    private mutating func leaveGoneEndpoints(_ step: inout Adoption) -> Bool {
        let gone = step.replacement?.goneEndpoints ?? generation.goneEndpoints
        guard !gone.isEmpty else { return true }
        let end = min(step.endpointsSeen + Self.adoptionTunnelsPerTurn, servers.indexEnd)
        for index in step.endpointsSeen..<end {
            guard let handle = servers.handle(at: index), let server = servers.find(handle),
                gone.contains(server.value.plan.endpointSlot)
            else { continue }
            retire(server, handle)
        }
        step.endpointsSeen = end
        return end == servers.indexEnd
    }

    /// The upstream connection carries nothing new. Its server is told at the end: many of those that learn it before take the
    /// rest of its streams for lost.
    private mutating func retire(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        server.value.isLast = true
        guard server.value.state != .idle else { return closeServer(handle) }
        guard let multiplex = server.value.multiplex?.reference else { return }
        stopSharing(server, handle, multiplex)
        guard server.value.state == .busy, multiplex.value.waiters.isEmpty else { return }
        if multiplex.value.codec.streamCount == 0 { closeServer(handle) }
    }
}
