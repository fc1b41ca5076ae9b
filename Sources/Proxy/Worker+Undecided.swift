import EventLoop
import Model
import Syscalls
import Upstream

/// Whose first bytes decide about a tunnel that was opened before anybody spoke.
enum Detection: UInt8, BitwiseCopyable {
    /// Nothing is to be decided (any more).
    case none
    /// The entry it came by: requests take that entry's routes.
    case entry
    /// The receiving pod's entry, for the endpoint picked: requests take that entry's routes.
    case receiver
}

/// Tunnels that may turn out to be none: connected for a client that was silent.
///
/// While neither side has spoken nothing is relayed. When the server speaks first, or the client and it is no HTTP, the
/// tunnel goes on as any other. A client that begins with a request becomes a session, and the upstream connection, which
/// nobody has used, is closed.
extension Worker {
    /// A turn's look at a tunnel that is undecided. False: there is nothing else to do for it now, or it is gone.
    mutating func attend(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> Bool {
        if tunnel.value.abortReason != nil { return true }
        if tunnel.value.downstreamBroken {
            close(handle, .broken(by: .client, tunnel.value.downstream.takeError()), by: .client)
            return false
        }
        if tunnel.value.state == .open, tunnel.value.down.sourceReady, !hearServer(tunnel, handle) { return false }
        if tunnel.value.plan.detection != .none, tunnel.value.up.sourceReady, !hearClient(tunnel, handle) {
            return false
        }
        return tunnel.value.state == .open || tunnel.value.upstreamAnswered || tunnel.value.connectTimedOut
    }

    /// False: the tunnel is gone.
    private mutating func hearServer(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> Bool {
        let buffer = unsafe scratch.prefix(Self.status.utf8CodeUnitCount)
        // The scratch memory is used within this call only.
        switch unsafe tunnel.value.upstream.peek(into: buffer) {
        case .blocked:
            tunnel.value.down.sourceReady = false
            return true
        case .bytes(let size):
            // A web server that tells an idle connection to go away (408) has not begun to speak first.
            let isStatus = unsafe Self.isStatus(UnsafeRawBufferPointer(rebasing: buffer[..<size]))
            if isStatus { count(.detectedNothing) } else { decided(tunnel, .serverFirst) }
        // Its end is passed on as any other.
        case .end, .broken: count(.detectedNothing)
        }
        if case .tls = verdictAgain(tunnel) {
            close(handle, .unexpectedProtocol, by: .proxy)
            return false
        }
        beBytes(tunnel)
        return true
    }

    private static let status: StaticString = "HTTP/"

    private static func isStatus(_ bytes: UnsafeRawBufferPointer) -> Bool {
        status.withUTF8Buffer { unsafe bytes.elementsEqual($0) }
    }

    /// False: the tunnel is gone.
    private mutating func hearClient(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> Bool {
        switch look(at: tunnel.value.downstream) {
        case .decided(let spoken): return decide(tunnel, handle, spoken)
        case .partial where tunnel.value.up.readToEnd: return decide(tunnel, handle, .bytes)
        case .partial:
            tunnel.value.up.sourceReady = false
            tunnel.value.restDue = now + Self.restNanoseconds
            _ = timers.set(tunnel.value.restDue, payload: Token(.restTimer, handle).bits)
        case .silent: tunnel.value.up.sourceReady = false
        case .end:
            count(.detectedNothing)
            tunnel.value.plan.detection = .none
        case .broken(let error):
            close(handle, .broken(by: .client, error), by: .client)
            return false
        }
        return true
    }

    /// The rest of what the client has begun to say has not come.
    mutating func restTimerFired(_ handle: SlabHandle) {
        guard let tunnel = tunnels.find(handle), tunnel.value.plan.detection != .none, tunnel.value.restDue <= now
        else { return }
        decided(tunnel, .bytes)
        beBytes(tunnel)
        enqueue(tunnel, handle)
    }

    /// Both sides are worth trying: what was looked at has made its edge already.
    private func beBytes(_ tunnel: SlabReference<Tunnel>) {
        tunnel.value.plan.detection = .none
        tunnel.value.up.sourceReady = true
    }

    private mutating func decided(_ tunnel: SlabReference<Tunnel>, _ spoken: SpokenProtocol) {
        let isReceivers = tunnel.value.plan.detection == .receiver
        let record = tunnel.value.record
        note(spoken, &tunnel.value.record, at: isReceivers ? record.endpoint : SpokenProtocols.key(record))
    }

    /// What the tables in force say of it.
    private func verdictAgain(_ tunnel: SlabReference<Tunnel>) -> Verdict {
        let record = tunnel.value.record
        guard tunnel.value.plan.detection == .receiver else { return verdictAgain(record) }
        return verdictAgain(record, ofReceiverAt: record.endpoint)
    }

    /// The client has spoken first. False: the tunnel is gone.
    private mutating func decide(
        _ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, _ spoken: SpokenProtocol
    ) -> Bool {
        let verdict = verdictAgain(tunnel)
        decided(tunnel, spoken)
        switch verdict {
        case .detect(let settings, _) where spoken.isHTTP, .http(let settings) where spoken.isHTTP:
            count(.upstreamsUnused)
            readRequests(handle, settings: settings)
            return false
        case .tls where spoken != .tls:
            close(handle, .unexpectedProtocol, by: .proxy)
            return false
        case .refuse(let reason):
            close(handle, reason, by: .proxy)
            return false
        case .detect, .http, .tls, .forward:
            beBytes(tunnel)
            return true
        }
    }

    /// It becomes a connection whose requests are read: those of an entry that passes bytes on go to the endpoint picked.
    private mutating func readRequests(_ handle: SlabHandle, settings: Int) {
        guard let parts = takeApart(handle) else { return bug() }
        var record = parts.record
        let pinned = parts.detection == .entry ? nil : parts.pinned
        record.forgetUpstream(keepsReceiver: pinned != nil)
        let admission = parts.admission
        welcomeClient(
            parts.takeDownstream(), record, admission, settings: settings, pinned: pinned, isRegistered: true)
    }

    /// What is left of a tunnel that nothing has gone through, and that is none any more.
    struct Parts: ~Copyable {
        let downstream: Transport
        let record: ConnectionRecord
        let admission: Admission
        let pinned: PinnedUpstream
        let detection: Detection
        let startedAt: Int64

        consuming func takeDownstream() -> Transport { downstream }
    }

    /// Takes such a tunnel apart; its upstream connection closes. It must not be queued.
    private mutating func takeApart(_ handle: SlabHandle) -> Parts? {
        guard let tunnel = tunnels.find(handle) else { return nil }
        uncharge(tunnel)
        timers.cancel(tunnel.value.timer)
        let wasDeparting = tunnel.value.isDeparting
        guard var taken = tunnels.remove(handle) else { return nil }
        if wasDeparting { departedByEnding() }
        var admission = taken.admission
        let record = taken.record
        let pinned = unpick(&taken.plan, record, &admission)
        let (detection, startedAt) = (taken.plan.detection, taken.startedAt)
        return Parts(
            downstream: taken.takeDownstream(), record: record, admission: admission, pinned: pinned,
            detection: detection, startedAt: startedAt)
    }

    /// Connecting on has come to an end: nobody is left to connect to. Undecided, a request can still be told so.
    mutating func giveUp(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, _ reason: EndReason) {
        guard tunnel.value.plan.detection != .none else { return close(handle, reason, by: .upstream) }
        guard let parts = takeApart(handle) else { return bug() }
        let (record, admission, startedAt) = (parts.record, parts.admission, parts.startedAt)
        let pinned = parts.detection == .entry ? nil : parts.pinned
        waitForLastWord(
            parts.takeDownstream(), record, admission, reason, pinned: pinned, startedAt: startedAt,
            isRegistered: true)
    }

    /// The receiving pod's table wants the requests of a tunnel in the making read. Those of an undecided one take its own
    /// entry's routes first: so they would, had they come before.
    mutating func decode(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, settings: Int) {
        guard tunnel.value.plan.detection == .entry, case .detect(let own, _) = verdictAgain(tunnel) else {
            tunnel.value.plan.detection = .none
            return readRequests(handle, settings: settings)
        }
        readRequests(handle, settings: own)
    }
}
