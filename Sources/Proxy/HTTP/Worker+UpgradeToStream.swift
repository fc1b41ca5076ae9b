import Buffers
import EventLoop
import HTTP
import Model

/// An upgrade to WebSocket, or CONNECT, of a client of HTTP/1.1 to a server of HTTP/2: a stream is asked for (RFC 8441, RFC 9113
/// 8.5), and from the response's head on the client's connection is its other end. The exchange stays, as for tunnels of streams.
extension Worker {
    /// Whether it is an upgrade that HTTP/2 has a form for.
    mutating func isWebSocket(_ exchange: SlabReference<Exchange>) -> Bool {
        text.removeAll()
        text.append("sec-websocket-key")
        return exchange.value.heads.reference.value.request.hasValue(.upgrade, "websocket")
            && exchange.value.heads.reference.value.request.index(named: text.bytes) != nil
    }

    /// The request in the form of a stream, if it asks for a tunnel. What the client sends behind its head waits for the answer.
    mutating func askForStream(_ exchange: SlabReference<Exchange>) {
        let isConnect = exchange.value.heads.reference.value.request.method == .connect
        guard exchange.value.wantsUpgrade || isConnect, !exchange.value.awaitsTunnel else { return }
        exchange.value.awaitsTunnel = true
        exchange.value.requestEnded = false
        exchange.value.requestFraming = .untilClose
        guard exchange.value.wantsUpgrade else { return }
        keepKey(exchange)
        text.removeAll()
        text.append("CONNECT")
        exchange.value.heads.reference.value.request.setMethod(text.bytes)
        text.removeAll()
        text.append("websocket")
        exchange.value.heads.reference.value.request.setProtocol(text.bytes)
    }

    /// The key is for whoever answers it, and that is the proxy.
    private mutating func keepKey(_ exchange: SlabReference<Exchange>) {
        text.removeAll()
        text.append("sec-websocket-key")
        guard let index = exchange.value.heads.reference.value.request.index(named: text.bytes) else { return }
        exchange.value.webSocketKey = exchange.value.heads.reference.value.request.field(index).value
        exchange.value.heads.reference.value.request.remove(named: text.bytes)
    }

    /// Nothing comes of the tunnel: the request was all there.
    func forgoTunnel(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.awaitsTunnel, exchange.value.clientStream == 0 else { return }
        exchange.value.awaitsTunnel = false
        exchange.value.requestEnded = true
    }

    /// The server has agreed: the client is told in its words, and from here on its bytes are the stream's.
    mutating func openTunnel(_ exchange: SlabReference<Exchange>, to client: SlabReference<ClientSession>) {
        client.value.isClosing = true
        client.value.lastActivity = now
        exchange.value.heads.reference.value.response.remove(.contentLength)
        let isUpgrade = exchange.value.wantsUpgrade
        if isUpgrade { acceptUpgrade(exchange) }
        exchange.value.record.status = UInt16(clamping: exchange.value.heads.reference.value.response.status)
        editResponse(exchange)
        collect(forClient: exchange.value.client)
        HTTP1Encoder.response(
            exchange.value.heads.reference.value.response, framing: .none,
            connection: isUpgrade ? .upgrade : .keepAlive(announce: false), into: &toClient)
        enqueue(client, exchange.value.client)
    }

    private mutating func acceptUpgrade(_ exchange: SlabReference<Exchange>) {
        exchange.value.heads.reference.value.response.status = 101
        exchange.value.heads.reference.value.response.set(.upgrade, "websocket")
        text.removeAll()
        text.append("sec-websocket-accept")
        let length = text.count
        Self.answerKey(exchange.value.webSocketKey, exchange.value.heads.reference.value.request, to: &text)
        let accept = text.bytes
        exchange.value.heads.reference.value.response.set(accept.extracting(..<length), accept.extracting(length...))
    }

    private static func answerKey(
        _ key: ByteRange, _ head: borrowing MessageHead, to output: inout OutputBuffer
    ) {
        WebSocketAccept.append(for: head.bytes(key), to: &output)
    }

    /// The server's direction has ended: the client sees a FIN. False: it has to take something first.
    mutating func finishTunnelDown(
        _ exchange: SlabReference<Exchange>, _ client: SlabReference<ClientSession>
    ) -> Bool {
        guard !exchange.value.endedDown else { return true }
        collect(forClient: exchange.value.client)
        flushClient()
        guard !client.value.io.isBroken else { return true }
        guard !client.value.io.hasOutput else { return false }
        client.value.io.transport.finishWriting()
        return true
    }
}
