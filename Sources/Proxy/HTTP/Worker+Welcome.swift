import EventLoop
import HTTP
import Model
import Syscalls
import Upstream

/// Connections that speak HTTP: how they begin, and how they learn of a new generation.
extension Worker {
    /// Begins to read requests from an admitted connection. `settings` is an index into `snapshot.httpListeners`.
    mutating func welcomeClient(
        _ downstream: consuming Transport, _ record: ConnectionRecord, _ admission: Admission, settings index: Int,
        pinned: PinnedUpstream? = nil, isRegistered: Bool = false
    ) {
        let settings = snapshot.httpListeners[index]
        var session = ClientSession(
            SessionIO(downstream), HTTP1Decoder(.request, limits: HTTP1Limits(settings)), record, admission,
            settings: settings, generation: snapshot.generation, now: now)
        session.pinned = pinned
        session.expiresAt = expiry(settings)
        let handle = clients.insert(session)
        guard let client = clients.find(handle) else { return bug() }
        boundUnsent(client.value.io, pod: client.value.fairnessSlot)
        setTimer(client, handle, at: now + min(settings.headerTimeout, settings.keepAliveTimeout))
        do throws(Errno) {
            // What has come already makes the first edge.
            let token = Token(.client, handle).bits
            if isRegistered {
                try client.value.io.transport.reregister(with: poller, token: token)
            } else {
                try client.value.io.transport.register(with: poller, token: token)
            }
        } catch {
            closeClient(client, handle, .nodeLimit, by: .proxy)
        }
    }

    /// Before a request: the tables of the generation in force hold for it. A connection that they no longer take for
    /// HTTP, or deny, ends: with this request's answer.
    mutating func refreshSettings(_ client: SlabReference<ClientSession>) {
        guard client.value.generation != snapshot.generation else { return }
        client.value.generation = snapshot.generation
        guard let index = settings(of: client) else {
            client.value.isClosing = true
            client.value.isOrphan = true
            return
        }
        client.value.settings = snapshot.httpListeners[index]
        // Another version is asked for now: the client is to come again with that.
        let isHTTP2 = client.value.multiplex != nil
        switch client.value.settings.protocolKind {
        case .http1 where isHTTP2, .http2 where !isHTTP2 && !client.value.isUndecided: client.value.isClosing = true
        default: break
        }
    }

    /// How its requests are treated now; nil: they are not.
    private func settings(of client: SlabReference<ClientSession>) -> Int? {
        let record = client.value.record
        let entry: Int?
        switch record.direction {
        case .listener:
            guard let listener = snapshot.listener(slot: Int(record.listener)) else { return nil }
            let http = snapshot.listeners[listener].http
            return http >= 0 ? Int(http) : nil
        case .outbound where client.value.pinned == nil:
            guard let pod = snapshot.pod(at: record.client.address, host: record.host) else { return nil }
            entry = snapshot.outboundEntry(pod: pod, destination: record.originalDestination)
        case .outbound, .inbound:
            let address = client.value.pinned?.address ?? record.originalDestination
            guard let pod = snapshot.pod(at: address.address, host: record.host) else { return nil }
            entry = snapshot.inboundEntry(pod: pod, client: record.client.address, port: address.port)
        }
        guard let entry, snapshot.entries[entry].action != .deny, snapshot.entries[entry].http >= 0 else { return nil }
        return Int(snapshot.entries[entry].http)
    }
}

extension HTTP1Limits {
    init(_ settings: HTTPListenerRecord) {
        self.init()
        headerBytes = settings.headerBytes
        headerCount = settings.headerCount
        startLineBytes = settings.requestTargetBytes
    }
}
