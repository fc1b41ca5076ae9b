import EventLoop
import Model
import Syscalls

/// What is produced for sessions within a turn is collected, and sent with one write.
///
/// An error met here ends nothing at once: it marks the session and queues it, so that whoever produced the bytes can go
/// on with sessions and exchanges that are still there.
extension Worker {
    /// Bodies from this size on are written where they lie instead of being copied.
    private static let copiedBytesMax = 8 << 10

    /// From here on `toClient` is for this session.
    mutating func collect(forClient handle: SlabHandle) {
        if toClientHandle == handle { return }
        flushClient()
        toClientHandle = handle
    }

    /// From here on `toServer` is for this session.
    mutating func collect(forServer handle: SlabHandle) {
        if toServerHandle == handle { return }
        flushServer()
        toServerHandle = handle
    }

    /// Body bytes for the client that is being collected for.
    mutating func appendToClient(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count < Self.copiedBytesMax { unsafe toClient.append(bytes) } else { unsafe flushClient(bytes) }
    }

    /// Body bytes for the server that is being collected for.
    mutating func appendToServer(_ bytes: UnsafeRawBufferPointer) {
        if bytes.count < Self.copiedBytesMax { unsafe toServer.append(bytes) } else { unsafe flushServer(bytes) }
    }

    /// Sends all that was collected.
    @inline(__always) mutating func flushAll() {
        if !toServer.isEmpty { flushServer() }
        if !toClient.isEmpty { flushClient() }
    }

    /// Sends what was collected for a client.
    mutating func flushClient() {
        // Nothing behind it.
        unsafe flushClient(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Sends what was collected for a server.
    mutating func flushServer() {
        // Nothing behind it.
        unsafe flushServer(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    /// Sends what was collected for a client, and `body` behind it.
    mutating func flushClient(_ body: UnsafeRawBufferPointer) {
        guard !toClient.isEmpty || body.count > 0 else { return }
        guard let client = clients.find(toClientHandle) else { return toClient.removeAll() }
        if client.value.multiplex != nil { return keepCollected(client) }
        var taken = 0
        // The buffer owns its bytes while they are lent; the body is the caller's.
        let error = unsafe toClient.withBytes { unsafe client.value.io.send($0, body, &pool, taken: &taken) }
        toClient.removeAll()
        sent(taken, to: client)
        countHeld(client)
        if error != nil { enqueue(client, toClientHandle) }
    }

    /// Sends what was collected for a server, and `body` behind it.
    mutating func flushServer(_ body: UnsafeRawBufferPointer) {
        guard !toServer.isEmpty || body.count > 0 else { return }
        guard let server = servers.find(toServerHandle) else { return toServer.removeAll() }
        if server.value.multiplex != nil { return keepCollected(server) }
        var taken = 0
        // The buffer owns its bytes while they are lent; the body is the caller's.
        let error = unsafe toServer.withBytes { unsafe server.value.io.send($0, body, &pool, taken: &taken) }
        toServer.removeAll()
        sent(taken, to: server)
        countHeld(server)
        if error != nil { enqueueServer(toServerHandle) }
    }

    /// What was collected for a connection of streams waits for the end of the worker's turn: other connections may have
    /// more for it, and all of it leaves in one write.
    private mutating func keepCollected(_ client: SlabReference<ClientSession>) {
        if !client.value.io.hasOutput {
            client.value.io.isCollecting = true
            waits(Token(.client, toClientHandle), gathered: client.value.io.isGathered)
        }
        // The buffer owns its bytes while they are lent.
        unsafe toClient.withBytes { unsafe client.value.io.collect($0, &pool) }
        toClient.removeAll()
        countHeld(client)
    }

    /// The same for a server.
    private mutating func keepCollected(_ server: SlabReference<ServerSession>) {
        if !server.value.io.hasOutput {
            server.value.io.isCollecting = true
            waits(Token(.server, toServerHandle), gathered: server.value.io.isGathered)
        }
        // The buffer owns its bytes while they are lent.
        unsafe toServer.withBytes { unsafe server.value.io.collect($0, &pool) }
        toServer.removeAll()
        countHeld(server)
    }

    /// Bytes held for a client are in the worker's count.
    func countHeld(_ client: SlabReference<ClientSession>) {
        let held = client.value.io.heldBytes
        guard held != client.value.io.countedBytes else { return }
        count(.bufferedBytes, held - client.value.io.countedBytes)
        client.value.io.countedBytes = held
    }

    /// Bytes held for a server are in the worker's count.
    func countHeld(_ server: SlabReference<ServerSession>) {
        let held = server.value.io.heldBytes
        guard held != server.value.io.countedBytes else { return }
        count(.bufferedBytes, held - server.value.io.countedBytes)
        server.value.io.countedBytes = held
    }

    /// The kernel took so many bytes for a client.
    func sent(_ bytes: Int, to client: SlabReference<ClientSession>) {
        guard bytes > 0 else { return }
        client.value.lastActivity = now
        client.value.record.bytesReceived += bytes
    }

    /// So many bytes came from a client.
    func received(_ bytes: Int, from client: SlabReference<ClientSession>) {
        client.value.lastActivity = now
        client.value.record.bytesSent += bytes
    }

    /// The kernel took so many bytes for a server.
    func sent(_ bytes: Int, to server: SlabReference<ServerSession>) {
        guard bytes > 0 else { return }
        server.value.bytesSent += bytes
        server.value.lastActivity = now
    }
}

// MARK: - the ready queue

extension Worker {
    mutating func enqueue(_ client: SlabReference<ClientSession>, _ handle: SlabHandle) {
        guard !client.value.queued else { return }
        client.value.queued = true
        ready.add(WorkItem(.client, handle.index), pod: client.value.fairnessSlot)
    }

    mutating func enqueueClient(_ handle: SlabHandle) {
        if let client = clients.find(handle) { enqueue(client, handle) }
    }

    mutating func enqueueServer(_ handle: SlabHandle) {
        guard let server = servers.find(handle), !server.value.queued else { return }
        server.value.queued = true
        server.value.queuedPod = server.value.pod
        ready.add(WorkItem(.server, handle.index), pod: server.value.queuedPod)
    }
}
