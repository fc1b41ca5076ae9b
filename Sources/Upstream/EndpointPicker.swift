import Model

/// The outcome of a pick.
public enum Pick: Sendable, BitwiseCopyable, Equatable {
    /// An endpoint; `panic` when health was ignored because too few are healthy.
    case endpoint(EndpointRecord, panic: Bool)
    /// No endpoint is left: the cluster (or subset) has none, or none is both healthy and untried.
    case none
}

/// One worker's load balancers, for all clusters. Owned by the worker; never shared.
///
/// State that outlives a snapshot goes by slot: load and latency by endpoint, cursors by cluster, part, zone and weight.
/// What is looked up per pick lies in flat arrays and in tables reached by bare pointers, so a pick allocates nothing and
/// counts no references.
///
/// Policies, all over endpoints grouped by weight, which makes each O(distinct weights):
/// * roundRobin: smooth weighted round robin between groups (nginx's), plain round robin inside one. In every period of
///   (sum of weights) picks each endpoint is picked exactly `weight` times. Workers start at random places.
/// * random: in proportion to weight.
/// * leastRequest: two draws in proportion to weight; the one with less load per weight of this worker
///   (HAProxy's `random(2)`). Drawing by weight keeps an idle cluster's shares right as well.
/// * peakEwma: two draws in the same way; the one whose answers are expected sooner: its latency to this worker
///   (`PeakLatency`) times (1 + load per weight). Equal latencies without load leave the draw's shares.
/// * ringHash, maglev: the table's place for the client, then on to the next usable one.
///
/// Zones (`EndpointPicker+Zones`) are drawn before; hashing policies do not look at them. An endpoint whose slow start is
/// under way refuses picks in proportion to what is missing.
public struct EndpointPicker: Sendable {
    /// The balancing state of one group.
    struct GroupState: Sendable, BitwiseCopyable {
        /// See `ClusterTable.Group`.
        var key: UInt64 = 0
        /// Of smooth weighted round robin.
        var credit = 0
        /// The next place inside the group.
        var cursor = 0
        /// Healthy members come first in the group: so many.
        var healthy = 0
    }

    /// What is remembered of a part: healthy endpoints, and whether they are too few.
    struct PartState: Sendable, BitwiseCopyable {
        var healthy = 0
        var isPanic = false
    }

    /// What is remembered of a cluster.
    struct ClusterState: Sendable, BitwiseCopyable {
        /// See `ClusterTable.View`. 0: nothing is remembered.
        var since: UInt64 = 0
        var version: UInt64 = 0
        /// Blocks of `groups`, `zoneShares`, `parts` and `members`; the last is taken only when some endpoint is not
        /// healthy (-1: all are, so that the order of the table holds).
        var groupsAt: Int32 = 0, zonesAt: Int32 = 0, partsAt: Int32 = 0, membersAt: Int32 = -1
        var groupCount: Int32 = 0, zoneCount: Int32 = 0, partCount: Int32 = 0, memberCount: Int32 = 0
        /// The epoch of `SharedState.clusterHealthEpochs` that the groups' `healthy` belong to.
        var epoch = 0
        /// Picks before they may be counted again; see `refreshHealth`.
        var picksBeforeRefresh = 0
        /// What latency endpoints have on average, nanoseconds; 0: not known yet.
        var latencyMean: Float = 0
        /// Whether cursors have been set to their random start.
        var isStarted = false
    }

    /// What one pick is about. Of the cluster's table only what every draw looks at: copying all of it, once a step, was a
    /// quarter of a pick.
    struct Draw: BitwiseCopyable {
        let view: RecordView<ClusterTable.View>
        let endpoints: RecordView<EndpointRecord>
        let order: RecordView<UInt32>
        let groups: RecordView<ClusterTable.Group>
        let slot: Int
        let policy: Configuration.Cluster.LoadBalancer
        let hasVerdicts: Bool
        let part: Int
        let tried: TriedEndpoints
        let now: Int64
        /// Some endpoint's slow start is under way.
        let isRamping: Bool
        var isPanic = false
        var groupsAt = 0, zonesAt = 0, membersAt = -1

        @inline(__always)
        init(
            _ view: RecordView<ClusterTable.View>, part: Int, _ tried: TriedEndpoints, _ now: Int64, isRamping: Bool
        ) {
            self.view = view
            self.part = part
            self.tried = tried
            self.now = now
            self.isRamping = isRamping
            endpoints = view[0].endpoints
            order = view[0].order
            groups = view[0].groups
            slot = view[0].slot
            policy = view[0].policy
            hasVerdicts = view[0].hasVerdicts
        }
    }

    let shared: SharedState
    let health: AtomicWords, epochs: AtomicWords, ramps: AtomicWords, rampEnds: AtomicWords
    /// By cluster slot: the table in force.
    var views: [RecordView<ClusterTable.View>?] = []
    /// By cluster slot.
    var clusterStates: [ClusterState] = []
    /// The blocks of cluster states.
    var groups = Arena<GroupState>(), zoneShares = Arena<UInt32>(), parts = Arena<PartState>()
    /// Indices of endpoints in their cluster, in each group the healthy ones first.
    var members = Arena<UInt32>()
    /// This worker's tunnels and requests by endpoint slot.
    var active: [UInt32] = []
    /// How fast endpoints answer this worker, by endpoint slot; kept once a cluster wants to know.
    var latencies: [PeakLatency] = []
    /// How endpoints fare with this worker; see `OutlierDetector`.
    let outcomes: CounterTable?
    private var clusters: RecordView<ClusterRecord>?
    private var subsets: RecordView<SubsetRecord>?
    private var tables: ClusterTables?

    /// Draws before the endpoints are searched in order instead.
    private static let drawsMax = 8
    /// Places of a hash table before a client is given one of the healthy endpoints by its hash instead.
    private static let stepsMax = 256

    /// A picker without clusters; verdicts are those of `shared`. `outcomes` is where this worker counts how endpoints fare
    /// (`WorkerStatistics.endpoints`).
    public init(shared: SharedState, outcomes: CounterTable? = nil) {
        self.shared = shared
        self.outcomes = outcomes
        health = shared.endpointHealth
        epochs = shared.clusterHealthEpochs
        ramps = shared.endpointRamps
        rampEnds = shared.clusterRampEnds
    }

    /// An endpoint for a new connection or request, at the monotonic time `now` (nanoseconds). Allocates nothing.
    ///
    /// - Parameters:
    ///   - index: of the cluster in the adopted snapshot; out of range, or a cluster that goes to the original
    ///     destination: `none`.
    ///   - hash: what ringHash and maglev balance by.
    ///   - tried: endpoints that are left out.
    ///   - subset: only endpoints of this subset (an index of `Snapshot.subsets`); -1: of the whole cluster.
    public mutating func pick(
        cluster index: Int, hash: UInt64, tried: TriedEndpoints, subset: Int32 = -1, now: Int64,
        random: inout SmallRandom
    ) -> Pick {
        guard let view = view(cluster: index), let part = part(subset, cluster: index) else { return .none }
        let slot = view[0].slot
        guard part < view[0].parts.count, view[0].parts[part].count > 0 else { return .none }
        if clusterStates[slot].version != view[0].version { bringUp(view[0]) }
        if view[0].hasVerdicts, clusterStates[slot].epoch != epochs.loadAcquiring(slot) { refreshHealth(view[0]) }
        if !clusterStates[slot].isStarted { start(view[0], &random) }
        let isRamping = view[0].slowStart > 0 && Int64(rampEnds.load(slot)) > now
        let draw = placed(Draw(view, part: part, tried, now, isRamping: isRamping))
        let isHashed = draw.policy == .ringHash || draw.policy == .maglev
        let found = isHashed ? walk(draw, hash) : self.draw(draw, &random)
        if let found { return .endpoint(draw.endpoints[found], panic: draw.isPanic) }
        // A client that is balanced by hash keeps its endpoint here too, as long as health stays as it is.
        return search(draw, from: isHashed ? hash : random.next())
    }

    /// The endpoints of a cluster of the adopted snapshot, as they are now; nil: it has none of its own.
    public func endpoints(cluster index: Int) -> RecordView<EndpointRecord>? { view(cluster: index)?[0].endpoints }

    private func view(cluster index: Int) -> RecordView<ClusterTable.View>? {
        guard let clusters, index >= 0, index < clusters.count else { return nil }
        let slot = clusters[index].slot
        return slot < views.count ? views[slot] : nil
    }

    /// nil: a subset of another cluster.
    private func part(_ subset: Int32, cluster index: Int) -> Int? {
        guard subset >= 0 else { return 0 }
        guard let subsets, Int(subset) < subsets.count, subsets[Int(subset)].cluster == index else { return nil }
        return subsets[Int(subset)].number + 1
    }

    /// With where the state of its cluster lies now.
    @inline(__always)
    private func placed(_ draw: Draw) -> Draw {
        var draw = draw
        let slot = draw.slot
        draw.groupsAt = Int(clusterStates[slot].groupsAt)
        draw.zonesAt = Int(clusterStates[slot].zonesAt)
        draw.membersAt = Int(clusterStates[slot].membersAt)
        draw.isPanic = parts.values[Int(clusterStates[slot].partsAt) + draw.part].isPanic
        return draw
    }

    private mutating func draw(_ draw: Draw, _ random: inout SmallRandom) -> Int? {
        for _ in 0..<Self.drawsMax {
            let zone = zone(draw, &random)
            let drawn =
                switch draw.policy {
                case .roundRobin: roundRobin(draw, zone)
                case .leastRequest, .peakEwma: betterOfTwo(draw, zone, &random)
                case .random, .ringHash, .maglev: weightedRandom(draw, zone, &random)
                }
            guard let drawn else { return nil }
            if isUsable(drawn, draw), !draw.isRamping || isAdmitted(drawn, draw, point: random.next()) { return drawn }
        }
        return nil
    }

    private func walk(_ draw: Draw, _ hash: UInt64) -> Int? {
        let table = draw.view[0].hash
        var place = table.place(of: hash)
        for _ in 0..<min(Self.stepsMax, table.count) {
            let endpoint = table.member(at: place)
            if draw.part == 0 || draw.view[0].isMember(endpoint, of: draw.part), isUsable(endpoint, draw),
                isAdmitted(endpoint, draw, point: StableHash.combine(hash, UInt64(endpoint)))
            {
                return endpoint
            }
            place = place + 1 == table.count ? 0 : place + 1
        }
        return nil
    }

    /// The first usable endpoint from some place on, when drawing or walking found none: what is remembered of health
    /// may be old, most endpoints have been tried, or one outweighs all others. What is remembered is fresh after the
    /// first line, so this ends after a few steps.
    private mutating func search(_ old: Draw, from start: UInt64) -> Pick {
        if old.hasVerdicts { refreshHealth(old.view[0], atOnce: true) }
        let draw = placed(old)
        let count = drawableCount(draw)
        guard count > 0 else { return .none }
        let first = Int(start % UInt64(count))
        for offset in 0..<count {
            let place = first + offset < count ? first + offset : first + offset - count
            guard let endpoint = drawable(at: place, draw) else { break }
            if isUsable(endpoint, draw) {
                return .endpoint(draw.endpoints[endpoint], panic: draw.isPanic)
            }
        }
        return .none
    }

    @inline(__always)
    private func isUsable(_ endpoint: Int, _ draw: Draw) -> Bool {
        let slot = draw.endpoints[endpoint].slot
        // The word itself, not what is remembered: a new verdict holds for the very next pick.
        return !draw.tried.contains(endpointSlot: slot)
            && (draw.isPanic || !draw.hasVerdicts || health.load(slot) == 0)
    }

    /// An endpoint that is new takes a tenth of its share at first, and all of it at the end of `slowStart`. `point` is a
    /// random number, or a client's: whoever is hashed to it moves over at one moment and stays.
    @inline(__always)
    private func isAdmitted(_ endpoint: Int, _ draw: Draw, point: UInt64) -> Bool {
        guard draw.isRamping else { return true }
        let (began, length) = (Int64(ramps.load(draw.endpoints[endpoint].slot)), draw.view[0].slowStart)
        guard began > 0, draw.now - began < length else { return true }
        let share = max(0.1, Double(draw.now - began) / Double(length))
        return Double(point >> 11) < share * 0x1p53
    }
}

// MARK: - reloads

extension EndpointPicker {
    /// Goes over to `tables`, made from the snapshot the worker adopts. Looks at no cluster: that is left to the first
    /// pick from each. Returns the tables that were in use, for the caller to release where that is cheap (freeing them
    /// takes time).
    @discardableResult
    public mutating func adopt(_ tables: ClusterTables) -> ClusterTables? {
        let old = self.tables
        self.tables = tables
        clusters = tables.clusters
        subsets = tables.subsets
        views = tables.views
        // These never shrink: a connection may outlive its endpoint's place in the configuration.
        Self.extend(&clusterStates, to: tables.views.count, ClusterState())
        extend(endpointSlots: tables.endpointSlotCount, latencies: tables.usesLatencies)
        return old
    }

    /// Goes over to other endpoints of one cluster. The caller keeps `change` until then, and then hands it back.
    public mutating func adopt(_ change: EndpointChange) {
        let slot = change.new.view[0].slot
        guard slot < views.count else { return }
        views[slot] = change.new.view
        extend(endpointSlots: change.endpointSlotCount, latencies: change.new.view[0].policy == .peakEwma)
    }

    private mutating func extend(endpointSlots count: Int, latencies usesLatencies: Bool) {
        Self.extend(&active, to: count, 0)
        if usesLatencies || !latencies.isEmpty { Self.extend(&latencies, to: count, PeakLatency()) }
    }

    private static func extend<State>(_ states: inout [State], to count: Int, _ state: State) {
        if states.count < count { states += repeatElement(state, count: count - states.count) }
    }
}

// MARK: - load

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
}
