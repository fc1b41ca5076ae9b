import Model

/// What has work: a connection of one of the kinds that a worker keeps in slabs.
struct WorkItem: BitwiseCopyable, Hashable {
    enum Kind: UInt8, BitwiseCopyable {
        case tunnel, client, server, arrival
    }

    fileprivate static let kinds = 4

    let kind: Kind
    /// Its place in its slab.
    let index: UInt32

    /// As 32 bits: slabs have fewer than 2^30 places.
    fileprivate var bits: UInt32 { UInt32(kind.rawValue) << 30 | index }

    init(_ kind: Kind, _ index: UInt32) {
        self.kind = kind
        self.index = index
    }

    fileprivate init(bits: UInt32) {
        kind = Kind(rawValue: UInt8(bits >> 30)) ?? .tunnel
        index = bits & 0x3fff_ffff
    }
}

/// Which connections have work, by pod: deficit round robin over pods, first come first served within one.
///
/// A pod is served until it has used its quantum of time in this round; then the next pod has its turn. So a pod with
/// ten thousand busy connections gets the same share of the worker as a pod with one, and one that opens and closes
/// thousands a second pays for that too: time is what all kinds of work cost. The queue allocates only when a pod with a
/// new highest slot or a connection at a new highest place turns up. A connection that ends while it is queued is
/// removed here first: its place may be taken again at once.
struct FairQueue: ~Copyable {
    /// Nanoseconds of work a pod may cause before the next pod has its turn: one visit that relays 256 KiB, or one new
    /// connection, or some thirty small messages.
    static let quantum = 100_000
    /// A pod owes no more than this, however much was done for it out of turn (accepting does not ask whose). As much as the
    /// longest visits take: who causes those pays for all of them.
    static let debtMax = 100 * quantum

    private struct PodQueue: BitwiseCopyable {
        var first: UInt32 = FairQueue.none
        var last: UInt32 = FairQueue.none
        var deficit = 0
        /// The next pod in the round.
        var nextPod: Int32 = -1
        /// It stays in the round until its turn comes, even if its last connection was removed meanwhile.
        var isInRound = false
    }

    /// Neighbours in the pod's queue.
    private struct Links: BitwiseCopyable {
        var next: UInt32 = FairQueue.none
        var previous: UInt32 = FairQueue.none
    }

    private static let none = UInt32.max
    /// By place and kind: see `place`.
    private var links = RecordList<Links>()
    /// By pod slot + 1; place 0 is for connections without a pod.
    private var pods = RecordList<PodQueue>()
    private var firstPod: Int32 = -1
    private var lastPod: Int32 = -1

    /// Whether nothing waits.
    var isEmpty: Bool { firstPod < 0 }

    /// Adds a connection, which is not queued, to its pod's queue.
    mutating func add(_ item: WorkItem, pod slot: Int) {
        let pod = max(0, slot + 1)
        if pod >= pods.count { pods.append(repeating: PodQueue(), count: pod + 1 - pods.count) }
        let missing = Self.place(item.bits) + 1 - links.count
        if missing > 0 { links.append(repeating: Links(), count: missing) }
        let last = pods[pod].last
        self[item.bits] = Links(next: Self.none, previous: last)
        pods[pod].last = item.bits
        guard last == Self.none else {
            self[last].next = item.bits
            return
        }
        pods[pod].first = item.bits
        if !pods[pod].isInRound { appendPod(Int32(pod)) }
    }

    /// Takes a queued connection out of its pod's queue.
    mutating func remove(_ item: WorkItem, pod slot: Int) {
        let pod = max(0, slot + 1)
        let (next, previous) = (self[item.bits].next, self[item.bits].previous)
        if previous == Self.none { pods[pod].first = next } else { self[previous].next = next }
        if next == Self.none { pods[pod].last = previous } else { self[next].previous = previous }
        // An empty queue leaves the round when its turn comes.
    }

    /// Takes the next connection whose turn it is. Report what it cost with `charge`.
    mutating func next() -> (item: WorkItem, pod: Int)? {
        while firstPod >= 0 {
            let pod = Int(firstPod)
            let bits = pods[pod].first
            if bits == Self.none {
                removeFirstPod()
                continue
            }
            if pods[pod].deficit <= 0 {
                // Alone in the round it would only go on to earn: as many rounds at once as it takes.
                if firstPod == lastPod { pods[pod].deficit %= Self.quantum }
                earn(pod)
                rotate()
                continue
            }
            let next = self[bits].next
            pods[pod].first = next
            if next == Self.none {
                pods[pod].last = Self.none
                removeFirstPod()
            } else {
                self[next].previous = Self.none
            }
            return (WorkItem(bits: bits), pod)
        }
        return nil
    }

    /// What work for `pod` (as `next` returned it) cost, nanoseconds.
    mutating func charge(_ cost: Int, pod: Int) {
        if pod >= pods.count { pods.append(repeating: PodQueue(), count: pod + 1 - pods.count) }
        pods[pod].deficit = max(pods[pod].deficit - cost, -Self.debtMax)
        // An empty queue earns nothing for later: a pod that was silent has no claim on the worker's future. What it
        // has had beyond its quantum it owes all the same.
        if pods[pod].first == Self.none { pods[pod].deficit = min(pods[pod].deficit, 0) }
    }

    /// A new round's quantum: never more than one in hand.
    private mutating func earn(_ pod: Int) {
        pods[pod].deficit = min(pods[pod].deficit + Self.quantum, Self.quantum)
    }

    private mutating func appendPod(_ pod: Int32) {
        pods[Int(pod)].nextPod = -1
        pods[Int(pod)].isInRound = true
        earn(Int(pod))
        if lastPod >= 0 { pods[Int(lastPod)].nextPod = pod } else { firstPod = pod }
        lastPod = pod
    }

    private mutating func removeFirstPod() {
        pods[Int(firstPod)].isInRound = false
        firstPod = pods[Int(firstPod)].nextPod
        if firstPod < 0 { lastPod = -1 }
    }

    private mutating func rotate() {
        guard firstPod != lastPod else { return }
        let pod = firstPod
        firstPod = pods[Int(pod)].nextPod
        pods[Int(pod)].nextPod = -1
        pods[Int(lastPod)].nextPod = pod
        lastPod = pod
    }

    private static func place(_ bits: UInt32) -> Int {
        Int(bits & 0x3fff_ffff) * WorkItem.kinds + Int(bits >> 30)
    }

    private subscript(bits: UInt32) -> Links {
        get { links[Self.place(bits)] }
        _modify { yield &links[Self.place(bits)] }
    }
}
