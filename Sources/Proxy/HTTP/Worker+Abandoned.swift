import EventLoop
import Model
import Upstream

/// Requests that clients give up when a server has begun them; see `AbandonedRequests`.
extension Worker {
    private static let soonNanoseconds: Int64 = 100_000_000

    /// Its client gives it up, whatever the way. It counts where that costs the client nothing: on a stream of the server's
    /// whose answer has not begun. Of HTTP/1 each costs a connection. And where it was given up soon: whoever waits for a
    /// server that has become slow is no attacker, and must not be shut out from the others.
    mutating func noteAbandoned(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.serverStream != 0, exchange.value.phase == .open, !exchange.value.responseStarted,
            !exchange.value.client.isNone, now - exchange.value.startedAt < Self.soonNanoseconds
        else { return }
        abandoned.note(exchange.value.record.client.address, now: now)
    }

    /// A time is over that the caller has set.
    mutating func noteCallersTimeOver(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.isGRPC, exchange.value.heads.reference.value.request.grpcTimeout != nil else { return }
        noteAbandoned(exchange)
    }

    /// Whether its client has to wait before it opens more streams of servers.
    func hasAbandonedTooMuch(_ exchange: SlabReference<Exchange>, _ key: PoolKey) -> Bool {
        key.protocolNumber == PoolKey.http2 && !exchange.value.client.isNone
            && abandoned.isOver(exchange.value.record.client.address, now: now)
    }
}
