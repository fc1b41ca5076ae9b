import EventLoop
import HTTP
import Model
import Upstream

/// Requests that have to wait for a connection: so many of a cluster, and so many of a pod.
extension Worker {
    /// Takes the exchange's place among them. False: there is none, and the client has been told.
    mutating func takePending(_ exchange: SlabReference<Exchange>, _ cluster: ClusterRecord) -> Bool {
        guard !exchange.value.counted.pending else { return true }
        guard context.shared.takePending(cluster) else {
            countCluster(cluster.slot, .pendingBreakerOpen)
            reply(exchange, status: 503, .pendingOverflow, "too many requests wait for the cluster\n")
            return false
        }
        guard takePodPending(exchange) else {
            context.shared.finishPending(clusterSlot: cluster.slot)
            reply(exchange, status: 503, .pendingOverflow, "too many requests of the pod wait\n")
            return false
        }
        exchange.value.counted.pending = true
        // Its time may be over before there is a connection.
        setTimer(exchange)
        return true
    }

    /// On the outbound leg it is the client's pod that waits, on the inbound leg the receiver.
    private func takePodPending(_ exchange: SlabReference<Exchange>) -> Bool {
        let record = exchange.value.record
        let slot = record.pod >= 0 ? record.pod : record.direction == .inbound ? record.destinationPod : -1
        let address = record.pod >= 0 ? record.client.address : record.originalDestination.address
        guard slot >= 0, let pod = snapshot.pod(at: address, host: record.host), snapshot.pods[pod].slot == Int(slot)
        else { return true }
        let limit = snapshot.pods[pod].pendingRequestsMax
        guard context.shared.podPendingRequests.take(at: Int(slot), limit: limit) else { return false }
        exchange.value.counted.podPending = slot
        return true
    }

    func releasePending(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.counted.pending else { return }
        exchange.value.counted.pending = false
        context.shared.finishPending(clusterSlot: exchange.value.clusterSlot)
        guard exchange.value.counted.podPending >= 0 else { return }
        context.shared.podPendingRequests.addReleasing(-1, at: Int(exchange.value.counted.podPending))
        exchange.value.counted.podPending = -1
    }
}
