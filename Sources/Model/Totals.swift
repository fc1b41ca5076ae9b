/// What a process has counted so far, by names that hold in another process: kind, thing, column. Zeros are left out.
///
/// One generation of the process tells them to the next, so that counters go on where they stood.
public struct Totals: Codable, Sendable, Equatable {
    /// What is counted.
    public enum Kind: String, CaseIterable, Sendable, Codable {
        case pod, podless, cluster, listener, worker, pair, halfOpenAge, turn, host
        case clusterRequests, routeRequests, listenerRequests, podRequestsSent, podRequestsReceived, podlessRequests
    }

    /// By kind, thing and column.
    public private(set) var values: [String: [String: [String: Int]]] = [:]

    /// All zero.
    public init() {}

    /// Adds to one number.
    public mutating func add(_ count: Int, _ kind: Kind, _ name: String, _ column: String) {
        guard count != 0 else { return }
        values[kind.rawValue, default: [:]][name, default: [:]][column, default: 0] += count
    }

    /// What has been counted since `earlier`. Things that were taken up anew since then count from zero.
    public func since(_ earlier: Totals) -> Totals {
        var difference = Totals()
        forEach { kind, name, column, count in
            let before = earlier.values[kind.rawValue]?[name]?[column] ?? 0
            difference.add(count >= before ? count - before : count, kind, name, column)
        }
        return difference
    }

    /// Every number that is not zero. Kinds that this build does not know are left out.
    public func forEach(_ body: (_ kind: Kind, _ name: String, _ column: String, _ count: Int) -> Void) {
        for (kind, things) in values {
            guard let kind = Kind(rawValue: kind) else { continue }
            for (name, columns) in things {
                for (column, count) in columns { body(kind, name, column, count) }
            }
        }
    }

    /// The columns of a kind, in the order of its counter table; nil: not a total, it goes up and down.
    public static func columns(_ kind: Kind) -> [String?] {
        let ends = EndReason.allCases.map { "end \($0.label)" }
        return switch kind {
        case .pod, .podless: PodCounter.allCases.map { "\($0)" } + ends
        case .cluster: ClusterCounter.allCases.map { "\($0)" }
        case .listener: ListenerCounter.allCases.map { "\($0)" } + ends
        case .worker: WorkerCounter.allCases.map { $0.isTotal ? "\($0)" : nil }
        case .pair: ["connections"]
        case .host: HostCounter.allCases.map { $0.isTotal ? "\($0)" : nil } + ends
        case .turn: (0..<TurnHistogram.width).map(TurnHistogram.name)
        case .halfOpenAge: (0..<HalfOpenAge.width).map { $0 == HalfOpenAge.sumColumn ? "sum" : HalfOpenAge.name($0) }
        case .clusterRequests, .routeRequests, .podRequestsSent, .podRequestsReceived, .podlessRequests:
            RequestCounter.names
        case .listenerRequests: Array(RequestCounter.names.prefix(RequestCounter.widthWithoutHistogram))
        }
    }
}

extension Totals.Kind {
    /// Where the counters of a thing with this slot lie in `table`.
    public func place(_ slot: Int) -> Int {
        switch self {
        case .podRequestsSent: PodRequests.sent(slot)
        case .podRequestsReceived: PodRequests.received(slot)
        case .podlessRequests: PodRequests.podless
        default: slot
        }
    }
}

extension WorkerStatistics {
    /// The table of a kind.
    public func table(_ kind: Totals.Kind) -> any Counters {
        switch kind {
        case .pod: pods
        case .podless: podless
        case .cluster: clusters
        case .listener: listeners
        case .worker: worker
        case .pair: pairs
        case .halfOpenAge: halfOpenAges
        case .turn: turns
        case .host: hosts
        case .clusterRequests: requestsByCluster
        case .routeRequests: requestsByRoute
        case .listenerRequests: requestsByListener
        case .podRequestsSent, .podRequestsReceived, .podlessRequests: requestsByPod
        }
    }
}
