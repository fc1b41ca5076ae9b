import Buffers
import EventLoop
import HTTP
import Model

/// CONNECT on a stream (RFC 9113 8.5), and WebSocket over HTTP/2 (extended CONNECT, RFC 8441): the stream becomes a tunnel.
/// The exchange stays, and passes bytes on in both directions until both have ended.
extension Worker {
    /// Before routing: the body of such a request is what flows later.
    func expectTunnel(_ exchange: SlabReference<Exchange>) {
        exchange.value.awaitsTunnel = true
        exchange.value.requestFraming = .untilClose
        exchange.value.wantsUpgrade = !exchange.value.heads.reference.value.request.protocolName.isNone
    }

    /// Whether it asks for a protocol that is not forwarded. WebSocket is: what a server would read in others, of HTTP itself
    /// first of all, would go past the routes.
    func asksForForeignProtocol(_ exchange: SlabReference<Exchange>) -> Bool {
        guard exchange.value.awaitsTunnel, exchange.value.wantsUpgrade else { return false }
        return !exchange.value.heads.reference.value.request.isWebSocket
    }

    /// A server of HTTP/1 is asked for the protocol as an upgrade. WebSocket there has a key, which the stream has not.
    mutating func askForUpgrade(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.wantsUpgrade, exchange.value.clientStream != 0 else { return }
        text.removeAll()
        text.append("GET")
        exchange.value.heads.reference.value.request.setMethod(text.bytes)
        text.removeAll()
        text.append("sec-websocket-key")
        let length = text.count
        Base64.append(random.next(), random.next(), to: &text)
        let key = text.bytes
        exchange.value.heads.reference.value.request.set(
            key.extracting(..<length), key.extracting(length...))
    }

    /// Whether a request for a tunnel can be put to a server that speaks this. HTTP/2 has no upgrade, and its extended CONNECT
    /// is the server's to offer.
    mutating func refusesTunnel(_ exchange: SlabReference<Exchange>, _ multiplex: SlabReference<Multiplex>) -> Bool {
        guard exchange.value.wantsUpgrade else { return false }
        guard multiplex.value.codec.takesExtendedConnect else { return true }
        return exchange.value.clientStream == 0 && !exchange.value.awaitsTunnel && !isWebSocket(exchange)
    }

    /// The server has agreed.
    mutating func openTunnel(_ exchange: SlabReference<Exchange>) {
        guard let client = clients.find(exchange.value.client) else {
            return upstreamFailed(exchange, .protocolError)
        }
        exchange.value.awaitsTunnel = false
        exchange.value.isTunnel = true
        exchange.value.clientFraming = .untilClose
        exchange.value.record.upstreamFirstByteNanoseconds = now - exchange.value.startedAt
        exchange.value.responseStarted = true
        exchange.value.lastActivity = now
        endTunnelTimes(exchange)
        report(exchange, status: 200)
        guard let multiplex = client.value.multiplex?.reference else { return openTunnel(exchange, to: client) }
        exchange.value.record.status = 200
        exchange.value.heads.reference.value.response.status = 200
        exchange.value.heads.reference.value.response.remove(.upgrade)
        exchange.value.heads.reference.value.response.remove(.contentLength)
        text.removeAll()
        text.append("sec-websocket-accept")
        exchange.value.heads.reference.value.response.remove(named: text.bytes)
        editResponse(exchange)
        collect(forClient: exchange.value.client)
        multiplex.value.codec.sendResponse(
            exchange.value.heads.reference.value.response, on: exchange.value.clientStream, framing: .untilClose,
            isEnd: false, into: &toClient)
        if exchange.value.heldUp != nil { return pumpUp(exchange) }
        if exchange.value.requestEnded { finishRequest(exchange) }
    }

    /// A tunnel has no time but that of silence.
    private mutating func endTunnelTimes(_ exchange: SlabReference<Exchange>) {
        timers.cancel(exchange.value.timer)
        exchange.value.timer = .none
        (exchange.value.deadline, exchange.value.tryDeadline) = (0, 0)
        let cluster = snapshot.cluster(slot: exchange.value.clusterSlot) ?? Snapshot.passthroughCluster
        exchange.value.idleTimeout = snapshot.clusters[cluster].tunnelIdleTimeout
    }

    /// The client's direction has ended: a server of HTTP/1 sees a FIN. False: it has to take something first.
    mutating func finishTunnelUp(_ exchange: SlabReference<Exchange>) -> Bool {
        flushServer()
        guard let server = servers.find(exchange.value.server), !server.value.io.isBroken else { return true }
        guard !server.value.io.hasOutput else { return false }
        server.value.io.transport.finishWriting()
        return true
    }

    /// The server's direction has ended; the other one may go on.
    mutating func tunnelEnded(_ exchange: SlabReference<Exchange>) {
        guard !exchange.value.responseEnded else { return concludeTunnel(exchange) }
        exchange.value.responseEnded = true
        exchange.value.record.upstreamNanoseconds = now - exchange.value.startedAt
        if exchange.value.heldDown == nil { concludeTunnel(exchange) }
    }

    /// The server has ended its direction, and wants no more of the other one. The client gets what it has not taken yet.
    mutating func tunnelRefusesMore(_ exchange: SlabReference<Exchange>) {
        exchange.value.requestSent = true
        if let chunk = exchange.value.heldUp.take() { giveHeld(chunk, exchange) }
        if exchange.value.heldDown == nil { concludeTunnel(exchange) }
    }

    /// All that the server has said has been taken.
    mutating func concludeTunnel(_ exchange: SlabReference<Exchange>) {
        if let client = clients.find(exchange.value.client), client.value.multiplex == nil {
            guard finishTunnelDown(exchange, client) else { return }
        }
        endResponse(exchange)
        guard exchange.value.requestSent else { return }
        if exchange.value.requestEnded { finishExchange(exchange) } else { stopStream(exchange) }
    }
}
