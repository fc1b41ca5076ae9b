import Model

/// Which way payload went, as its client sees it. Of a pod: as the pod sees it, whether it was client or server.
enum PayloadDirection: String, CaseIterable {
    case sent, received
}

/// Payload of a thing: what its tunnels carried and the bodies of its requests, which are counted apart.
extension [WorkerStatistics] {
    func bytes(_ direction: PayloadDirection, pods: [Int]) -> Int {
        pods.reduce(0) { sum, slot in
            sum &+ self.sum(\.pods, slot, (direction == .sent ? PodCounter.bytesSent : .bytesReceived).rawValue)
                &+ requestBytes(direction, \.requestsByPod, PodRequests.sent(slot))
                &+ requestBytes(direction, \.requestsByPod, PodRequests.received(slot))
        }
    }

    func bytes(_ direction: PayloadDirection, clusters: [Int]) -> Int {
        clusters.reduce(0) { sum, slot in
            let counter = direction == .sent ? ClusterCounter.bytesSent : .bytesReceived
            return sum &+ self.sum(\.clusters, slot, counter.rawValue)
                &+ requestBytes(direction, \.requestsByCluster, slot)
        }
    }

    func bytes(_ direction: PayloadDirection, listeners: [Int]) -> Int {
        listeners.reduce(0) { sum, slot in
            let counter = direction == .sent ? ListenerCounter.bytesSent : .bytesReceived
            return sum &+ self.sum(\.listeners, slot, counter.rawValue)
                &+ requestBytes(direction, \.requestsByListener, slot)
        }
    }

    private func requestBytes(
        _ direction: PayloadDirection, _ table: KeyPath<WorkerStatistics, SparseCounterTable>, _ slot: Int
    ) -> Int {
        sum(table, slot, (direction == .sent ? RequestCounter.bytesSent : .bytesReceived).rawValue)
    }
}
