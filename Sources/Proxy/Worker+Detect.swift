import EventLoop
import HTTP
import Model
import Syscalls
import Upstream

/// Connections whose first bytes decide what becomes of them (`protocol: auto`, `tls`).
///
/// Who has something to say at once is decided on at once. For a client that is silent the upstream connection is opened
/// as for plain bytes, so that a server that speaks first is not delayed (`Worker+Undecided`); only where clients were
/// seen to speak first, and no server was, the client gets a moment before that. Bytes are looked at, not read.
extension Worker {
    /// How long a silent client is waited for where clients speak first. Who speaks first does so right behind the
    /// handshake; it is short because the first server that speaks first at such a destination has to wait for it.
    private static let silenceNanoseconds: Int64 = 10_000_000
    /// How long a request is waited for where connecting on has failed.
    private static let lastWordNanoseconds: Int64 = 100_000_000
    /// How long the rest of a beginning is waited for, from the last byte on.
    static let restNanoseconds: Int64 = 3_000_000_000
    /// How long a ClientHello is waited for.
    private static let helloNanoseconds: Int64 = 10_000_000_000

    /// A connection has been admitted, and `verdict` says that its first bytes matter.
    mutating func meet(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, _ verdict: Verdict
    ) {
        switch look(at: downstream) {
        case .decided(let spoken): goOn(downstream, record, admission, verdict, spoken)
        case .partial: wait(Arrival(downstream, .rest, record, admission, startedAt: now))
        case .end: goOn(downstream, record, admission, verdict, nil)
        case .broken(let error):
            count(.detectedNothing)
            downstream.resetOnClose()
            finish(record, admission, .broken(by: .client, error), by: .client)
        case .silent:
            if case .tls = verdict {
                wait(Arrival(downstream, .hello, record, admission, startedAt: now))
            } else if protocols.awaitsClients(SpokenProtocols.key(record), now: now) {
                wait(Arrival(downstream, .detection, record, admission, startedAt: now))
            } else {
                connectUndecided(downstream, record, admission, verdict)
            }
        }
    }

    /// What stands at the beginning of what a client has sent.
    func look(at downstream: borrowing Transport) -> FirstBytes {
        // The scratch memory is used within this call only.
        let buffer = unsafe scratch.prefix(ProtocolSniffer.bytesMax)
        switch unsafe downstream.peek(into: buffer) {
        case .blocked: return .silent
        case .end: return .end
        case .broken(let error): return .broken(error)
        case .bytes(let count):
            // In bounds: the kernel wrote so many.
            let bytes = unsafe Span<UInt8>(_unsafeBytes: UnsafeRawBufferPointer(rebasing: buffer[..<count]))
            switch ProtocolSniffer.judge(bytes) {
            case .needMore: return .partial
            case .tls: return .decided(.tls)
            case .http2: return .decided(.http2)
            case .http1: return .decided(.http1)
            case .other: return .decided(.bytes)
            }
        }
    }

    /// It is known what the connection speaks; nil: its client has ended without a word.
    private mutating func goOn(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, _ verdict: Verdict,
        _ spoken: SpokenProtocol?, startedAt: Int64? = nil, isRegistered: Bool = false
    ) {
        var record = record
        note(spoken, &record, at: SpokenProtocols.key(record))
        switch verdict {
        case .detect(let settings, _) where spoken?.isHTTP == true, .http(let settings):
            welcomeClient(downstream, record, admission, settings: settings, isRegistered: isRegistered)
        case .tls where spoken != .tls: refuse(downstream, record, admission, .unexpectedProtocol)
        case .forward(let cluster), .detect(_, let cluster), .tls(let cluster):
            connect(
                downstream, record, admission, cluster: cluster, startedAt: startedAt, isRegistered: isRegistered)
        case .refuse(let reason): refuse(downstream, record, admission, reason)
        }
    }

    /// Connects on although nobody has spoken.
    private mutating func connectUndecided(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, _ verdict: Verdict,
        startedAt: Int64? = nil, isRegistered: Bool = false
    ) {
        guard case .detect(_, let cluster) = verdict else {
            return goOn(
                downstream, record, admission, verdict, nil, startedAt: startedAt, isRegistered: isRegistered)
        }
        connect(
            downstream, record, admission, cluster: cluster, detection: .entry, startedAt: startedAt,
            isRegistered: isRegistered)
    }

    /// Counts and remembers what a connection speaks.
    mutating func note(_ spoken: SpokenProtocol?, _ record: inout ConnectionRecord, at destination: SocketAddress) {
        guard let spoken else { return count(.detectedNothing) }
        record.spoken = spoken
        count(spoken.counter)
        protocols.learn(spoken, at: destination, now: now)
    }
}

// MARK: - waiting

extension Worker {
    /// Begins to wait for first bytes.
    mutating func wait(_ arrival: consuming Arrival, isRegistered: Bool = false) {
        let handle = arrivals.insert(arrival)
        guard let arrival = arrivals.find(handle) else { return bug() }
        setTimer(arrival, handle)
        do throws(Errno) {
            // What has come already makes the first edge.
            let token = Token(.arrival, handle).bits
            if isRegistered {
                try arrival.value.downstream.reregister(with: poller, token: token)
            } else {
                try arrival.value.downstream.register(with: poller, token: token)
            }
        } catch {
            end(handle, .nodeLimit, by: .proxy)
        }
    }

    /// Connecting on has failed for a client that has not said anything yet. If it is about to send a request, that is
    /// answered.
    mutating func waitForLastWord(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, _ reason: EndReason,
        pinned: PinnedUpstream?, startedAt: Int64, isRegistered: Bool
    ) {
        var arrival = Arrival(downstream, .lastWord(reason), record, admission, startedAt: startedAt)
        arrival.pinned = pinned
        wait(arrival, isRegistered: isRegistered)
    }

    private mutating func setTimer(_ arrival: SlabReference<Arrival>, _ handle: SlabHandle) {
        timers.cancel(arrival.value.timer)
        let delay =
            switch arrival.value.purpose {
            case .detection: Self.silenceNanoseconds
            case .lastWord: Self.lastWordNanoseconds
            case .rest: Self.restNanoseconds
            case .hello: Self.helloNanoseconds
            }
        arrival.value.isDue = false
        arrival.value.timer = timers.set(now + delay, payload: Token(.arrivalTimer, handle).bits)
    }

    mutating func arrivalTimerFired(_ handle: SlabHandle) {
        guard let arrival = arrivals.find(handle) else { return }
        arrival.value.timer = .none
        arrival.value.isDue = true
        enqueue(arrival, handle)
    }

    mutating func takeInArrival(_ readiness: Poller.Readiness, _ handle: SlabHandle) {
        // A stale handle: the connection was closed earlier in this batch of events.
        guard let arrival = arrivals.find(handle) else { return }
        if readiness.contains(.error) { arrival.value.isBroken = true }
        let ends: Poller.Readiness = [.peerClosed, .hangup, .error]
        if !readiness.isDisjoint(with: ends) { arrival.value.readToEnd = true }
        if !readiness.isDisjoint(with: ends.union([.readable, .urgent])) { arrival.value.isReadable = true }
        enqueue(arrival, handle)
    }

    mutating func enqueue(_ arrival: SlabReference<Arrival>, _ handle: SlabHandle) {
        guard !arrival.value.queued, arrival.value.hasWork else { return }
        arrival.value.queued = true
        ready.add(WorkItem(.arrival, handle.index), pod: arrival.value.fairnessSlot)
    }

    /// A turn of one of them. It may be gone afterwards.
    mutating func serve(_ arrival: SlabReference<Arrival>, _ handle: SlabHandle) {
        if let reason = arrival.value.abortReason { return end(handle, reason, by: .proxy) }
        if arrival.value.isBroken {
            return end(handle, .broken(by: .client, arrival.value.downstream.takeError()), by: .client)
        }
        if arrival.value.isReadable {
            arrival.value.isReadable = false
            switch look(at: arrival.value.downstream) {
            case .decided(let spoken): return leave(handle, spoken)
            case .end: return leave(handle, nil)
            case .broken(let error): return end(handle, .broken(by: .client, error), by: .client)
            case .partial where arrival.value.readToEnd: return leave(handle, .bytes)
            case .partial: return waitForRest(arrival, handle)
            case .silent: break
            }
        }
        if arrival.value.isDue { waitedEnough(arrival, handle) }
    }

    private mutating func waitForRest(_ arrival: SlabReference<Arrival>, _ handle: SlabHandle) {
        if case .lastWord = arrival.value.purpose { return }
        arrival.value.purpose = .rest
        setTimer(arrival, handle)
    }

    private mutating func waitedEnough(_ arrival: SlabReference<Arrival>, _ handle: SlabHandle) {
        switch arrival.value.purpose {
        case .hello: end(handle, .unexpectedProtocol, by: .proxy)
        case .lastWord(let reason): end(handle, reason, by: .upstream)
        case .rest: leave(handle, .bytes)
        case .detection:
            guard let arrival = remove(handle) else { return }
            let (record, admission, startedAt) = (arrival.record, arrival.admission, arrival.startedAt)
            connectUndecided(
                arrival.takeTransport(), record, admission, verdictAgain(record), startedAt: startedAt,
                isRegistered: true)
        }
    }

    private mutating func remove(_ handle: SlabHandle) -> Arrival? {
        if let arrival = arrivals.find(handle) { timers.cancel(arrival.value.timer) }
        return arrivals.remove(handle)
    }

    /// It is known what it speaks; nil: its client has ended without a word.
    private mutating func leave(_ handle: SlabHandle, _ spoken: SpokenProtocol?) {
        guard let arrival = remove(handle) else { return bug() }
        var (record, admission, startedAt) = (arrival.record, arrival.admission, arrival.startedAt)
        let pinned = arrival.pinned
        let verdict = pinned.map { verdictAgain(record, ofReceiverAt: $0.address) } ?? verdictAgain(record)
        guard case .lastWord(let reason) = arrival.purpose else {
            return goOn(
                arrival.takeTransport(), record, admission, verdict, spoken, startedAt: startedAt, isRegistered: true)
        }
        note(spoken, &record, at: pinned?.address ?? SpokenProtocols.key(record))
        switch verdict {
        case .detect(let settings, _) where spoken?.isHTTP == true, .http(let settings):
            record.forgetUpstream(keepsReceiver: pinned != nil)
            welcomeClient(
                arrival.takeTransport(), record, admission, settings: settings, pinned: pinned, isRegistered: true)
        default: end(arrival, record, reason, by: .upstream)
        }
    }

    /// Resets it. It must not be queued.
    func end(
        _ arrival: consuming Arrival, _ record: ConnectionRecord, _ reason: EndReason, by side: ConnectionRecord.Side
    ) {
        arrival.downstream.resetOnClose()
        var record = record
        record.durationNanoseconds = now - arrival.startedAt
        let admission = arrival.admission
        _ = arrival.takeTransport()
        finish(record, admission, reason, by: side)
    }

    /// Resets it before anything was decided. It must not be queued.
    mutating func end(_ handle: SlabHandle, _ reason: EndReason, by side: ConnectionRecord.Side) {
        guard let arrival = remove(handle) else { return bug() }
        count(.detectedNothing)
        let record = arrival.record
        end(arrival, record, reason, by: side)
    }
}

extension SpokenProtocol {
    var counter: WorkerCounter {
        switch self {
        case .tls: .detectedTLS
        case .http2: .detectedHTTP2
        case .http1: .detectedHTTP1
        case .bytes: .detectedBytes
        case .serverFirst: .detectedServerFirst
        }
    }
}

extension ConnectionRecord {
    /// It is a request's to say where it goes.
    mutating func forgetUpstream(keepsReceiver: Bool) {
        let none = SocketAddress(.anyV4, 0)
        (endpoint, source, cluster) = (none, none, -1)
        (attempts, connectNanoseconds) = (0, 0)
        if direction != .inbound, !keepsReceiver { destinationPod = -1 }
    }
}
