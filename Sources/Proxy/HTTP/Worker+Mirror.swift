import Buffers
import EventLoop
import HTTP
import Model
import Routing
import Upstream

/// Copies of requests for other clusters. Their answers are dropped, and nothing that happens to them is seen by the
/// client.
extension Worker {
    /// All of a request has been sent: its copies begin. A body that was too long to keep has none.
    mutating func mirror(_ exchange: SlabReference<Exchange>) {
        guard !exchange.value.isMirrored, exchange.value.rule >= 0, !exchange.value.client.isNone,
            let index = routes.index(slot: Int(exchange.value.record.route))
        else { return }
        exchange.value.isMirrored = true
        guard routes.rules[index].hasMirrors, !exchange.value.wantsUpgrade else { return }
        guard exchange.value.requestFraming == .none || exchange.value.keepsReplay else {
            return countCluster(exchange.value.clusterSlot, .mirrorsSkipped)
        }
        for place in routes.mirrors(index) {
            let mirror = routes.mirror(place)
            if mirror.share.includes(UInt32(truncatingIfNeeded: random.next())) { begin(mirror.cluster, of: exchange) }
        }
    }

    private mutating func begin(_ cluster: Int, of original: SlabReference<Exchange>) {
        let record = snapshot.clusters[cluster]
        guard context.shared.takeRequest(record) else { return countCluster(record.slot, .requestBreakerOpen) }
        let lent = takeHeads()
        let heads = lent.reference
        if original.value.isEditedForReceiver {
            heads.value.request.copy(from: original.value.heads.reference.value.sent)
        } else {
            heads.value.request.copy(from: original.value.heads.reference.value.request)
        }
        heads.value.requestTrailers.copy(from: original.value.heads.reference.value.requestTrailers)
        var copy = Exchange(
            client: .none, heads: lent, settings: original.value.settings, generation: snapshot.generation,
            record: original.value.record, now: now)
        copy.record.route = -1
        copy.record.inboundRoute = -1
        copy.record.attempts = 0
        copy.record.flags = RequestFlags()
        copy.record.grpcStatus = -1
        copy.isGRPC = original.value.isGRPC
        copy.record.cluster = Int32(record.slot)
        copy.target = ClusterTarget(cluster: cluster, subset: -1)
        copy.clusterSlot = record.slot
        copy.counted.request = true
        copy.hash = original.value.hash
        copy.requestFraming = original.value.requestFraming
        copy.requestEnded = true
        copy.replay = copied(original.value.replay)
        copy.keepsReplay = copy.requestFraming != .none
        copy.deadline = now + Self.mirrorNanoseconds
        let id = exchanges.insert(copy)
        count(.requestsActive)
        guard let exchange = exchanges.find(id) else { return bug() }
        exchange.value.id = id
        setTimer(exchange)
        acquire(exchange)
    }

    /// How long a copy may take.
    private static let mirrorNanoseconds: Int64 = 60_000_000_000

    private mutating func copied(_ chunk: borrowing Chunk?) -> Chunk? {
        switch chunk {
        case .none: return nil
        case .some(let chunk):
            var copy = pool.take(chunk.count)
            // The chunk owns its bytes while they are lent.
            unsafe chunk.withBytes { unsafe copy.append($0) }
            return copy
        }
    }
}
