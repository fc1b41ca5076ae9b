import EventLoop
import Model
import Upstream

/// Going over to a generation, as far as it takes time: done a bounded piece a turn, so that a reload holds nobody up.
struct Adoption {
    /// The generation before, to be handed back; nil at start, and when only endpoints are replaced.
    let old: Generation?
    /// Other endpoints of one cluster, to be handed back; nil: a whole generation.
    var replacement: Replacement?
    /// Connections up to this place of the slab have been asked whether their pod is gone.
    var tunnelsSeen = 0
    var clientsSeen = 0
    var serversSeen = 0
    var arrivalsSeen = 0
    /// The same places for what is asked whether it is still wanted.
    var streamsSeen = 0
    var endpointsSeen = 0
    /// So many of the check plan's changes have been made.
    var checksDone = 0
}

extension Worker {
    /// Connections, and changes of health checks, in one turn. Each piece takes about 0.1 ms.
    static let adoptionTunnelsPerTurn = 1024
    static let adoptionChecksPerTurn = 128

    /// Begins to go over to `next`: connections that come from now on meet it. One at a time: while this one is not
    /// finished, the message with the next one waits.
    mutating func adopt(_ next: Generation) {
        let old = generation
        takeUp(next)
        for slot in next.snapshot.gonePods {
            if slot >= podsGone.count { podsGone += repeatElement(0, count: slot + 1 - podsGone.count) }
            podsGone[slot] = snapshot.generation
            // Nobody uses them: they go at once.
            while let index = idle.removeAny(pod: Int32(slot)) { closeIdle(index) }
        }
        adoption = Adoption(old: old)
    }

    /// Begins to use other endpoints of one cluster: picks from now on meet them.
    mutating func adopt(_ replacement: Replacement) {
        picker.adopt(replacement.change)
        adoption = Adoption(old: nil, replacement: replacement)
    }

    /// Makes `next` the generation in force. Takes the same time however large it is.
    mutating func takeUp(_ next: Generation) {
        generation = next
        snapshot = next.snapshot.view
        routes = next.routes.view
        picker.adopt(next.tables)
    }

    /// This turn's piece of an adoption.
    mutating func continueAdoption() {
        guard var step = adoption.take() else { return }
        guard endConnectionsOfGonePods(&step), leaveOutdated(&step), changeChecks(&step) else {
            adoption = step
            return
        }
        let number = step.replacement?.number ?? snapshot.generation
        giveBack(step)
        step = Adoption(old: nil)
        // Last: from here on the control side may give away what only the generation before had, and free it.
        context.adopted.store(number, ordering: .releasing)
        obeyInbox()
    }

    /// The control side drops the last reference: freeing a large snapshot takes time.
    private func giveBack(_ step: Adoption) {
        if let old = step.old { context.returned.withLock { $0.append(old) } }
        if let replacement = step.replacement { context.replaced.withLock { $0.append(replacement) } }
    }

    /// An address is not an identity: whoever has it next must not go on with what its former pod was allowed. Returns
    /// whether all connections have been looked at; those that come meanwhile are admitted under the new snapshot.
    private mutating func endConnectionsOfGonePods(_ step: inout Adoption) -> Bool {
        guard step.old != nil, !generation.snapshot.gonePods.isEmpty else { return true }
        let end = min(step.tunnelsSeen + Self.adoptionTunnelsPerTurn, tunnels.indexEnd)
        for index in step.tunnelsSeen..<end {
            guard let handle = tunnels.handle(at: index), let tunnel = tunnels.find(handle),
                isGone(tunnel.value.record.pod) || isGone(tunnel.value.record.destinationPod)
            else { continue }
            tunnel.value.abortReason = .podGone
            enqueue(tunnel, handle)
        }
        step.tunnelsSeen = end
        guard end == tunnels.indexEnd else { return false }
        return endClientsOfGonePods(&step)
    }

    private mutating func endClientsOfGonePods(_ step: inout Adoption) -> Bool {
        let end = min(step.clientsSeen + Self.adoptionTunnelsPerTurn, clients.indexEnd)
        for index in step.clientsSeen..<end {
            guard let handle = clients.handle(at: index), let client = clients.find(handle),
                isGone(client.value.record.pod) || isGone(client.value.record.destinationPod)
            else { continue }
            client.value.abortReason = .podGone
            enqueue(client, handle)
        }
        step.clientsSeen = end
        guard end == clients.indexEnd else { return false }
        return endArrivalsOfGonePods(&step)
    }

    private mutating func endArrivalsOfGonePods(_ step: inout Adoption) -> Bool {
        let end = min(step.arrivalsSeen + Self.adoptionTunnelsPerTurn, arrivals.indexEnd)
        for index in step.arrivalsSeen..<end {
            guard let handle = arrivals.handle(at: index), let arrival = arrivals.find(handle),
                isGone(arrival.value.record.pod) || isGone(arrival.value.record.destinationPod)
            else { continue }
            arrival.value.abortReason = .podGone
            enqueue(arrival, handle)
        }
        step.arrivalsSeen = end
        guard end == arrivals.indexEnd else { return false }
        return endServersOfGonePods(&step)
    }

    /// Connections of other pods to one that has left: they lead to nobody, or to whoever has its address next.
    private mutating func endServersOfGonePods(_ step: inout Adoption) -> Bool {
        let end = min(step.serversSeen + Self.adoptionTunnelsPerTurn, servers.indexEnd)
        for index in step.serversSeen..<end {
            guard let handle = servers.handle(at: index), let server = servers.find(handle),
                isGone(Int32(server.value.admission.destinationPod))
            else { continue }
            if server.value.multiplex != nil {
                failStreams(handle, .reset)
            } else if let exchange = exchanges.find(server.value.exchange) {
                exchange.value.record.flags.add(.podGone)
                upstreamFailed(exchange, .reset)
                flushAll()
            } else {
                closeServer(handle)
            }
        }
        step.serversSeen = end
        return end == servers.indexEnd
    }

    /// Whether the pod with this slot left with the generation in force. An earlier leave does not count: it is back.
    private func isGone(_ pod: Int32) -> Bool {
        pod >= 0 && Int(pod) < podsGone.count && podsGone[Int(pod)] == snapshot.generation
    }

    /// Returns whether all changes have been made.
    private mutating func changeChecks(_ step: inout Adoption) -> Bool {
        let plan = step.replacement?.checks[context.index] ?? generation.checks[context.index]
        let end = min(step.checksDone + Self.adoptionChecksPerTurn, plan.count)
        for position in step.checksDone..<end {
            if position < plan.gone.count {
                removeCheck(endpointSlot: Int(plan.gone[position]))
            } else {
                let change = plan.changed[position - plan.gone.count]
                changeCheck(of: change.endpoint, snapshot.clusters[Int(change.cluster)])
            }
        }
        step.checksDone = end
        return end == plan.count
    }
}
