import EventLoop
import Model
import Syscalls

/// What HTTP sessions hold for slow peers, charged as for tunnels (`Worker+Memory`). The unit is the client's session: its
/// own memory, and that of the upstream connection which serves it now.
extension Worker {
    /// Charges a client's session for what its blocked directions hold, or takes the charge back: after each turn that
    /// may have changed it.
    @inline(__always)
    mutating func charge(clientAt handle: SlabHandle) {
        guard let client = clients.find(handle) else { return }
        guard
            client.value.heldPlace >= 0 || client.value.io.isBlocked || client.value.chargedBytes > 0
                || isUpstreamBlocked(client)
        else { return }
        chargeHeld(client, handle)
    }

    private func server(of client: SlabReference<ClientSession>) -> SlabReference<ServerSession>? {
        guard let exchange = exchanges.find(client.value.exchange) else { return nil }
        return servers.find(exchange.value.server)
    }

    private func isUpstreamBlocked(_ client: SlabReference<ClientSession>) -> Bool {
        guard let server = server(of: client) else { return false }
        return server.value.io.isBlocked
    }

    mutating func chargeHeld(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        let pod = client.value.fairnessSlot
        if let server = server(of: client) {
            charge(
                &client.value.upHold, server.value.io.isBlocked,
                server.value.io.heldBytes + client.value.io.inputCapacity,
                from: client.value.io.transport, to: server.value.io.transport, pod: pod)
            charge(
                &client.value.downHold, client.value.io.isBlocked, client.value.io.heldBytes,
                from: server.value.io.transport, to: client.value.io.transport, pod: pod)
        } else {
            // The rest of a response that its upstream is done with; or many exchanges, and what they hold.
            charge(
                &client.value.upHold, client.value.chargedBytes > 0, client.value.chargedBytes,
                from: client.value.io.transport, to: client.value.io.transport, pod: pod)
            charge(
                &client.value.downHold, client.value.io.isBlocked, client.value.io.heldBytes,
                from: client.value.io.transport, to: client.value.io.transport, pod: pod)
        }
        let isHeld = client.value.upHold.charged | client.value.downHold.charged != 0
        keepHeld(Held(kind: .client, handle: handle), isHeld, place: &client.value.heldPlace)
    }

    /// Takes back all a client's session is charged for.
    mutating func uncharge(_ client: SlabReference<ClientSession>) {
        guard client.value.heldPlace >= 0 else { return }
        uncharge(&client.value.upHold, &client.value.downHold, pod: client.value.fairnessSlot)
        leaveHeld(&client.value.heldPlace)
    }

    /// It holds too much: it goes with its next turn.
    mutating func reset(client handle: SlabHandle, _ reason: EndReason) {
        guard let client = clients.find(handle) else { return }
        uncharge(client)
        client.value.abortReason = reason
        enqueue(client, handle)
    }

    /// See `unsentBytesMax`.
    func boundUnsent(_ io: borrowing SessionIO, pod: Int) {
        if let bytes = unsentBytesMax(pod: pod) { io.transport.boundUnsent(bytes) }
    }
}
