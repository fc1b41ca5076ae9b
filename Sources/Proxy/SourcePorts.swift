import Model
import Upstream

/// One worker's source ports: a ledger for each leg, and another pair for connections on behalf of protected hosts.
///
/// Two ranges, because what a dead proxy of a protected host left in TIME_WAIT there would meet ours: both connect from
/// the same pods' addresses. The second pair is made for the first such connection: most processes never have one.
struct SourcePorts: Sendable {
    /// Which ledger a connection's port is of.
    struct Leg: BitwiseCopyable {
        let isOutbound, isProtected: Bool

        init(_ record: ConnectionRecord) {
            isOutbound = record.direction == .outbound
            isProtected = record.host != 0
        }
    }

    private struct Pair: Sendable {
        var outbound, inbound: SourcePortLedger
    }

    private var own: Pair
    private var protected: Pair?
    /// nil: the process has no connections but those, and its own range is for them.
    private let protectedRange: PortRange?
    private let worker, workers: Int
    private let seed: UInt64

    init(_ settings: WorkerSettings, worker: Int, workers: Int, seed: UInt64) {
        protectedRange = settings.protectedPorts
        (self.worker, self.workers, self.seed) = (worker, workers, seed)
        own = Self.pair(settings.sourcePorts, worker, workers, seed)
    }

    private static func pair(_ range: PortRange, _ worker: Int, _ workers: Int, _ seed: UInt64) -> Pair {
        let (outbound, inbound) = range.halves ?? (range, range)
        return Pair(
            outbound: SourcePortLedger(range: outbound, worker: worker, workers: workers, seed: seed),
            inbound: SourcePortLedger(range: inbound, worker: worker, workers: workers, seed: ~seed))
    }

    private mutating func with<Result>(_ leg: Leg, _ body: (inout SourcePortLedger) -> Result) -> Result {
        if leg.isProtected, let protectedRange {
            var pair = protected.take() ?? Self.pair(protectedRange, worker, workers, seed &+ 1)
            let result = leg.isOutbound ? body(&pair.outbound) : body(&pair.inbound)
            protected = pair
            return result
        }
        return leg.isOutbound ? body(&own.outbound) : body(&own.inbound)
    }

    /// See `SourcePortLedger`.
    mutating func lease(_ leg: Leg, source: IPAddress, destination: SocketAddress, now: Int64) -> SourcePortLease? {
        with(leg) { $0.lease(source: source, destination: destination, now: now) }
    }

    /// See `SourcePortLedger`.
    mutating func claim(_ leg: Leg, source: SocketAddress, destination: SocketAddress) -> SourcePortLease? {
        with(leg) { $0.claim(source: source, destination: destination) }
    }

    /// See `SourcePortLedger`.
    mutating func clashed(_ leg: Leg, _ lease: SourcePortLease, now: Int64) {
        with(leg) { $0.clashed(lease, now: now) }
    }

    /// See `SourcePortLedger`.
    mutating func release(_ leg: Leg, _ lease: SourcePortLease) { with(leg) { $0.release(lease) } }
}
