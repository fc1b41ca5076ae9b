import Buffers
import EventLoop
import HTTP
import Model

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
        case .keep: if exchange.value.heads.request.value(.xRequestId) != nil { return }
        case .generate: break
        }
        text.removeAll()
        text.appendUUID(random.next(), random.next())
        exchange.value.heads.request.set(.xRequestId, text)
    }

    /// The client's address replaces what it said of itself, unless so many hops before us are trusted.
    private mutating func setForwardedFor(_ exchange: SlabReference<Exchange>, _ settings: HTTPListenerRecord) {
        text.removeAll()
        let isKept = settings.forwardedFor == .append || settings.trustedHops > 0
        if isKept, let said = exchange.value.heads.request.value(.xForwardedFor) {
            text.append(exchange.value.heads.request.bytes(said))
            text.append(", ")
        }
        text.append(exchange.value.record.client.address)
        exchange.value.heads.request.set(.xForwardedFor, text)
        guard settings.trustedHops == 0 || exchange.value.heads.request.value(.xForwardedProto) == nil else { return }
        text.removeAll()
        text.append("http")
        exchange.value.heads.request.set(.xForwardedProto, text)
    }
}

extension OutputBuffer {
    /// A version 4 UUID of these random bits, in its usual form.
    mutating func appendUUID(_ high: UInt64, _ low: UInt64) {
        let high = high & ~0xf000 | 0x4000
        let low = low & ~(0xc000 << 48) | 0x8000 << 48
        appendHexDigits(high >> 32, 8)
        append(UInt8(ascii: "-"))
        appendHexDigits(high >> 16, 4)
        append(UInt8(ascii: "-"))
        appendHexDigits(high, 4)
        append(UInt8(ascii: "-"))
        appendHexDigits(low >> 48, 4)
        append(UInt8(ascii: "-"))
        appendHexDigits(low, 12)
    }

    private mutating func appendHexDigits(_ value: UInt64, _ count: Int) {
        for place in (0..<count).reversed() {
            let digit = UInt8(truncatingIfNeeded: value >> UInt64(place * 4) & 15)
            append(digit < 10 ? UInt8(ascii: "0") + digit : UInt8(ascii: "a") + digit - 10)
        }
    }
}
