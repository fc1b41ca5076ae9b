import EventLoop
import HTTP

/// Streams go on when their connection, or their own window, takes more again. All openings of a turn count together, so that
/// windows that open in crumbs cost one look, and what they let through is one piece.
extension Worker {
    /// As much of one stream goes out before the next one has its turn.
    private static let resumedBytes = 16 << 10
    /// As much is encoded before the session has a look at it.
    private static let encodedBytesMax = 64 << 10

    /// A window has opened: of one stream, or (0) of the connection.
    mutating func noteOpened(_ stream: UInt32, _ tag: UInt64, _ multiplex: SlabReference<Multiplex>) {
        if stream == 0 { multiplex.value.hasOpened = true } else { opened.append(tag) }
    }

    /// What a client's connection has received, and what comes of it.
    mutating func serveFrames(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) -> Int {
        let moved = receiveFrames(client, handle, multiplex)
        if clients.find(handle) != nil {
            resumeOpened(multiplex, pumpsDown: true)
        } else {
            opened.removeAll(keepingCapacity: true)
        }
        return moved
    }

    /// At the end of a connection's turn: the streams go on whose windows have opened in it.
    mutating func resumeOpened(_ multiplex: SlabReference<Multiplex>, pumpsDown: Bool) {
        if multiplex.value.hasOpened {
            resumeStreams(multiplex, pumpsDown: pumpsDown)
        } else {
            for place in opened.indices { _ = resume(opened[place], pumpsDown: pumpsDown, atMost: .max, isFirst: true) }
        }
        opened.removeAll(keepingCapacity: true)
    }

    /// The socket, or the connection's window, takes more: all its streams go on, a piece of each in turn, from where it ended
    /// the last time.
    mutating func resumeStreams(_ multiplex: SlabReference<Multiplex>, pumpsDown: Bool) {
        multiplex.value.isStalled = false
        multiplex.value.hasOpened = false
        // A copy, because what is done with streams changes them.
        var tags: [UInt64] = []
        swap(&tags, &resumed)
        multiplex.value.codec.appendTags(from: multiplex.value.nextStream, to: &tags)
        var (isFirst, hasMore) = (true, true)
        while hasMore {
            hasMore = false
            for tag in tags {
                if multiplex.value.isStalled || multiplex.value.codec.connectionWindow == 0 {
                    multiplex.value.nextStream = stream(of: tag, pumpsDown) ?? multiplex.value.nextStream
                    hasMore = false
                    break
                }
                if resume(tag, pumpsDown: pumpsDown, atMost: Self.resumedBytes, isFirst: isFirst) { hasMore = true }
                flushLong()
            }
            isFirst = false
        }
        tags.removeAll(keepingCapacity: true)
        swap(&tags, &resumed)
    }

    private func stream(of tag: UInt64, _ pumpsDown: Bool) -> UInt32? {
        guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { return nil }
        return pumpsDown ? exchange.value.clientStream : exchange.value.serverStream
    }

    /// Whether it would take another turn: a part of what is held has gone, and more would.
    private mutating func resume(_ tag: UInt64, pumpsDown: Bool, atMost limit: Int, isFirst: Bool) -> Bool {
        guard let exchange = exchanges.find(SlabHandle(bits: tag)) else { return false }
        let held = pumpsDown ? SessionIO.count(exchange.value.heldDown) : SessionIO.count(exchange.value.heldUp)
        guard held > 0 else {
            guard isFirst else { return false }
            if pumpsDown { resumeResponse(exchange) } else { resumeRequest(exchange) }
            return false
        }
        if pumpsDown { pumpDown(exchange, atMost: limit) } else { pumpUp(exchange, atMost: limit) }
        guard held > limit, let exchange = exchanges.find(SlabHandle(bits: tag)) else { return false }
        let left = pumpsDown ? SessionIO.count(exchange.value.heldDown) : SessionIO.count(exchange.value.heldUp)
        return left < held
    }

    /// A session knows how much there is to send once it has been handed over.
    private mutating func flushLong() {
        if toClient.count > Self.encodedBytesMax { flushClient() }
        if toServer.count > Self.encodedBytesMax { flushServer() }
    }
}
