import Buffers
import EventLoop
import HTTP
import Model
import Routing

/// Who a request is, in fields of its own: its id, and whom it was forwarded for.
extension Worker {
    mutating func identify(_ exchange: SlabReference<Exchange>) {
        let settings = exchange.value.settings
        giveRequestID(exchange, settings)
        if settings.forwardedFor != .off { setForwardedFor(exchange, settings) }
    }

    private mutating func giveRequestID(_ exchange: SlabReference<Exchange>, _ settings: HTTPListenerRecord) {
        switch settings.requestId {
        case .off: return
        case .keep: if exchange.value.heads.reference.value.request.value(.xRequestId) != nil { return }
        case .generate: break
        }
        text.removeAll()
        text.appendUUID(random.next(), random.next())
        exchange.value.heads.reference.value.request.set(.xRequestId, text.bytes)
    }

    /// The client's address replaces what it said of itself, unless so many hops before us are trusted.
    private mutating func setForwardedFor(_ exchange: SlabReference<Exchange>, _ settings: HTTPListenerRecord) {
        let client = exchange.value.record.client.address
        ForwardedFor.rewrite(&exchange.value.heads.reference.value.request, settings, client: client)
        guard settings.trustedHops == 0 || exchange.value.heads.reference.value.request.value(.xForwardedProto) == nil
        else { return }
        exchange.value.heads.reference.value.request.set(.xForwardedProto, "http")
    }
}
