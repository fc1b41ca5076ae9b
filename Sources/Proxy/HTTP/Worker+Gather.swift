import EventLoop
import HTTP
import Model
import Syscalls

/// Busy connections of streams are looked at together, as often as `GatherPace` says: what arrives on them in between
/// wakes nobody, and what is to be sent on them leaves together. All others are served at once, as ever: a pod that
/// asks for little is not slowed by one that asks for much.
extension Worker {
    /// As many streams at once make a connection busy.
    private static let busyStreams = 4
    /// Looked at in one second to see whether they still are.
    private static let tendMax = 1024

    /// It is time: adds what the gathered connections have to the `count` events of the wait.
    mutating func gather(behind count: Int) -> Int {
        self.count(.gathers)
        isGatherTurn = true
        nextGather = now + gatherPace.delay
        return poller.takeGathered(behind: count)
    }

    /// Whether output of gathered connections leaves at the end of this turn.
    mutating func gatheredOutputLeaves() -> Bool {
        guard poller.holdsGathered, isRunning, !isDraining else { return true }
        return isGatherTurn
    }

    /// Gathering begins, or is over: then the connections are served at once again.
    mutating func paceChanged() {
        nextGather = gatherPace.delay > 0 ? now : .max
        poller.holdGathered(gatherPace.delay > 0)
    }

    /// A stream has begun on a client's connection.
    @inline(__always)
    mutating func gatherIfBusy(
        _ client: SlabReference<ClientSession>, _ handle: SlabHandle, _ multiplex: SlabReference<Multiplex>
    ) {
        guard poller.holdsGathered, !client.value.io.isGathered, isBusy(multiplex) else { return }
        let token = Token(.client, handle).bits
        do throws(Errno) {
            try client.value.io.transport.move(within: &poller, token: token, gathered: true)
            client.value.io.isGathered = true
            gathered.append(token)
        } catch {
            // It is in no poller now.
            client.value.io.isBroken = true
            enqueue(client, handle)
        }
    }

    /// An exchange begins on a connection to a server: one of many streams, or one of a gathered client.
    @inline(__always)
    mutating func gatherIfBusy(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, _ exchange: SlabReference<Exchange>
    ) {
        guard poller.holdsGathered, !server.value.io.isGathered else { return }
        if let multiplex = server.value.multiplex?.reference {
            guard isBusy(multiplex) else { return }
        } else {
            guard clients.find(exchange.value.client)?.value.io.isGathered == true else { return }
        }
        move(server, handle, gathered: true)
    }

    private mutating func move(
        _ server: SlabReference<ServerSession>, _ handle: SlabHandle, gathered isGathered: Bool
    ) {
        let token = Token(.server, handle).bits
        do throws(Errno) {
            try server.value.io.transport.move(within: &poller, token: token, gathered: isGathered)
            server.value.io.isGathered = isGathered
            if isGathered { gathered.append(token) }
        } catch {
            // It is in no poller now.
            server.value.io.isBroken = true
            enqueueServer(handle)
        }
    }

    /// Before it is handed on: gathered connections are of HTTP.
    mutating func leaveGathered(_ server: SlabReference<ServerSession>, _ handle: SlabHandle) {
        if server.value.io.isGathered { move(server, handle, gathered: false) }
    }

    /// For the pace: an exchange ends. It counts if it is a stream among others, on either side.
    @inline(__always)
    mutating func noteStreamEnd(_ exchange: SlabReference<Exchange>) {
        guard exchange.value.clientStream != 0 || exchange.value.serverStream != 0 else { return }
        if let client = clients.find(exchange.value.client)?.value.multiplex?.reference, isBusy(client) {
            return gatherPace.ended(after: now - exchange.value.startedAt)
        }
        if let server = servers.find(exchange.value.server)?.value.multiplex?.reference, isBusy(server) {
            gatherPace.ended(after: now - exchange.value.startedAt)
        }
    }

    private func isBusy(_ multiplex: SlabReference<Multiplex>) -> Bool {
        multiplex.value.codec.streamCount >= Self.busyStreams
    }

    private func isInUse(_ server: SlabReference<ServerSession>) -> Bool {
        guard let multiplex = server.value.multiplex?.reference else { return server.value.state == .busy }
        return isBusy(multiplex)
    }

    /// Once a second: connections that are busy no longer are served at once again.
    mutating func tendGathered() {
        guard !gathered.isEmpty else { return }
        var kept = 0
        for place in gathered.indices {
            guard place >= Self.tendMax || staysGathered(gathered[place]) else { continue }
            gathered[kept] = gathered[place]
            kept += 1
        }
        gathered.removeLast(gathered.count - kept)
    }

    private mutating func staysGathered(_ bits: UInt64) -> Bool {
        guard let token = Token(bits) else { return false }
        if token.kind == .server {
            guard let server = servers.find(token.handle), server.value.io.isGathered else { return false }
            if gatherPace.delay > 0, isInUse(server) { return true }
            move(server, token.handle, gathered: false)
            return false
        }
        guard let client = clients.find(token.handle), client.value.io.isGathered else { return false }
        guard let multiplex = client.value.multiplex?.reference else { return false }
        if gatherPace.delay > 0, isBusy(multiplex) { return true }
        do throws(Errno) {
            try client.value.io.transport.move(within: &poller, token: bits, gathered: false)
            client.value.io.isGathered = false
        } catch {
            client.value.io.isBroken = true
            enqueue(client, token.handle)
        }
        return false
    }
}
