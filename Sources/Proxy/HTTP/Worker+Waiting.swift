import EventLoop
import HTTP
import Model
import Syscalls
import Upstream

/// Requests that wait because their cluster has as many connections as it may have.
///
/// The limit is all workers' together, the connections are one worker's each. So a worker whose requests wait asks the
/// others for one: they close an idle connection, or the next that becomes idle, and leave its place alone for a moment.
extension Worker {
    /// So long between two looks.
    static var waitingNanoseconds: Int64 { 2_000_000 }
    /// So long between two times that the others are asked.
    private static let askNanoseconds: Int64 = 20_000_000
    /// What was asked for is left alone for so long: time for two looks.
    private static let yieldNanoseconds: Int64 = 5_000_000
    /// Clusters that are asked for at once.
    private static let askedMax = 8

    /// Its cluster has as many connections as it may have: it waits until one is free.
    mutating func wait(_ exchange: SlabReference<Exchange>, _ cluster: ClusterRecord) {
        if exchange.value.waitEnd == 0 {
            exchange.value.waitEnd = now + cluster.connectTimeout
            countCluster(cluster.slot, .circuitBreakerOpen)
        }
        waiting.append(exchange.value.id)
    }

    /// Tries again for those that wait, in the order in which they came.
    mutating func serveWaiting() {
        guard !waiting.isEmpty, now >= nextWaiting else { return }
        nextWaiting = now + Self.waitingNanoseconds
        var tried: [SlabHandle] = []
        swap(&tried, &waiting)
        for handle in tried {
            guard let exchange = exchanges.find(handle), exchange.value.phase == .acquiring,
                exchange.value.server.isNone
            else { continue }
            if exchange.value.waitEnd <= now {
                reply(exchange, status: 503, .circuitBreaker, "the cluster has as many connections as it may have\n")
            } else {
                connect(exchange)
            }
        }
        if !waiting.isEmpty, now >= nextAsk { askOthers() }
        flushAll()
    }

    private mutating func askOthers() {
        nextAsk = now + Self.askNanoseconds
        var asked: [Int] = []
        for handle in waiting where asked.count < Self.askedMax {
            guard let slot = exchanges.find(handle)?.value.clusterSlot, !asked.contains(slot) else { continue }
            asked.append(slot)
            for (index, mailbox) in context.group.mailboxes.enumerated() where index != context.index {
                mailbox.send(.yield(clusterSlot: slot))
            }
        }
    }

    /// Another worker's requests wait for a connection of this cluster.
    mutating func yield(clusterSlot slot: Int) {
        guard let cluster = snapshot.cluster(slot: slot) else { return }
        yields.removeAll { $0.until <= now }
        yields.append(Yield(clusterSlot: slot, until: now + Self.yieldNanoseconds, isDone: evictIdle(of: cluster)))
    }

    /// Whether a connection of the cluster that has become idle is another worker's.
    mutating func yields(clusterSlot slot: Int) -> Bool {
        guard !yields.isEmpty,
            let index = yields.firstIndex(where: { $0.clusterSlot == slot && !$0.isDone && $0.until > now })
        else { return false }
        yields[index].isDone = true
        yields[index].until = now + Self.yieldNanoseconds
        return true
    }

    /// Whether a place among the cluster's connections that may be free is another worker's.
    func leavesAlone(clusterSlot slot: Int) -> Bool {
        !yields.isEmpty && yields.contains { $0.clusterSlot == slot && $0.isDone && $0.until > now }
    }

    /// Closes an idle connection of the cluster, so that another may be made. False: there is none.
    mutating func evictIdle(of cluster: Int) -> Bool {
        let record = snapshot.clusters[cluster]
        if record.isOriginalDestination {
            guard let index = idle.removeAny(endpointSlot: -1) else { return false }
            closeIdle(index)
            return true
        }
        guard let endpoints = picker.endpoints(cluster: cluster) else { return false }
        for endpoint in endpoints.indices.prefix(Self.evictionsMax) {
            guard let index = idle.removeAny(endpointSlot: Int32(endpoints[endpoint].slot)) else { continue }
            closeIdle(index)
            return true
        }
        return false
    }

    private static var evictionsMax: Int { 1024 }
}

/// What another worker was promised.
struct Yield {
    let clusterSlot: Int
    var until: Int64
    /// The place is free already.
    var isDone: Bool
}
