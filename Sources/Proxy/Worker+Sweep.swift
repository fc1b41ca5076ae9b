import EventLoop
import Model

extension Worker {
    /// Idle upstream connections that are closed in one turn: each costs some microseconds.
    static let idleClosedPerTurn = 64

    /// This turn's piece of what is done with all connections.
    mutating func continueSweep() {
        guard var step = sweep.take() else { return }
        let isDone =
            switch step.purpose {
            case .stay: stay(&step.walk)
            case .drain: drainClients(&step.walk)
            case .list(let limit, _): list(limit, &step)
            }
        guard isDone else {
            sweep = step
            return
        }
        if case .list(_, let reply) = step.purpose {
            reply(step.views, tunnels.count + clients.count + arrivals.count > step.views.count)
        }
        obeyInbox()
    }

    private func stay(_ walk: inout ConnectionWalk) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(tunnels, &walk.tunnels, &budget) {
            tunnels.find(handle)?.value.isStaying = false
        }
        return budget > 0
    }

    /// From now on every response is its connection's last; connections without a request end soon.
    private mutating func drainClients(_ walk: inout ConnectionWalk) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(clients, &walk.clients, &budget) {
            guard let client = clients.find(handle) else { continue }
            lowerTimer(client, handle, to: now + Self.drainIdleNanoseconds)
            if client.value.multiplex != nil { leave(client, handle) }
        }
        flushCollected()
        guard budget > 0 else { return false }
        for _ in 0..<Self.idleClosedPerTurn {
            guard let index = idle.removeAny() else { return true }
            closeIdle(index)
        }
        return false
    }
}

// MARK: - describing

extension Worker {
    private func list(_ limit: Int, _ step: inout Sweep) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while step.views.count < limit, let handle = ConnectionWalk.next(tunnels, &step.walk.tunnels, &budget) {
            if let tunnel = tunnels.find(handle) { step.views.append(view(tunnel)) }
        }
        while step.views.count < limit, let handle = ConnectionWalk.next(clients, &step.walk.clients, &budget) {
            if let client = clients.find(handle) { step.views.append(view(client)) }
        }
        while step.views.count < limit, let handle = ConnectionWalk.next(arrivals, &step.walk.arrivals, &budget) {
            if let arrival = arrivals.find(handle) { step.views.append(view(arrival)) }
        }
        return step.views.count >= limit || budget > 0
    }

    private func view(_ arrival: SlabReference<Arrival>) -> ConnectionView {
        var record = arrival.value.record
        record.durationNanoseconds = now - arrival.value.startedAt
        return ConnectionView(
            record: record, state: .detecting, idleNanoseconds: record.durationNanoseconds, bufferedBytes: 0)
    }

    private func view(_ client: SlabReference<ClientSession>) -> ConnectionView {
        var record = client.value.record
        record.durationNanoseconds = now - client.value.startedAt
        if let exchange = exchanges.find(client.value.exchange) {
            record.endpoint = exchange.value.record.endpoint
            record.source = exchange.value.record.source
            record.cluster = exchange.value.record.cluster
        }
        return ConnectionView(
            record: record, state: .open, idleNanoseconds: now - client.value.lastActivity,
            bufferedBytes: client.value.io.heldBytes + client.value.heldBytes)
    }

    private func view(_ tunnel: SlabReference<Tunnel>) -> ConnectionView {
        var record = tunnel.value.record
        record.durationNanoseconds = now - tunnel.value.startedAt
        record.bytesSent = tunnel.value.up.bytes
        record.bytesReceived = tunnel.value.down.bytes
        let isHalfClosed = tunnel.value.up.finished || tunnel.value.down.finished
        let state: ConnectionView.State =
            switch tunnel.value.state {
            case .connecting: .connecting
            case .open: isHalfClosed ? .halfClosed : tunnel.value.plan.detection == .none ? .open : .detecting
            }
        return ConnectionView(
            record: record, state: state, idleNanoseconds: now - tunnel.value.lastActivity,
            bufferedBytes: tunnel.value.bufferedBytes)
    }
}
