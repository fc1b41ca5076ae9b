import Model

/// The outcome of a pick.
public enum Pick: Sendable, BitwiseCopyable, Equatable {
    /// An endpoint; `panic` when health was ignored because too few are healthy.
    case endpoint(EndpointRecord, panic: Bool)
    /// No endpoint is left: the cluster has none, or none is both healthy and untried.
    case none
}

/// One worker's load balancers, for all clusters. Owned by the worker; never shared.
///
/// State that outlives a snapshot goes by slot: connection counts by endpoint, cursors by cluster and weight. What is
/// looked up per pick lies in flat arrays, so a pick allocates nothing and counts no references.
///
/// Policies, all over endpoints grouped by weight, which makes each O(distinct weights):
/// * roundRobin: smooth weighted round robin between groups (nginx's), plain round robin inside one. In every period of
///   (sum of weights) picks each endpoint is picked exactly `weight` times. Workers start at random places.
/// * random: in proportion to weight.
/// * leastRequest: two draws in proportion to weight; the one with fewer connections per weight of this worker
///   (HAProxy's `random(2)`). Drawing by weight keeps an idle cluster's shares right as well.
/// * peakEwma: two draws in the same way; the one whose answers are expected sooner: its latency to this worker
///   (`PeakLatency`) times (1 + requests under way per weight). Without load, equal latencies leave the draw's shares.
/// * ringHash, maglev: the table's place for the client, then on to the next usable one.
public struct EndpointPicker: Sendable {
    /// The balancing state of one group.
    struct GroupState: Sendable, BitwiseCopyable {
        /// See `ClusterTables.Group`.
        var since: UInt64 = 0
        /// Of smooth weighted round robin.
        var credit = 0
        /// The next place inside the group.
        var cursor = 0
        /// Healthy members come first in the group: so many.
        var healthy = 0
    }

    /// What is remembered of a cluster.
    struct ClusterState: Sendable, BitwiseCopyable {
        /// See `ClusterTables.Cluster`.
        var since: UInt64 = 0
        /// The generation whose tables this goes with; see `bringUp`.
        var generation: UInt64 = 0
        /// The epoch of `shared.clusterHealthEpochs` that the groups' `healthy` belong to.
        var epoch = 0
        var healthy = 0
        /// Picks before they may be counted again; see `refreshHealth`.
        var picksBeforeRefresh = 0
        /// Whether cursors have been set to their random start.
        var isStarted = false
        /// What latency endpoints have on average, nanoseconds; 0: not known yet.
        var latencyMean: Float = 0
    }

    let health: AtomicWords
    let epochs: AtomicWords
    var clusters: [ClusterTables.Cluster] = []
    var groups: [ClusterTables.Group] = []
    var endpoints: [ClusterTables.Endpoint] = []
    private var records: RecordView<EndpointRecord> = RecordTable<EndpointRecord>([]).view
    var views: [HashTable.View] = []
    /// See `ClusterTables`.
    var order: [UInt32] = []
    /// Endpoint indices, in each group the healthy ones first. Shared with the tables until a verdict changes.
    var members: [UInt32] = []
    /// By the group's place for it.
    var groupStates: [GroupState] = []
    /// By cluster slot.
    var clusterStates: [ClusterState] = []
    /// This worker's tunnels and requests by endpoint slot.
    var active: [UInt32] = []
    /// How fast endpoints answer this worker, by endpoint slot; kept only while a cluster wants to know.
    var latencies: [PeakLatency] = []
    private var generation: UInt64 = 0
    private var tables: ClusterTables?

    /// Draws before the endpoints are searched in order instead.
    private static let drawsMax = 8
    /// Places of a hash table before a client is given one of the healthy endpoints by its hash instead.
    private static let stepsMax = 256

    /// A picker without clusters; health verdicts are those of `shared`.
    public init(shared: SharedState) {
        health = shared.endpointHealth
        epochs = shared.clusterHealthEpochs
    }

    /// An endpoint for a new connection or request, at the monotonic time `now` (nanoseconds). Allocates nothing.
    ///
    /// - Parameters:
    ///   - index: of the cluster in the adopted snapshot; out of range, or a cluster that goes to the original
    ///     destination: `none`.
    ///   - hash: what ringHash and maglev balance by.
    ///   - tried: endpoints that are left out.
    ///   - subset: only endpoints of this subset; -1: of the whole cluster.
    public mutating func pick(
        cluster index: Int, hash clientHash: UInt64, tried: TriedEndpoints, subset: Int32 = -1, now: Int64,
        random: inout SmallRandom
    ) -> Pick {
        guard index >= 0, index < clusters.count, clusters[index].count > 0 else { return .none }
        let cluster = clusters[index]
        if clusterStates[cluster.slot].generation != generation { bringUp(cluster) }
        let panic = refreshHealth(cluster)
        if !clusterStates[cluster.slot].isStarted { start(cluster, panic, &random) }
        let found =
            switch cluster.policy {
            case .ringHash, .maglev: walk(index, clientHash, panic, tried)
            case .roundRobin, .leastRequest, .random, .peakEwma: draw(index, panic, tried, now, &random)
            }
        if let found { return .endpoint(records[found], panic: panic) }
        // A client that is balanced by hash keeps its endpoint here too, as long as health stays as it is.
        let isHashed = cluster.policy == .ringHash || cluster.policy == .maglev
        return search(index, tried, from: isHashed ? clientHash : random.next())
    }

    private mutating func draw(
        _ index: Int, _ panic: Bool, _ tried: TriedEndpoints, _ now: Int64, _ random: inout SmallRandom
    ) -> Int? {
        let cluster = clusters[index]
        for _ in 0..<Self.drawsMax {
            let drawn =
                switch cluster.policy {
                case .roundRobin: roundRobin(cluster, panic)
                case .leastRequest, .peakEwma: betterOfTwo(cluster, panic, now, &random)
                case .random, .ringHash, .maglev: weightedRandom(cluster, panic, &random)
                }
            guard let drawn else { return nil }
            if isUsable(drawn, cluster, panic, tried) { return drawn }
        }
        return nil
    }

    private func walk(_ index: Int, _ clientHash: UInt64, _ panic: Bool, _ tried: TriedEndpoints) -> Int? {
        let cluster = clusters[index]
        let view = views[index]
        var place = view.place(of: clientHash)
        for _ in 0..<min(Self.stepsMax, view.count) {
            let endpoint = Int(cluster.lower) + view.member(at: place)
            if isUsable(endpoint, cluster, panic, tried) { return endpoint }
            place = place + 1 == view.count ? 0 : place + 1
        }
        return nil
    }

    /// The first usable endpoint from some place on, when drawing or walking found none: what is remembered of health
    /// may be old, most endpoints have been tried, or one outweighs all others. What is remembered is fresh after the
    /// first line, so this ends after a few steps.
    private mutating func search(_ index: Int, _ tried: TriedEndpoints, from start: UInt64) -> Pick {
        let cluster = clusters[index]
        let panic = refreshHealth(cluster, atOnce: true)
        let count = drawableCount(cluster, panic)
        guard count > 0 else { return .none }
        let first = Int(start % UInt64(count))
        for offset in 0..<count {
            let place = first + offset < count ? first + offset : first + offset - count
            guard let endpoint = drawable(at: place, cluster, panic) else { break }
            if isUsable(endpoint, cluster, panic, tried) { return .endpoint(records[endpoint], panic: panic) }
        }
        return .none
    }

    @inline(__always)
    private func isUsable(
        _ endpoint: Int, _ cluster: ClusterTables.Cluster, _ panic: Bool, _ tried: TriedEndpoints
    ) -> Bool {
        let slot = Int(endpoints[endpoint].slot)
        // The word itself, not what is remembered: a new verdict holds for the very next pick.
        return !tried.contains(endpointSlot: slot) && (panic || !cluster.isChecked || health.load(slot) == 0)
    }
}

// MARK: - connections, requests and reloads

extension EndpointPicker {
    /// This worker has begun a tunnel to the endpoint; balanced by `connectionClosed`. What counts as load is tunnels
    /// and requests: a pooled connection, idle or in use, is neither.
    public mutating func connectionOpened(endpointSlot slot: Int) { requestStarted(endpointSlot: slot) }

    /// The tunnel is over, or never came about.
    public mutating func connectionClosed(endpointSlot slot: Int) {
        guard slot >= 0, slot < active.count, active[slot] > 0 else { return }
        active[slot] -= 1
    }

    /// An attempt of a request has been given to the endpoint; balanced by `requestFinished`.
    public mutating func requestStarted(endpointSlot slot: Int) {
        guard slot >= 0, slot < active.count else { return }
        active[slot] += 1
    }

    /// The attempt is over: `latencyNanoseconds` from its start to the response's head, or to its failure; negative: it
    /// says nothing about the endpoint (the client left).
    public mutating func requestFinished(endpointSlot slot: Int, latencyNanoseconds: Int64, now: Int64) {
        connectionClosed(endpointSlot: slot)
        guard latencyNanoseconds >= 0, slot >= 0, slot < latencies.count else { return }
        latencies[slot].add(latencyNanoseconds, now: now)
    }

    /// Goes over to `tables`, made from the snapshot the worker adopts. Looks at no cluster: that is left to the first
    /// pick from each. Returns the tables that were in use, for the caller to release where that is cheap (freeing them
    /// takes time).
    @discardableResult
    public mutating func adopt(_ tables: ClusterTables) -> ClusterTables? {
        let old = self.tables
        self.tables = tables
        generation = tables.generation
        clusters = tables.clusters
        groups = tables.groups
        endpoints = tables.endpoints
        records = tables.records.view
        views = tables.views
        order = tables.order
        members = tables.members
        // These never shrink: a connection may outlive its endpoint's place in the configuration.
        Self.extend(&active, to: tables.endpointSlotCount, 0)
        Self.extend(&clusterStates, to: tables.clusterSlotCount, ClusterState())
        if tables.usesLatencies { Self.extend(&latencies, to: tables.endpointSlotCount, PeakLatency()) }
        Self.extend(&groupStates, to: tables.groupStateCount, GroupState())
        return old
    }

    private static func extend<State>(_ states: inout [State], to count: Int, _ state: State) {
        if states.count < count { states += repeatElement(state, count: count - states.count) }
    }

    /// Before the first pick from a cluster in a generation: what is known of its health is what the tables say;
    /// cursors go on where they were, unless their place was another's.
    mutating func bringUp(_ cluster: ClusterTables.Cluster) {
        if clusterStates[cluster.slot].since != cluster.since {
            clusterStates[cluster.slot] = ClusterState(since: cluster.since)
        }
        clusterStates[cluster.slot].generation = generation
        clusterStates[cluster.slot].epoch = cluster.healthEpoch
        clusterStates[cluster.slot].healthy = Int(cluster.healthy)
        clusterStates[cluster.slot].picksBeforeRefresh = 0
        for group in cluster.groups {
            let state = Int(groups[group].state)
            if groupStates[state].since != groups[group].since {
                groupStates[state] = GroupState(since: groups[group].since)
            }
            groupStates[state].healthy = Int(groups[group].healthy)
        }
    }
}
