import Buffers
import EventLoop
import Model
import Syscalls
import Upstream

extension Worker {
    /// Resets both sides. The tunnel must not be queued.
    mutating func close(_ handle: SlabHandle, _ reason: EndReason, by side: ConnectionRecord.Side) {
        guard let tunnel = tunnels.find(handle) else { return bug() }
        if reason != .completed {
            tunnel.value.downstream.resetOnClose()
            tunnel.value.upstream.resetOnClose()
        }
        if tunnel.value.plan.detection != .none { count(.detectedNothing) }
        countBytes(tunnel)
        uncharge(tunnel)
        endHalfOpen(tunnel)
        timers.cancel(tunnel.value.timer)
        release(&tunnel.value.plan, SourcePorts.Leg(tunnel.value.record))
        giveBack(&tunnel.value.up)
        giveBack(&tunnel.value.down)
        var record = tunnel.value.record
        record.durationNanoseconds = now - tunnel.value.startedAt
        record.bytesSent = tunnel.value.up.bytes
        record.bytesReceived = tunnel.value.down.bytes
        let admission = tunnel.value.admission
        let wasDeparting = tunnel.value.isDeparting
        // Both descriptors close here: with FIN, or with the reset asked for above.
        _ = tunnels.remove(handle)
        finish(record, admission, reason, by: side)
        if wasDeparting { departedByEnding() }
    }

    private mutating func giveBack(_ flow: inout Flow) {
        if let chunk = flow.pending.take() {
            count(.bufferedBytes, -chunk.capacity)
            pool.give(chunk)
        }
    }

    /// One direction has ended, the other goes on.
    func beginHalfOpen(_ tunnel: SlabReference<Tunnel>) {
        tunnel.value.halfOpenSince = now
        count(.halfOpen)
    }

    private func endHalfOpen(_ tunnel: SlabReference<Tunnel>) {
        guard tunnel.value.halfOpenSince != 0 else { return }
        let age = now - tunnel.value.halfOpenSince
        let ages = context.statistics.halfOpenAges
        ages.add(1, slot: 0, counter: HalfOpenAge.column(age))
        ages.add(Int(age), slot: 0, counter: HalfOpenAge.sumColumn)
        count(.halfOpen, -1)
    }

    /// Gives back what the connection was admitted under, counts its end and leaves its log line.
    func finish(
        _ record: ConnectionRecord, _ admission: Admission, _ reason: EndReason, by side: ConnectionRecord.Side,
        isLogged: Bool = true
    ) {
        let statistics = context.statistics
        // A connection counts once: for its client's pod, else for the receiver's.
        let pod = record.pod >= 0 ? record.pod : record.destinationPod
        if pod >= 0 { statistics.pods.add(1, slot: Int(pod), counter: PodCounter.column(reason)) }
        statistics.listeners.add(1, slot: Int(record.listener), counter: ListenerCounter.column(reason))
        if record.host != 0 {
            statistics.hosts.add(1, slot: Int(record.host), counter: HostCounter.column(reason))
            if admission.isCounted { countHost(record.host, .connectionsActive, -1) }
        }
        var record = record
        record.reason = reason
        record.closedBy = side
        if isLogged, !context.records.push(record) { count(.accessLogDropped) }

        // Last: a slot that nothing is connected through may be given to another pod or cluster, its counters with it.
        let shared = context.shared
        if admission.isCounted {
            shared.connections.add(-1, at: 0)
            count(.connectionsActive, -1)
        }
        if admission.pod >= 0 { shared.podConnections.addReleasing(-1, at: admission.pod) }
        if admission.destinationPod >= 0 { shared.podConnections.addReleasing(-1, at: admission.destinationPod) }
        if admission.cluster >= 0 { shared.clusterConnections.addReleasing(-1, at: admission.cluster) }
    }

    /// Gives back what an attempt to connect took: the source port, the endpoint's count.
    mutating func release(_ plan: inout ConnectPlan, _ leg: SourcePorts.Leg) {
        if let lease = plan.lease {
            plan.lease = nil
            ports.release(leg, lease)
        }
        guard plan.endpointSlot >= 0 else { return }
        picker.connectionClosed(endpointSlot: plan.endpointSlot)
        context.shared.endpointConnections.add(-1, at: plan.endpointSlot)
        plan.endpointSlot = -1
    }

    /// Adds what has flowed since the last time to the counters.
    func countBytes(_ tunnel: SlabReference<Tunnel>) {
        let (sent, received) = (tunnel.value.up.uncounted, tunnel.value.down.uncounted)
        guard sent | received != 0 else { return }
        tunnel.value.up.uncounted = 0
        tunnel.value.down.uncounted = 0
        let record = tunnel.value.record
        // A pod sends what its own connections send, and what connections to it receive.
        if record.pod >= 0 { countPodBytes(Int(record.pod), sent: sent, received: received) }
        if record.destinationPod >= 0 { countPodBytes(Int(record.destinationPod), sent: received, received: sent) }
        if record.cluster >= 0 {
            let slot = Int(record.cluster)
            context.statistics.clusters.add(sent, slot: slot, counter: ClusterCounter.bytesSent.rawValue)
            context.statistics.clusters.add(received, slot: slot, counter: ClusterCounter.bytesReceived.rawValue)
        }
        countHostBytes(record.host, sent: sent, received: received)
        let slot = Int(record.listener)
        context.statistics.listeners.add(sent, slot: slot, counter: ListenerCounter.bytesSent.rawValue)
        context.statistics.listeners.add(received, slot: slot, counter: ListenerCounter.bytesReceived.rawValue)
    }

    private func countPodBytes(_ slot: Int, sent: Int, received: Int) {
        countPod(slot, .bytesSent, sent)
        countPod(slot, .bytesReceived, received)
    }
}

extension EndReason {
    /// How a connection ended whose one side is broken with `error`.
    static func broken(by side: ConnectionRecord.Side, _ error: Errno?) -> EndReason {
        let isVanished = error?.isVanishedPeer ?? false
        if side == .client { return isVanished ? .clientVanished : .clientReset }
        return isVanished ? .upstreamVanished : .upstreamReset
    }
}
