/// One worker's counters of requests. A value, and not `WorkerStatistics` itself: what is called on an object is retained
/// for the call.
public struct RequestTables: Sendable {
    /// Requests by cluster, by route, by pod (slots as `PodRequests` has them) and by listener; columns are
    /// `RequestCounter`'s, without a histogram for listeners.
    public let byCluster = SparseCounterTable(capacity: SlotLimits.clusters, width: RequestCounter.width)
    /// See `byCluster`.
    public let byRoute = SparseCounterTable(capacity: SlotLimits.routes, width: RequestCounter.width)
    /// See `byCluster`.
    public let byPod = SparseCounterTable(capacity: PodRequests.capacity, width: RequestCounter.width)
    /// See `byCluster`.
    public let byListener = SparseCounterTable(
        capacity: SlotLimits.listeners, width: RequestCounter.widthWithoutHistogram)

    /// Counts a finished request: for its cluster, its routes, its listener and the pods at both ends. One call per
    /// request, by the worker only; nothing else counts requests or their bytes.
    public func count(_ record: RequestRecord) {
        let sample = RequestSample(record)
        if record.cluster >= 0 { byCluster.count(sample, slot: Int(record.cluster), hasHistogram: true) }
        if record.route >= 0 { byRoute.count(sample, slot: Int(record.route), hasHistogram: true) }
        if record.inboundRoute >= 0 { byRoute.count(sample, slot: Int(record.inboundRoute), hasHistogram: true) }
        if record.listener >= 0 { byListener.count(sample, slot: Int(record.listener), hasHistogram: false) }
        if record.pod >= 0 { byPod.count(sample, slot: PodRequests.sent(Int(record.pod)), hasHistogram: true) }
        if record.destinationPod >= 0 {
            let slot = PodRequests.received(Int(record.destinationPod))
            byPod.count(sample.fromTheServer, slot: slot, hasHistogram: true)
        } else if record.pod < 0, record.listener >= 0 {
            byPod.count(sample, slot: PodRequests.podless, hasHistogram: true)
        }
    }
}

extension WorkerStatistics {
    /// See `RequestTables`.
    public var requestsByCluster: SparseCounterTable { requests.byCluster }
    /// See `RequestTables`.
    public var requestsByRoute: SparseCounterTable { requests.byRoute }
    /// See `RequestTables`.
    public var requestsByPod: SparseCounterTable { requests.byPod }
    /// See `RequestTables`.
    public var requestsByListener: SparseCounterTable { requests.byListener }
    /// See `RequestTables.count`.
    public func countRequest(_ record: RequestRecord) { requests.count(record) }

    /// Sets all counters of a pod's slot to zero. For when, see `CounterTable.clear`.
    public func clear(pod slot: Int) {
        pods.clear(slot: slot)
        requestsByPod.clear(slot: PodRequests.sent(slot))
        requestsByPod.clear(slot: PodRequests.received(slot))
    }

    /// The same for a cluster's slot.
    public func clear(cluster slot: Int) {
        clusters.clear(slot: slot)
        requestsByCluster.clear(slot: slot)
    }

    /// The same for a route's slot.
    public func clear(route slot: Int) { requestsByRoute.clear(slot: slot) }
}

/// What of a record is counted, worked out once for all the things it is counted for.
private struct RequestSample: BitwiseCopyable {
    let statusColumn, bucketColumn: Int
    let duration: Int
    let flags: RequestFlags
    let retries, timeouts: Int
    /// -1: none.
    let callStatus: Int
    var bytesSent, bytesReceived: Int

    @inline(__always)
    init(_ record: RequestRecord) {
        statusColumn = RequestCounter.column(status: record.status)
        bucketColumn = RequestCounter.column(bucket: LatencyHistogram.bucket(record.durationNanoseconds))
        duration = Int(max(0, record.durationNanoseconds))
        flags = record.flags
        retries = record.retries
        timeouts = Int(record.timeouts)
        callStatus = Int(record.grpcStatus)
        bytesSent = record.bytesSent
        bytesReceived = record.bytesReceived
    }

    /// A server sends what its client receives.
    var fromTheServer: RequestSample {
        var sample = self
        (sample.bytesSent, sample.bytesReceived) = (bytesReceived, bytesSent)
        return sample
    }
}

extension SparseCounterTable {
    @inline(__always)
    fileprivate func count(_ sample: RequestSample, slot: Int, hasHistogram: Bool) {
        guard let block = unsafe blockForWriting(slot) else { return }
        // In bounds: all columns are below `RequestCounter.width`, those of the histogram apart also below the width
        // of a table without one.
        unsafe Self.add(1, block, sample.statusColumn)
        unsafe Self.add(sample.duration, block, RequestCounter.durationNanoseconds.rawValue)
        unsafe Self.add(sample.bytesSent, block, RequestCounter.bytesSent.rawValue)
        unsafe Self.add(sample.bytesReceived, block, RequestCounter.bytesReceived.rawValue)
        if hasHistogram { unsafe Self.add(1, block, sample.bucketColumn) }
        if sample.callStatus >= 0 { unsafe Self.add(1, block, RequestCounter.column(callStatus: sample.callStatus)) }
        guard sample.retries | sample.timeouts | Int(truncatingIfNeeded: sample.flags.rawValue) != 0 else { return }
        unsafe Self.add(sample.retries, block, RequestCounter.retries.rawValue)
        unsafe Self.add(sample.timeouts, block, RequestCounter.timeouts.rawValue)
        sample.flags.forEach { unsafe Self.add(1, block, RequestCounter.column($0)) }
    }
}
