import EventLoop
import Model
import Syscalls

/// A stretch of a turn: visits of one pod in a row, measured together because reading the clock costs as much as a
/// twentieth of a small message.
private struct Stretch {
    var pod = -1
    /// The last reading of the clock.
    var at: Int64
    /// Bytes moved, and as many as a visit is worth for each visit.
    var weight = 0

    /// About the bytes that cost as much CPU as a visit does without any.
    static let visitWeight = 8 << 10
    /// When the clock is read although the pod goes on: after eight small messages, or one large read.
    static let weightMax = 64 << 10
}

extension Worker {
    /// How long connections are served before the poller is looked at again. Two visits of bulk, some dozens of small
    /// messages: looking costs a fiftieth of it, and a pod that was silent waits for no longer.
    static let serveNanoseconds: Int64 = 150_000

    /// Serves what is queued, fairly by pod, until the share of time is used up. `start` is the time; returns the time at
    /// the end.
    mutating func serveReady(from start: Int64) -> Int64 {
        var stretch = Stretch(at: start)
        while stretch.at - start < Self.serveNanoseconds, let entry = ready.next() {
            if entry.pod != stretch.pod {
                end(&stretch)
                stretch.pod = entry.pod
            }
            stretch.weight += Stretch.visitWeight + serve(entry.item)
            if stretch.weight >= Stretch.weightMax { end(&stretch) }
        }
        end(&stretch)
        return stretch.at
    }

    /// A turn of one connection; queued again if it has more to do. Returns the bytes moved.
    private mutating func serve(_ item: WorkItem) -> Int {
        let index = Int(item.index)
        // Whatever is served may end: it is looked up anew.
        switch item.kind {
        case .tunnel:
            guard let handle = tunnels.handle(at: index), let tunnel = tunnels.find(handle) else { break }
            tunnel.value.queued = false
            let moved = serve(tunnel, handle)
            if let tunnel = tunnels.find(handle) { enqueue(tunnel, handle) }
            return moved
        case .client:
            guard let handle = clients.handle(at: index), let client = clients.find(handle) else { break }
            client.value.queued = false
            let moved = serveClient(client, handle)
            flushAll()
            charge(clientAt: handle)
            guard let client = clients.find(handle) else { return moved }
            countHeld(client)
            if hasWork(client) { enqueue(client, handle) }
            return moved
        case .server:
            guard let handle = servers.handle(at: index), let server = servers.find(handle) else { break }
            server.value.queued = false
            let moved = serveServer(server, handle)
            flushAll()
            // Whoever it has produced something for.
            charge(clientAt: toClientHandle)
            guard let server = servers.find(handle) else { return moved }
            countHeld(server)
            if hasWork(server) { enqueueServer(handle) }
            return moved
        case .arrival:
            guard let handle = arrivals.handle(at: index), let arrival = arrivals.find(handle) else { break }
            arrival.value.queued = false
            serve(arrival, handle)
            if let arrival = arrivals.find(handle) { enqueue(arrival, handle) }
            return 0
        }
        bug()
        return 0
    }

    private mutating func end(_ stretch: inout Stretch) {
        guard stretch.weight > 0 else { return }
        let time = Clock.monotonic()
        spend(time - stretch.at, pod: stretch.pod - 1)
        stretch.at = time
        stretch.weight = 0
    }

    /// Work of so many nanoseconds was done for the pod with this slot (-1: for none).
    mutating func spend(_ nanoseconds: Int64, pod slot: Int) {
        ready.charge(Int(nanoseconds), pod: max(0, slot + 1))
        countFor(slot, .cpuNanoseconds, cpu.take(nanoseconds))
    }

    /// Adds to a counter of a pod, or of the connections that have none.
    func countFor(_ slot: Int, _ counter: PodCounter, _ delta: Int = 1) {
        if slot >= 0 {
            countPod(slot, counter, delta)
        } else {
            context.statistics.podless.add(delta, slot: 0, counter: counter.rawValue)
        }
    }
}
