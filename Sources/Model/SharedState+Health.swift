/// Who may be picked: verdicts and shares of endpoints, one word each, read by all workers.
extension SharedState {
    /// Bits of `endpointHealth`: the active check fails; ejected by outlier detection. 0: may be picked.
    public static let failedCheck = 1, ejected = 2

    /// Publishes the verdict of the active check. Called by the one worker that checks the endpoint.
    public func setHealth(isHealthy: Bool, endpointSlot: Int, clusterSlot: Int) {
        if isHealthy {
            endpointHealth.clear(Self.failedCheck, at: endpointSlot)
        } else {
            endpointHealth.set(Self.failedCheck, at: endpointSlot)
        }
        clusterHealthEpochs.addReleasing(1, at: clusterSlot)
    }

    /// Why the endpoint's last active check failed; nil: it passed, or there was none.
    public func checkFailure(endpointSlot: Int) -> HealthFailure? {
        UInt8(exactly: endpointCheckFailures.load(endpointSlot) - 1).flatMap { HealthFailure(rawValue: $0) }
    }

    /// Notes how the endpoint's last active check has ended.
    public func setCheckFailure(_ failure: HealthFailure?, endpointSlot: Int) {
        endpointCheckFailures.store(failure.map { Int($0.rawValue) + 1 } ?? 0, at: endpointSlot)
    }

    /// From `now` on (monotonic nanoseconds) the endpoint's share grows for as long as the cluster's `slowStart`.
    public func beginRamp(endpointSlot: Int, _ cluster: ClusterRecord, now: Int64) {
        beginRamp(endpointSlot: endpointSlot, clusterSlot: cluster.slot, cluster.slowStart, now: now)
    }

    /// The same, for whoever has no record of the cluster at hand. Nothing for a `slowStart` of 0.
    public func beginRamp(endpointSlot: Int, clusterSlot: Int, _ slowStart: Int64, now: Int64) {
        guard slowStart > 0 else { return }
        let end = now.addingReportingOverflow(slowStart)
        endpointRamps.store(Int(now), at: endpointSlot)
        clusterRampEnds.store(Int(end.overflow ? .max : end.partialValue), at: clusterSlot)
    }

    /// Ejects an endpoint, if fewer than `ejectedMax` of its cluster are and it is not itself. Returns whether it did.
    public func eject(endpointSlot: Int, clusterSlot: Int, ejectedMax: Int) -> Bool {
        guard clusterEjected.take(at: clusterSlot, limit: ejectedMax) else { return false }
        guard endpointHealth.set(Self.ejected, at: endpointSlot) & Self.ejected == 0 else {
            clusterEjected.add(-1, at: clusterSlot)
            return false
        }
        clusterHealthEpochs.addReleasing(1, at: clusterSlot)
        return true
    }

    /// Takes an ejection back. False: it was none.
    @discardableResult
    public func readmit(endpointSlot: Int, clusterSlot: Int) -> Bool {
        guard endpointHealth.clear(Self.ejected, at: endpointSlot) & Self.ejected != 0 else { return false }
        clusterEjected.add(-1, at: clusterSlot)
        clusterHealthEpochs.addReleasing(1, at: clusterSlot)
        return true
    }

    /// Makes the words of an endpoint's slot usable, and those of an endpoint that nothing is known of yet.
    func reserveEndpoint(_ slot: Int) {
        for words in [endpointConnections, endpointHealth] { words.reserve(slot) }
        endpointHealth.store(0, at: slot)
        for words in [endpointFailures, endpointEjections, endpointRamps, endpointCheckFailures] {
            words.store(0, at: slot)
        }
    }

    /// Words that only some clusters' endpoints need.
    func reserve(endpointSlot slot: Int, for cluster: ClusterRecord) {
        if cluster.slowStart > 0 { endpointRamps.reserve(slot) }
        if cluster.healthCheck != nil { endpointCheckFailures.reserve(slot) }
        guard cluster.hasOutlierDetection else { return }
        endpointFailures.reserve(slot)
        endpointEjections.reserve(slot)
    }

    /// Forgets verdicts that nobody would ever take back.
    func clearVerdicts(endpointSlot slot: Int, keeping bits: Int) {
        let gone = endpointHealth.load(slot) & ~bits
        if gone != 0 { endpointHealth.clear(gone, at: slot) }
    }
}
