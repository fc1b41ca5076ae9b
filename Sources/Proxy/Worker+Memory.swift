import EventLoop
import Model
import Syscalls

/// The memory that blocked connections hold: counted per pod and for the process, bounded by `limits.bufferBytes` and
/// `limits.memory`.
///
/// Over half of a limit the sources of blocked directions get a small receive buffer. Over the limit the largest blocked
/// connection is reset. Sums are process-wide atomic words; each worker knows, and resets, its own connections only.
///
/// The buffer, not TCP_WINDOW_CLAMP: the kernel never takes back a window, and it widens one to megabytes while the first
/// few hundred kilobytes are read. With the clamp, a stalled connection still took in 3 MiB after it had been clamped;
/// with the buffer, what does not fit is dropped and the window closed (Linux 6.6), and the peer sends it again later.
extension Worker {
    /// A source's receive buffer when memory is short. Enough for 64 KiB a round trip.
    private static let clampBytes: Int32 = 64 << 10
    /// How long a turn resets.
    private static let shedNanoseconds: Int64 = 300_000
    /// Held tunnels looked at in one turn.
    private static let tendedPerTurn = 64
    /// How often each is looked at: always, and while a limit is more than half used.
    private static let tendNanoseconds: Int64 = 1_000_000_000
    private static let tendShortNanoseconds: Int64 = 100_000_000

    /// Charges a tunnel for what its blocked directions hold, or takes the charge back: after each of its turns, and when
    /// it has come from elsewhere.
    @inline(__always)
    mutating func charge(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        let isBlocked = tunnel.value.up.isBlocked || tunnel.value.down.isBlocked
        guard isBlocked || tunnel.value.heldPlace >= 0 else { return }
        chargeHeld(tunnel, handle)
    }

    private mutating func chargeHeld(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) {
        let pod = tunnel.value.fairnessSlot
        charge(
            &tunnel.value.up.hold, tunnel.value.up.isBlocked, tunnel.value.up.bufferCapacity,
            from: tunnel.value.downstream, to: tunnel.value.upstream, pod: pod)
        charge(
            &tunnel.value.down.hold, tunnel.value.down.isBlocked, tunnel.value.down.bufferCapacity,
            from: tunnel.value.upstream, to: tunnel.value.downstream, pod: pod)
        let isHeld = tunnel.value.up.hold.charged | tunnel.value.down.hold.charged != 0
        keepHeld(Held(kind: .tunnel, handle: handle), isHeld, place: &tunnel.value.heldPlace)
    }

    /// Puts into `held`, or takes out, what is charged from now on, or no longer.
    mutating func keepHeld(_ item: Held, _ isHeld: Bool, place: inout Int32) {
        if isHeld, place < 0 {
            place = Int32(held.count)
            held.append(item)
            nextTend = min(nextTend, now + Self.tendNanoseconds)
        } else if !isHeld, place >= 0 {
            leaveHeld(&place)
        }
    }

    /// The least that sockets may hold unsent: below it small writes become many.
    private static let notSentBytesMin = 8 << 10

    /// What a socket holds unsent while it still takes more is in no sum: only blocked directions are asked. So all that a
    /// pod's connections may hold in this way stays about an eighth of its limit: with many of them each may hold less.
    /// nil: the usual bound is small enough.
    func unsentBytesMax(pod: Int) -> Int32? {
        let shared = context.shared
        let connections = pod >= 0 ? shared.podConnections.load(pod) : shared.connections.load(0)
        let share = min(bufferBytesMax(pod), snapshot.memoryBytesMax) / 8 / max(1, connections)
        guard share < Int(ConnectionOptions.notSentBytes) else { return nil }
        return Int32(max(share, Self.notSentBytesMin))
    }

    /// See `unsentBytesMax`.
    func boundUnsent(_ tunnel: SlabReference<Tunnel>) {
        guard let bytes = unsentBytesMax(pod: tunnel.value.fairnessSlot) else { return }
        tunnel.value.downstream.boundUnsent(bytes)
        tunnel.value.upstream.boundUnsent(bytes)
    }

    /// Takes back all a tunnel is charged for: it closes, or goes elsewhere.
    mutating func uncharge(_ tunnel: SlabReference<Tunnel>) {
        guard tunnel.value.heldPlace >= 0 else { return }
        uncharge(&tunnel.value.up.hold, &tunnel.value.down.hold, pod: tunnel.value.fairnessSlot)
        leaveHeld(&tunnel.value.heldPlace)
    }

    /// Takes back what both directions are charged for.
    mutating func uncharge(_ up: inout Hold, _ down: inout Hold, pod: Int) {
        _ = addCharge(up.release() + down.release(), pod: pod)
    }

    /// Charges one direction, with `chunkBytes` in our own memory.
    mutating func charge(
        _ hold: inout Hold, _ isBlocked: Bool, _ chunkBytes: Int, from source: borrowing Transport,
        to sink: borrowing Transport, pod: Int
    ) {
        guard isBlocked else {
            guard hold.charged != 0 else { return }
            let use = addCharge(hold.release(), pod: pod)
            if hold.isClamped, use == .low {
                source.boundReceiving(nil)
                hold.isClamped = false
            }
            return
        }
        if hold.isDue(now) { hold.sample(source: source.memory(), sink: sink.memory(), now) }
        let use = addCharge(hold.block(chunkBytes: chunkBytes, now), pod: pod)
        guard use >= .high, !hold.isClamped else { return }
        source.boundReceiving(Self.clampBytes)
        hold.isClamped = true
        countFor(pod, .windowClamps)
    }

    /// How much of a limit is in use; the worse one of the pod's and the process's.
    private enum Use: Int, Comparable {
        /// Below a quarter.
        case low
        case usual
        /// Above half.
        case high
        case over

        static func < (left: Use, right: Use) -> Bool { left.rawValue < right.rawValue }

        init(_ bytes: Int, of limit: Int) {
            self = bytes > limit ? .over : bytes > limit / 2 ? .high : bytes > limit / 4 ? .usual : .low
        }
    }

    /// The one place where the sums change.
    private mutating func addCharge(_ delta: Int, pod: Int) -> Use {
        let podBytes = context.shared.podBufferBytes.add(delta, at: pod + 1)
        let bytes = context.shared.bufferBytes.add(delta, at: 0)
        let use = max(Use(podBytes, of: bufferBytesMax(pod)), Use(bytes, of: snapshot.memoryBytesMax))
        if use == .over { isOverMemory = true }
        if use >= .high, !isMemoryShort {
            // What is held already is bounded at once, not when its turn comes.
            isMemoryShort = true
            nextTend = now
        }
        return use
    }

    private func bufferBytesMax(_ pod: Int) -> Int {
        // A pod that is gone has no limit; its connections are being reset.
        pod + 1 < snapshot.bufferBytesMax.count ? snapshot.bufferBytesMax[pod + 1] : .max
    }

    mutating func leaveHeld(_ heldPlace: inout Int32) {
        guard heldPlace >= 0 else { return }
        let place = Int(heldPlace)
        heldPlace = -1
        let last = held.removeLast()
        guard place < held.count else { return }
        held[place] = last
        switch last.kind {
        case .tunnel: tunnels.find(last.handle)?.value.heldPlace = Int32(place)
        case .client: clients.find(last.handle)?.value.heldPlace = Int32(place)
        }
    }
}

// MARK: - looking after what is held

extension Worker {
    /// Once a turn: looks again at some of what is held, and resets what is too much.
    mutating func tendMemory() {
        if now >= nextTend { tendSome() }
        if isOverMemory { shed() }
    }

    /// Until the next look at what is held, nanoseconds; nil: nothing is.
    var tendDelay: Int64? { held.isEmpty ? nil : max(0, nextTend - now) }

    /// Sockets go on receiving and sending while their tunnel waits, so charges are renewed. Goes over the list from its
    /// end, because a tunnel that leaves it is replaced by the last one.
    private mutating func tendSome() {
        tendPlace = min(tendPlace, held.count)
        for _ in 0..<Self.tendedPerTurn where tendPlace > 0 {
            tendPlace -= 1
            chargeAgain(held[tendPlace])
            tendPlace = min(tendPlace, held.count)
        }
        guard tendPlace == 0 else { return }
        tendPlace = .max
        // What is found to be much brings it nearer.
        isMemoryShort = isMuchHeld
        nextTend = now + (isMemoryShort ? Self.tendShortNanoseconds : Self.tendNanoseconds)
    }

    private var isMuchHeld: Bool {
        context.shared.bufferBytes.load(0) > snapshot.memoryBytesMax / 2
            || held.contains { item in
                guard let pod = charged(item)?.pod else { return false }
                return context.shared.podBufferBytes.load(pod + 1) > bufferBytesMax(pod) / 2
            }
    }

    /// A held tunnel as `shed` sees it.
    private struct Holder: BitwiseCopyable {
        let item: Held
        let pod: Int
        let bytes: Int
    }

    /// Renews what is charged for a connection.
    private mutating func chargeAgain(_ item: Held) {
        switch item.kind {
        case .tunnel: if let tunnel = tunnels.find(item.handle) { return chargeHeld(tunnel, item.handle) }
        case .client: if let client = clients.find(item.handle) { return chargeHeld(client, item.handle) }
        }
        bug()
    }

    /// What a connection is charged for now, and its pod; nil: nothing, it is gone.
    private func charged(_ item: Held) -> (bytes: Int, pod: Int)? {
        switch item.kind {
        case .tunnel:
            guard let tunnel = tunnels.find(item.handle), tunnel.value.heldPlace >= 0 else { return nil }
            return (tunnel.value.up.hold.charged + tunnel.value.down.hold.charged, tunnel.value.fairnessSlot)
        case .client:
            guard let client = clients.find(item.handle), client.value.heldPlace >= 0 else { return nil }
            return (client.value.upHold.charged + client.value.downHold.charged, client.value.fairnessSlot)
        }
    }

    /// Resets the largest blocked connections of pods that are over their limit; while the process is over its own, those
    /// of the pod that holds most. For a share of time: freeing a connection's memory is work, too.
    private mutating func shed() {
        var holders = held.compactMap { item in
            charged(item).map { Holder(item: item, pod: $0.pod, bytes: $0.bytes) }
        }
        holders.sort { $0.bytes > $1.bytes }
        var time = Clock.monotonic()
        let deadline = time + Self.shedNanoseconds
        for holder in holders where isOver(holder.pod) && time < deadline {
            reset(holder, .bufferLimit, &time) { worker in worker.isOver(holder.pod) }
        }
        if isOver {
            // The largest pod first: its connections are together, and the largest of them come first.
            var podBytes: [Int: Int] = [:]
            for holder in holders { podBytes[holder.pod] = context.shared.podBufferBytes.load(holder.pod + 1) }
            holders.sort { (podBytes[$0.pod] ?? 0, $0.pod, $0.bytes) > (podBytes[$1.pod] ?? 0, $1.pod, $1.bytes) }
            for holder in holders where isOver && time < deadline {
                reset(holder, .memoryLimit, &time) { worker in worker.isOver }
            }
        }
        // Not done: the next turn goes on.
        isOverMemory = time >= deadline
    }

    private var isOver: Bool { context.shared.bufferBytes.load(0) > snapshot.memoryBytesMax }

    private func isOver(_ pod: Int) -> Bool {
        context.shared.podBufferBytes.load(pod + 1) > bufferBytesMax(pod)
    }

    private mutating func reset(
        _ holder: Holder, _ reason: EndReason, _ time: inout Int64, if isStillOver: (borrowing Worker) -> Bool
    ) {
        // Ended already, by the first of the two limits.
        guard charged(holder.item) != nil else { return }
        // Its charge may be a second old: what has been sent meanwhile is no reason to reset.
        chargeAgain(holder.item)
        guard isStillOver(self) else { return }
        switch holder.item.kind {
        case .tunnel: reset(tunnel: holder.item.handle, reason)
        case .client: reset(client: holder.item.handle, reason)
        }
        let before = time
        time = Clock.monotonic()
        spend(time - before, pod: holder.pod)
    }

    private mutating func reset(tunnel handle: SlabHandle, _ reason: EndReason) {
        guard let tunnel = tunnels.find(handle) else { return }
        guard tunnel.value.queued else { return close(handle, reason, by: .proxy) }
        // It goes with its next turn; what it holds no longer counts.
        uncharge(tunnel)
        tunnel.value.abortReason = reason
    }
}

/// A connection that is charged for memory.
struct Held: BitwiseCopyable {
    enum Kind: UInt8, BitwiseCopyable { case tunnel, client }

    let kind: Kind
    let handle: SlabHandle
}
