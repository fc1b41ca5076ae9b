import EventLoop
import Model
import Syscalls

extension Worker {
    /// Obeys what has come, in order, up to a new generation while the one before is still being taken up.
    mutating func obeyInbox() {
        var obeyed = 0
        while obeyed < inbox.count {
            let message = inbox[obeyed]
            if message.isAdoption, adoption != nil { break }
            obey(message)
            obeyed += 1
        }
        inbox.removeFirst(obeyed)
    }

    private mutating func obey(_ message: WorkerMessage) {
        switch message {
        case .adopt(let generation): adopt(generation)
        case .replaceEndpoints(let replacement): adopt(replacement)
        case .listen(let parcel):
            guard !isDraining, let listening = parcel.take() else { return }
            listen(listening)
        case .close(let spec): closeListener(spec)
        case .leave: isLeaving = true
        case .drain(let grace, let closing): drain(after: grace, closing)
        case .admit(let fresh):
            guard let descriptor = fresh.socket.take() else { return }
            _ = admit(Socket(taking: descriptor), from: fresh.peer, fresh.spec, isCounted: true)
        case .depart(let limit, let done): depart(limit: limit, done)
        case .arrive(let parcel): arrive(parcel)
        case .yield(let slot): yield(clusterSlot: slot)
        case .inherit(let inheritance): inherit(inheritance)
        case .direct(let index): direct(to: index)
        case .resume: resume()
        case .list(let limit, let reply): list(limit, reply)
        case .recall(let destination, let reply): reply(protocols.learned(of: destination, now: now))
        case .abortAll(let reason): abort(reason) { _ in true }
        case .exit: isRunning = false
        }
    }

    private mutating func resume() {
        // A grace not over yet would end with the sockets that are about to come.
        leaveListeners()
        isDraining = false
        isLeaving = false
        context.drained.store(false, ordering: .releasing)
        for index in 0..<tunnels.indexEnd {
            guard let handle = tunnels.handle(at: index) else { continue }
            tunnels.find(handle)?.value.isStaying = false
        }
    }

    private mutating func abort(_ reason: EndReason, where isMeant: (ConnectionRecord) -> Bool) {
        for index in 0..<tunnels.indexEnd {
            guard let handle = tunnels.handle(at: index), let tunnel = tunnels.find(handle),
                isMeant(tunnel.value.record)
            else { continue }
            tunnel.value.abortReason = reason
            enqueue(tunnel, handle)
        }
        for index in 0..<clients.indexEnd {
            guard let handle = clients.handle(at: index), let client = clients.find(handle),
                isMeant(client.value.record)
            else { continue }
            client.value.abortReason = reason
            enqueue(client, handle)
        }
        for index in 0..<arrivals.indexEnd {
            guard let handle = arrivals.handle(at: index), let arrival = arrivals.find(handle),
                isMeant(arrival.value.record)
            else { continue }
            arrival.value.abortReason = reason
            enqueue(arrival, handle)
        }
    }

    private func list(_ limit: Int, _ reply: ([ConnectionView], Bool) -> Void) {
        var views: [ConnectionView] = []
        views.reserveCapacity(min(limit, tunnels.count))
        for index in 0..<tunnels.indexEnd {
            guard views.count < limit else { break }
            guard let handle = tunnels.handle(at: index), let tunnel = tunnels.find(handle) else { continue }
            views.append(view(tunnel))
        }
        for index in 0..<clients.indexEnd {
            guard views.count < limit else { break }
            guard let handle = clients.handle(at: index), let client = clients.find(handle) else { continue }
            views.append(view(client))
        }
        for index in 0..<arrivals.indexEnd {
            guard views.count < limit else { break }
            guard let handle = arrivals.handle(at: index), let arrival = arrivals.find(handle) else { continue }
            views.append(view(arrival))
        }
        reply(views, tunnels.count + clients.count + arrivals.count > views.count)
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
