import Buffers
import EventLoop
import HTTP
import Model

/// Memory that the exchanges of a connection of many streams need whether anybody is slow or not: their heads, and bodies kept
/// for another attempt. It is charged to the connection's pod when it is more than ordinary requests need.
extension Worker {
    /// The exchange has so many bytes more, or fewer.
    func keep(_ delta: Int, _ exchange: SlabReference<Exchange>) {
        guard exchange.value.clientStream != 0, let client = clients.find(exchange.value.client) else { return }
        exchange.value.keptBytes += delta
        client.value.keptBytes += delta
        count(.bufferedBytes, delta)
    }

    /// A request's head has come.
    func keepHead(_ exchange: SlabReference<Exchange>, _ multiplex: SlabReference<Multiplex>) {
        let bytes = exchange.value.heads.reference.value.request.capacity
        exchange.value.headBytes = bytes
        multiplex.value.headBytes += bytes
        keep(bytes, exchange)
    }

    /// The exchange is over.
    func keepNothing(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.clientStream != 0 else { return }
        let multiplex = clients.find(exchange.value.client)?.value.multiplex?.reference
        multiplex?.value.headBytes -= exchange.value.headBytes
        keep(-exchange.value.keptBytes, exchange)
    }

    /// The body is not kept for another attempt any more.
    mutating func giveReplay(_ exchange: SlabReference<Exchange>) {
        guard let chunk = exchange.value.replay.take() else { return }
        keep(-chunk.capacity, exchange)
        pool.give(chunk)
    }
}
