import Dispatch
import Model
import Proxy
import Synchronization
import Syscalls

/// One hand-over, on the old generation's side, from the welcome on.
///
/// A connection belongs to exactly one process at any moment: it is off its worker here before it is described, goes on
/// there only once its acceptance has been sent, and comes back to a worker here if that never arrives.
struct Handing: ~Copyable {
    private let server: ProxyServer
    private let channel: Channel
    private let hooks: Giver.Hooks
    /// Whether the two have a format of connections in common.
    private let moves: Bool
    private var names: TunnelNames
    private var told = Totals()
    private var handedOver = 0
    private var lastTold = ContinuousClock.now

    /// Connections in one message: two descriptors each.
    private static let batchMax = 64
    /// The new process starts up meanwhile: it may have a large configuration to open listeners for.
    private static let startMilliseconds: Int64 = 60_000
    /// Handshakes under way when the new process's listeners take over end up in our queues for this long.
    private static let grace = Duration.seconds(1)
    /// Adding up the counters of ten thousand pods takes a while.
    private static let newsInterval = Duration.milliseconds(500)

    init(_ server: ProxyServer, _ channel: consuming Channel, hooks: Giver.Hooks, moves: Bool) throws {
        guard let snapshot = server.snapshot else { throw Frame.Problem.malformed("no configuration yet") }
        self.server = server
        self.channel = channel
        self.hooks = hooks
        self.moves = moves
        names = TunnelNames(snapshot)
    }

    /// Returns whether the process is done; false: it goes on serving as if nothing had been.
    mutating func run(_ claims: [Claim]) throws -> Bool {
        try channel.setPatience(milliseconds: Self.startMilliseconds)
        _ = try channel.receive(.ready)
        let start = ContinuousClock.now
        try channel.setPatience(milliseconds: Channel.patience)
        hooks.isSucceeded()
        do {
            try tellTotals(passingOn: claims)
            try handOver(since: start)
            return true
        } catch {
            hooks.log("hand-over failed, serving on: \(error)")
            resume()
            return false
        }
    }

    private func resume() {
        do throws(ListenFailure) { try server.resume() } catch { hooks.log("cannot listen again: \(error)") }
        hooks.isAlone()
    }

    private mutating func handOver(since start: ContinuousClock.Instant) throws {
        repeat {
            while !(try moveAll()) {}
            pause()
        } while ContinuousClock.now - start < Self.grace
        server.leaveListeners()
        let deadline = start + (server.snapshot?.configuration.drainTimeout ?? .seconds(30))
        // What was accepted last, is still connecting, or stays here to the end.
        while !server.hasLeftListeners || server.connectionCount > 0, ContinuousClock.now < deadline {
            _ = try moveAll()
            pause()
        }
        let left = server.connectionCount
        try tellTotals()
        try channel.send(try Frame(.done, Done(handedOver: handedOver, reset: left)))
        hooks.log("handed over \(handedOver) connections, \(left) to be reset")
    }

    private func pause() { Thread.sleep(milliseconds: 10) }

    /// Moves what can be moved now. Returns whether every worker has been asked in vain.
    private mutating func moveAll() throws -> Bool {
        guard moves else { return true }
        if let snapshot = server.snapshot, snapshot.generation != names.generation { names = TunnelNames(snapshot) }
        var isIdle = true
        for worker in 0..<server.workerCount {
            let parcels = try departures(of: worker)
            guard !parcels.isEmpty else { continue }
            isIdle = false
            try give(parcels)
        }
        if ContinuousClock.now - lastTold > Self.newsInterval { try tellTotals() }
        return isIdle
    }

    private func departures(of worker: Int) throws -> [TunnelParcel] {
        let answered = DispatchSemaphore(value: 0)
        let answer = Mutex<[TunnelParcel]>([])
        server.depart(worker: worker, limit: Self.batchMax) { parcels, _ in
            answer.withLock { $0 = parcels }
            answered.signal()
        }
        answered.wait()
        return answer.withLock { $0 }
    }

    /// Gives one batch, and takes back what is not wanted.
    private mutating func give(_ parcels: [TunnelParcel]) throws {
        var offered: [TunnelParcel] = []
        var frame = Frame(kind: .tunnels, text: [])
        var (states, descriptors): ([TunnelState], [Int32]) = ([], [])
        for parcel in parcels {
            guard let description = server.describe(parcel, names) else {
                server.keep(parcel, isOfferedAgain: false)
                continue
            }
            offered.append(parcel)
            states.append(description.state)
            descriptors += [description.downstream, description.upstream]
            frame.bytes += description.pending
        }
        guard !offered.isEmpty else { return }
        do {
            frame.text = try Frame(.tunnels, Tunnels(tunnels: states)).text
            try channel.send(frame, copying: descriptors)
            settle(offered, try verdicts())
        } catch {
            // Not one of them went on over there, and the data path must not wait for the log.
            offered.forEach { server.keep($0, isOfferedAgain: true) }
            throw error
        }
    }

    private mutating func settle(_ offered: [TunnelParcel], _ verdicts: Verdicts) {
        for (index, parcel) in offered.enumerated() {
            guard let reason = verdicts.refused[index] else {
                server.forget(parcel)
                handedOver += 1
                continue
            }
            hooks.log("a connection stays here until it ends: \(reason)")
            server.keep(parcel, isOfferedAgain: false)
        }
    }

    /// The answer to a batch. A peer that hangs loses the batch: after the shutdown its answer can no longer be sent, so
    /// either it has come by now, or the peer knows that it did not.
    private func verdicts() throws -> Verdicts {
        do {
            return try channel.receive(.verdicts).message()
        } catch let error as Errno where error == .tryAgain {
            channel.shutdown()
            return try channel.receive(.verdicts).message()
        }
    }

    /// Tells what has been counted since the last time.
    private mutating func tellTotals(passingOn claims: [Claim] = []) throws {
        let totals = server.totals(names)
        let news = News(claims: claims.map(\.name), totals: totals.since(told))
        told = totals
        lastTold = .now
        let descriptors = claims.map { $0.lock.withDescriptor { $0 } }
        try channel.send(try Frame(.totals, news), copying: descriptors)
    }
}
