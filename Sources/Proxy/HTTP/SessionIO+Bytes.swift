import Buffers
import Syscalls

/// What a read of a session brought.
enum SessionRead: BitwiseCopyable {
    /// So many bytes lie at the start of the scratch memory, those kept from before included.
    case bytes(Int)
    /// Nothing new.
    case nothing
    /// The peer's FIN; bytes kept from before are still in `input`.
    case end
    case broken(Errno)
}

extension SessionIO {
    /// Reads behind what was kept. With `bytes`, the kept bytes have been moved to the scratch memory, and `input` is
    /// empty.
    mutating func read(into scratch: borrowing Scratch, _ pool: inout ChunkPool) -> SessionRead {
        let kept = inputCount
        let room = min(readSize, Scratch.size - kept)
        // The scratch memory is used within this turn of the session only; both ranges are in its bounds.
        let buffer = unsafe scratch.prefix(kept + room)
        switch unsafe transport.read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[kept...])) {
        case .bytes(let count):
            // A short read has emptied the socket, unless its end was announced already: then that edge is past.
            if count < room, !readToEnd, !transport.holdsPlaintext { isReadable = false }
            adapt(to: count)
            if let chunk = input.take() {
                unsafe chunk.withBytes { unsafe buffer.copyMemory(from: $0) }
                pool.give(chunk)
            }
            return .bytes(kept + count)
        case .blocked:
            isReadable = false
            return .nothing
        case .end:
            isReadable = false
            inputEnded = true
            return .end
        case .broken(let error):
            isReadable = false
            isBroken = true
            return .broken(error)
        }
    }

    /// Bytes waiting to be decoded.
    var inputCount: Int { Self.count(input) }

    /// Bytes waiting to be taken by the peer.
    var outputCount: Int { Self.count(output) }

    /// Bytes held; 0: there is no chunk.
    static func count(_ chunk: borrowing Chunk?) -> Int {
        switch chunk {
        case .some(let chunk): chunk.count
        case .none: 0
        }
    }

    /// Keeps what could not be decoded yet.
    mutating func keepInput(_ bytes: UnsafeRawBufferPointer, _ pool: inout ChunkPool) {
        guard bytes.count > 0 else { return }
        var chunk = pool.take(bytes.count)
        unsafe chunk.append(bytes)
        input = consume chunk
    }

    /// Sends two pieces, one behind the other; keeps what the peer does not take. Returns why the connection is broken,
    /// if it is. `taken` grows by what the kernel took.
    mutating func send(
        _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, _ pool: inout ChunkPool, taken: inout Int
    ) -> Errno? {
        guard output == nil, isWritable else {
            unsafe keepOutput(head, body, &pool)
            return nil
        }
        switch unsafe transport.write(head, body) {
        case .complete: taken += head.count + body.count
        case .blocked(let count, _):
            taken += count
            isWritable = false
            let inHead = min(count, head.count)
            // In bounds: no more is taken than was offered.
            unsafe keepOutput(
                UnsafeRawBufferPointer(rebasing: head[inHead...]),
                UnsafeRawBufferPointer(rebasing: body[(count - inHead)...]), &pool)
        case .broken(let error):
            breakOff()
            return error
        }
        return nil
    }

    /// Keeps bytes behind those that wait already, to be sent with them.
    mutating func collect(_ bytes: UnsafeRawBufferPointer, _ pool: inout ChunkPool) {
        guard bytes.count > 0 else { return }
        guard var chunk = output.take() else {
            var chunk = pool.take(bytes.count)
            unsafe chunk.append(bytes)
            output = consume chunk
            return
        }
        if chunk.room < bytes.count {
            var larger = pool.take(max(chunk.count * 2, chunk.count + bytes.count))
            // The chunk owns its bytes while they are lent.
            unsafe chunk.withBytes { unsafe larger.append($0) }
            pool.give(chunk)
            chunk = larger
        }
        unsafe chunk.append(bytes)
        output = consume chunk
    }

    /// Sends what was kept, as far as the peer takes it.
    mutating func flush(_ pool: inout ChunkPool, taken: inout Int) -> Errno? {
        guard isWritable, var chunk = output.take() else { return nil }
        // The chunk owns its bytes while they are lent.
        switch unsafe chunk.withBytes({ unsafe transport.write($0) }) {
        case .complete:
            taken += chunk.count
            pool.give(chunk)
        case .blocked(let count, _):
            taken += count
            isWritable = false
            chunk.consume(count)
            output = consume chunk
        case .broken(let error):
            breakOff()
            pool.give(chunk)
            return error
        }
        return nil
    }

    /// A write has failed. What the peer said before its reset may still be there, and its edge be on its way: a server
    /// that answers without reading the body does that.
    private mutating func breakOff() {
        isBroken = true
        isReadable = !inputEnded
        readToEnd = true
    }

    private mutating func keepOutput(
        _ head: UnsafeRawBufferPointer, _ body: UnsafeRawBufferPointer, _ pool: inout ChunkPool
    ) {
        guard head.count + body.count > 0 else { return }
        var before = output.take()
        let count = before?.count ?? 0
        var chunk = pool.take(count + head.count + body.count)
        if let old = before.take() {
            unsafe old.withBytes { unsafe chunk.append($0) }
            pool.give(old)
        }
        unsafe chunk.append(head)
        unsafe chunk.append(body)
        output = consume chunk
    }

    /// Gives the memory back.
    mutating func giveBack(_ pool: inout ChunkPool) {
        if let chunk = input.take() { pool.give(chunk) }
        if let chunk = output.take() { pool.give(chunk) }
    }
}
