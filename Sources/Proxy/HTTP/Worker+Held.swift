import Buffers
import EventLoop

/// Body bytes that neither side's socket has: a connection of many streams is read for all of them, so what one stream's
/// window allows is kept when its exchange cannot pass it on.
extension Worker {
    /// Keeps bytes behind those that are held already.
    mutating func hold(
        _ bytes: UnsafeRawBufferPointer, _ held: inout Chunk?, _ exchange: SlabReference<Exchange>
    ) {
        guard var chunk = held.take() else {
            var chunk = pool.take(bytes.count)
            unsafe chunk.append(bytes)
            countHeld(chunk.capacity, exchange)
            held = consume chunk
            return
        }
        if chunk.room < bytes.count {
            countHeld(-chunk.capacity, exchange)
            chunk = grown(chunk, by: bytes.count)
            countHeld(chunk.capacity, exchange)
        }
        unsafe chunk.append(bytes)
        held = consume chunk
    }

    /// The memory of what was held is free.
    mutating func giveHeld(_ chunk: consuming Chunk, _ exchange: SlabReference<Exchange>) {
        countHeld(-chunk.capacity, exchange)
        pool.give(chunk)
    }

    /// What an attempt before has taken of the body is to be sent again, before what is held. The client's window has been
    /// opened for it already.
    mutating func holdReplay(_ exchange: SlabReference<Exchange>) {
        guard var chunk = exchange.value.replay.take() else { return }
        keep(-chunk.capacity, exchange)
        // Of the attempt before that one some may be left, if it was not the last.
        exchange.value.replayed += chunk.count
        exchange.value.passedOn = 0
        if let later = exchange.value.heldUp.take() {
            countHeld(-later.capacity, exchange)
            if chunk.room < later.count { chunk = grown(chunk, by: later.count) }
            // The chunk owns its bytes while they are lent.
            unsafe later.withBytes { unsafe chunk.append($0) }
            pool.give(later)
        }
        countHeld(chunk.capacity, exchange)
        exchange.value.heldUp = consume chunk
    }

    /// The exchange is over: what it holds is dropped.
    mutating func dropHeld(_ exchange: SlabReference<Exchange>) {
        if let chunk = exchange.value.heldUp.take() { giveHeld(chunk, exchange) }
        if let chunk = exchange.value.heldDown.take() { giveHeld(chunk, exchange) }
    }

    private func countHeld(_ delta: Int, _ exchange: SlabReference<Exchange>) {
        count(.bufferedBytes, delta)
        if let client = clients.find(exchange.value.client) { client.value.heldBytes += delta }
    }

    /// A copy with more room: so much more that bytes which come in crumbs are not copied for each of them.
    mutating func grown(_ chunk: consuming Chunk, by count: Int) -> Chunk {
        let needed = chunk.count + count
        var larger = pool.take(needed + min(needed, ChunkPool.sizeMax) / 2)
        // The chunk owns its bytes while they are lent.
        unsafe chunk.withBytes { unsafe larger.append($0) }
        pool.give(chunk)
        return larger
    }
}
