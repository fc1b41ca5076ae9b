import EventLoop
import Model
import Upstream

/// Going over to a generation, as far as it takes time: done a bounded piece a turn, so that a reload holds nobody up.
struct Adoption {
    /// The generation before, to be handed back; nil at start.
    let old: Generation?
    /// Connections up to this place of the slab have been asked whether their pod is gone.
    var tunnelsSeen = 0
    var clientsSeen = 0
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
        guard endConnectionsOfGonePods(&step), changeChecks(&step) else {
            adoption = step
            return
        }
        giveBack(step.old)
        step = Adoption(old: nil)
        // Last: from here on the control side may give away what only the generation before had, and free it.
        context.adopted.store(snapshot.generation, ordering: .releasing)
        obeyInbox()
    }

    /// The control side drops the last reference: freeing a large snapshot takes time.
    private func giveBack(_ generation: Generation?) {
        guard let generation else { return }
        context.returned.withLock { $0.append(generation) }
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
        return end == clients.indexEnd
    }

    /// Whether the pod with this slot left with the generation in force. An earlier leave does not count: it is back.
    private func isGone(_ pod: Int32) -> Bool {
        pod >= 0 && Int(pod) < podsGone.count && podsGone[Int(pod)] == snapshot.generation
    }

    /// Returns whether all changes have been made.
    private mutating func changeChecks(_ step: inout Adoption) -> Bool {
        let generation = generation
        let plan = generation.checks[context.index]
        let end = min(step.checksDone + Self.adoptionChecksPerTurn, plan.count)
        for position in step.checksDone..<end {
            if position < plan.gone.count {
                removeCheck(endpointSlot: Int(plan.gone[position]))
            } else {
                let endpoint = snapshot.endpoints[Int(plan.changed[position - plan.gone.count])]
                changeCheck(of: endpoint, snapshot.clusters[endpoint.cluster])
            }
        }
        step.checksDone = end
        return end == plan.count
    }
}
