import EventLoop
import Model
import Upstream

/// Going over to a generation, as far as it takes time: done a bounded piece a turn, so that a reload holds nobody up.
struct Adoption {
    /// The generation before, to be handed back; nil at start, and when only endpoints are replaced.
    let old: Generation?
    /// Other endpoints of one cluster, to be handed back; nil: a whole generation.
    var replacement: Replacement?
    /// Connections up to this place have been asked whether their pod is gone: clients', servers'.
    var walk = ConnectionWalk()
    var serversSeen = 0
    /// So many of the pods, and of the endpoints, that are gone have no idle connection any more.
    var podsDone = 0
    var endpointsDone = 0
    /// The same places for what is asked whether it is still wanted.
    var streamsSeen = 0
    var endpointsSeen = 0
    /// So many of the check plan's changes have been made.
    var checksDone = 0
}

extension Worker {
    /// Changes of health checks in one turn. Each piece takes about 0.1 ms.
    static let adoptionChecksPerTurn = 128

    /// Begins to go over to `next`: connections that come from now on meet it. One at a time: while this one is not
    /// finished, the message with the next one waits.
    mutating func adopt(_ next: Generation) {
        let old = generation
        takeUp(next)
        for slot in next.snapshot.gonePods {
            if slot >= podsGone.count { podsGone += repeatElement(0, count: slot + 1 - podsGone.count) }
            podsGone[slot] = snapshot.generation
        }
        note(gone: next.snapshot.goneEndpoints, with: snapshot.generation)
        adoption = Adoption(old: old)
    }

    /// These endpoints are not used any more from this number on: connections to them that were made before do not go back
    /// into the pool.
    private mutating func note(gone endpoints: [UInt32], with number: UInt64) {
        published = number
        guard let last = endpoints.max() else { return }
        let missing = Int(last) + 1 - endpointsGone.count
        if missing > 0 { endpointsGone += repeatElement(0, count: missing) }
        for slot in endpoints { endpointsGone[Int(slot)] = number }
    }

    /// Begins to use other endpoints of one cluster: picks from now on meet them.
    mutating func adopt(_ replacement: Replacement) {
        picker.adopt(replacement.change)
        note(gone: replacement.gone, with: replacement.number)
        adoption = Adoption(old: nil, replacement: replacement)
    }

    /// Makes `next` the generation in force. Takes the same time however large it is.
    mutating func takeUp(_ next: Generation) {
        generation = next
        snapshot = next.snapshot.view
        routes = next.routes.view
        picker.adopt(next.tables)
        published = snapshot.generation
    }

    /// This turn's piece of an adoption.
    mutating func continueAdoption() {
        guard var step = adoption.take() else { return }
        guard endConnectionsOfGonePods(&step), leaveOutdated(&step), closeIdle(&step), changeChecks(&step) else {
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
        return endClientsOfGonePods(&step.walk) && endServersOfGonePods(&step)
    }

    /// Each ends at its own next turn.
    private mutating func endClientsOfGonePods(_ walk: inout ConnectionWalk) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(tunnels, &walk.tunnels, &budget) {
            guard let tunnel = tunnels.find(handle), isOfGonePod(tunnel.value.record) else { continue }
            tunnel.value.abortReason = .podGone
            enqueue(tunnel, handle)
        }
        while let handle = ConnectionWalk.next(clients, &walk.clients, &budget) {
            guard let client = clients.find(handle), isOfGonePod(client.value.record) else { continue }
            client.value.abortReason = .podGone
            enqueue(client, handle)
        }
        while let handle = ConnectionWalk.next(arrivals, &walk.arrivals, &budget) {
            guard let arrival = arrivals.find(handle), isOfGonePod(arrival.value.record) else { continue }
            arrival.value.abortReason = .podGone
            enqueue(arrival, handle)
        }
        return budget > 0
    }

    private func isOfGonePod(_ record: ConnectionRecord) -> Bool { isGone(record.pod) || isGone(record.destinationPod) }

    /// Connections of other pods to one that has left: they lead to nobody, or to whoever has its address next.
    private mutating func endServersOfGonePods(_ step: inout Adoption) -> Bool {
        var budget = ConnectionWalk.placesPerTurn
        while let handle = ConnectionWalk.next(servers, &step.serversSeen, &budget) {
            guard let server = servers.find(handle), isGone(Int32(server.value.admission.destinationPod)) else {
                continue
            }
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
        return budget > 0
    }

    /// Idle connections of pods, and to endpoints, that are gone: nobody will use them. Returns whether there are none left.
    private mutating func closeIdle(_ step: inout Adoption) -> Bool {
        let pods = step.replacement == nil ? generation.snapshot.gonePods : []
        let endpoints = step.replacement?.gone ?? generation.snapshot.goneEndpoints
        var (closed, looked) = (0, 0)
        while closed < Self.idleClosedPerTurn, looked < ConnectionWalk.placesPerTurn {
            looked += 1
            let index: UInt32?
            if step.podsDone < pods.count {
                index = idle.removeAny(pod: Int32(pods[step.podsDone]))
                if index == nil { step.podsDone += 1 }
            } else if step.endpointsDone < endpoints.count {
                index = idle.removeAny(endpointSlot: Int32(endpoints[step.endpointsDone]))
                if index == nil { step.endpointsDone += 1 }
            } else {
                return true
            }
            guard let index else { continue }
            closed += 1
            closeIdle(index)
        }
        return false
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
