import Buffers
import EventLoop
import Model
import Syscalls

/// How a turn of one direction ended.
enum RelayResult: BitwiseCopyable {
    /// Nothing more to do until something becomes ready (or the turn's share was used up: `Flow.hasWork` says).
    case waiting
    /// The source's connection is broken.
    case sourceBroken(Errno)
    /// The sink's connection is broken.
    case sinkBroken(Errno)

    var sourceError: Errno? { if case .sourceBroken(let errno) = self { errno } else { nil } }
    var sinkError: Errno? { if case .sinkBroken(let errno) = self { errno } else { nil } }
}

extension Worker {
    /// One connection's share of a turn, for each direction.
    private static let relayBytesMax = 256 << 10
    private static let relayReadsMax = 64

    /// A turn of one tunnel. Returns the bytes moved. The tunnel may be gone afterwards.
    mutating func serve(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> Int {
        if tunnel.value.state == .connecting {
            guard tunnel.value.plan.detection == .none || attend(tunnel, handle) else { return 0 }
            serveConnecting(tunnel, handle)
            guard let tunnel = tunnels.find(handle), tunnel.value.state == .open else { return 0 }
        }
        guard tunnel.value.plan.detection == .none || attend(tunnel, handle) else { return 0 }
        return serveOpen(tunnel, handle)
    }

    private mutating func serveOpen(_ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle) -> Int {
        if let reason = tunnel.value.abortReason {
            close(handle, reason, by: .proxy)
            return 0
        }
        let held = tunnel.value.bufferedBytes
        let upEnd =
            tunnel.value.up.hasWork
            ? relay(from: &tunnel.value.downstream, to: &tunnel.value.upstream, &tunnel.value.up) : .waiting
        let downEnd =
            tunnel.value.down.hasWork
            ? relay(from: &tunnel.value.upstream, to: &tunnel.value.downstream, &tunnel.value.down) : .waiting
        let moved = tunnel.value.up.uncounted + tunnel.value.down.uncounted
        // What was held and is now sent is activity as well: a slow reader may take a while over one read's bytes.
        if moved > 0 || tunnel.value.bufferedBytes != held { tunnel.value.lastActivity = now }
        if moved > 0 { countBytes(tunnel) }
        charge(tunnel, handle)
        // Only now: connections that are moved again and again must get on all the same.
        let isDeparting = tunnel.value.isDeparting
        settle(tunnel, handle, upEnd, downEnd)
        if isDeparting, let tunnel = tunnels.find(handle) { depart(tunnel, handle) }
        return moved
    }

    /// Ends the tunnel if it is over: a reset on one side becomes a reset on the other, two ends are an end.
    private mutating func settle(
        _ tunnel: SlabReference<Tunnel>, _ handle: SlabHandle, _ upEnd: RelayResult, _ downEnd: RelayResult
    ) {
        if tunnel.value.firstToEnd == nil {
            if tunnel.value.up.sourceEnded {
                tunnel.value.firstToEnd = .client
            } else if tunnel.value.down.sourceEnded {
                tunnel.value.firstToEnd = .upstream
            }
        }
        let (upFinished, downFinished) = (tunnel.value.up.finished, tunnel.value.down.finished)
        if upFinished, downFinished { return close(handle, .completed, by: tunnel.value.firstToEnd ?? .proxy) }
        if upFinished != downFinished, tunnel.value.halfOpenSince == 0 { beginHalfOpen(tunnel) }
        if let error = upEnd.sourceError ?? downEnd.sinkError {
            return close(handle, .broken(by: .client, error), by: .client)
        }
        if let error = downEnd.sourceError ?? upEnd.sinkError {
            return close(handle, .broken(by: .upstream, error), by: .upstream)
        }
        // An error event whose bytes have all been passed on, or cannot be because the other side is slow.
        if tunnel.value.downstreamBroken, !tunnel.value.up.hasWork {
            return close(handle, .broken(by: .client, tunnel.value.downstream.takeError()), by: .client)
        }
        if tunnel.value.upstreamBroken, !tunnel.value.down.hasWork {
            close(handle, .broken(by: .upstream, tunnel.value.upstream.takeError()), by: .upstream)
        }
    }

    /// Moves bytes one way until the source or the sink blocks, the source ends, or the share is used up.
    private mutating func relay(
        from source: inout Transport, to sink: inout Transport, _ flow: inout Flow
    ) -> RelayResult {
        if let error = flushPending(to: &sink, &flow) { return .sinkBroken(error) }
        guard flow.pending == nil else { return .waiting }
        var moved = 0
        var reads = 0
        while flow.sourceReady, !flow.sourceEnded, moved < Self.relayBytesMax, reads < Self.relayReadsMax {
            // The scratch memory is read into and written from within this pass of the loop only.
            let buffer = unsafe scratch.prefix(flow.readSize)
            switch unsafe source.read(into: buffer) {
            case .bytes(let count):
                moved += count
                reads += 1
                // A short read has emptied the socket: what comes later makes an edge. Unless the end was announced
                // already: then its edge is past.
                if count < buffer.count, !flow.readToEnd, !source.holdsPlaintext { flow.sourceReady = false }
                flow.bytes += count
                flow.uncounted += count
                flow.adapt(to: count)
                let bytes = unsafe UnsafeRawBufferPointer(rebasing: buffer[..<count])
                if let error = unsafe pass(bytes, to: &sink, &flow) { return .sinkBroken(error) }
                if flow.pending != nil { return .waiting }
            case .blocked(let readiness):
                flow.sourceReady = false
                flow.sourceWants = readiness
            case .end: flow.sourceEnded = true
            case .broken(let error): return .sourceBroken(error)
            }
        }
        if flow.sourceEnded, !flow.finished {
            sink.finishWriting()
            flow.finished = true
        }
        return .waiting
    }

    /// Writes fresh bytes; keeps what the sink does not take. Returns why the sink is broken, if it is.
    @inline(__always)
    private mutating func pass(
        _ bytes: UnsafeRawBufferPointer, to sink: inout Transport, _ flow: inout Flow
    ) -> Errno? {
        // The caller owns the memory for the length of the call.
        switch unsafe sink.write(bytes) {
        case .complete: return nil
        case .broken(let error): return error
        case .blocked(let taken, let readiness):
            let rest = unsafe UnsafeRawBufferPointer(rebasing: bytes[taken...])
            var chunk = pool.take(rest.count)
            unsafe chunk.append(rest)
            count(.bufferedBytes, chunk.capacity)
            flow.pending = consume chunk
            flow.sinkReady = false
            flow.sinkWants = readiness
            return nil
        }
    }

    /// Writes what the sink did not take before. Returns why the sink is broken, if it is.
    private mutating func flushPending(to sink: inout Transport, _ flow: inout Flow) -> Errno? {
        guard var chunk = flow.pending.take() else { return nil }
        guard flow.sinkReady else {
            flow.pending = consume chunk
            return nil
        }
        // The chunk owns its bytes while they are lent.
        let result = unsafe chunk.withBytes { unsafe sink.write($0) }
        if case .blocked(let taken, let readiness) = result {
            chunk.consume(taken)
            flow.sinkReady = false
            flow.sinkWants = readiness
            flow.pending = consume chunk
            return nil
        }
        count(.bufferedBytes, -chunk.capacity)
        pool.give(chunk)
        if case .broken(let error) = result { return error }
        return nil
    }
}
