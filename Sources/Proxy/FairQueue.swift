import EventLoop

/// Which connections have work, by pod: deficit round robin over pods, first come first served within one.
///
/// A pod is served until it has used its quantum of time in this round; then the next pod has its turn. So a pod with
/// ten thousand busy connections gets the same share of the worker as a pod with one, and one that opens and closes
/// thousands a second pays for that too: time is what all kinds of work cost. The links within a pod lie in the
/// connections (`Tunnel.nextQueued`): the queue allocates only when a pod with a new highest slot turns up. A connection
/// is therefore removed from the slab only while it is not queued.
struct FairQueue {
    /// Nanoseconds of work a pod may cause before the next pod has its turn: one visit that relays 256 KiB, or one new
    /// connection, or some thirty small messages.
    static let quantum = 100_000
    /// A pod owes no more than this, however much was done for it out of turn (accepting does not ask whose).
    static let debtMax = 16 * quantum

    private struct PodQueue {
        var first: UInt32 = FairQueue.none
        var last: UInt32 = FairQueue.none
        var deficit = 0
        /// The next pod in the round.
        var nextPod: Int32 = -1
    }

    private static let none = UInt32.max
    /// By pod slot + 1; place 0 is for connections without a pod.
    private var pods: [PodQueue] = []
    private var firstPod: Int32 = -1
    private var lastPod: Int32 = -1

    /// Whether nothing waits.
    var isEmpty: Bool { firstPod < 0 }

    /// Adds the connection at `index` of the slab to its pod's queue. `link` sets that connection's `nextQueued`.
    mutating func add(_ index: UInt32, pod slot: Int, tunnels: borrowing Slab<Tunnel>) {
        let pod = max(0, slot + 1)
        if pod >= pods.count { pods += Array(repeating: PodQueue(), count: pod + 1 - pods.count) }
        setNext(of: index, to: Self.none, tunnels)
        if pods[pod].first == Self.none {
            pods[pod].first = index
            appendPod(Int32(pod))
        } else {
            setNext(of: pods[pod].last, to: index, tunnels)
        }
        pods[pod].last = index
    }

    /// Takes the next connection whose turn it is. Report what it cost with `charge`.
    mutating func next(tunnels: borrowing Slab<Tunnel>) -> (index: UInt32, pod: Int)? {
        guard firstPod >= 0 else { return nil }
        while pods[Int(firstPod)].deficit <= 0 {
            earn(Int(firstPod))
            rotate()
        }
        let pod = Int(firstPod)
        let index = pods[pod].first
        pods[pod].first = nextIndex(of: index, tunnels)
        if pods[pod].first == Self.none {
            pods[pod].last = Self.none
            removeFirstPod()
        }
        return (index, pod)
    }

    /// What work for `pod` (as `next` returned it) cost, nanoseconds.
    mutating func charge(_ cost: Int, pod: Int) {
        if pod >= pods.count { pods += Array(repeating: PodQueue(), count: pod + 1 - pods.count) }
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
        earn(Int(pod))
        if lastPod >= 0 { pods[Int(lastPod)].nextPod = pod } else { firstPod = pod }
        lastPod = pod
    }

    private mutating func removeFirstPod() {
        firstPod = pods[Int(firstPod)].nextPod
        if firstPod < 0 { lastPod = -1 }
    }

    private mutating func rotate() {
        guard firstPod != lastPod else { return }
        let pod = firstPod
        removeFirstPod()
        pods[Int(pod)].nextPod = -1
        pods[Int(lastPod)].nextPod = pod
        lastPod = pod
    }

    private func setNext(of index: UInt32, to next: UInt32, _ tunnels: borrowing Slab<Tunnel>) {
        guard let handle = tunnels.handle(at: Int(index)) else { return }
        tunnels.find(handle)?.value.nextQueued = next
    }

    private func nextIndex(of index: UInt32, _ tunnels: borrowing Slab<Tunnel>) -> UInt32 {
        guard let handle = tunnels.handle(at: Int(index)) else { return Self.none }
        return tunnels.find(handle)?.value.nextQueued ?? Self.none
    }
}
