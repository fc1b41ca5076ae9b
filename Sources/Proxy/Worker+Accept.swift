import EventLoop
import Model
import Syscalls

/// A listener as its worker keeps it.
struct Listener: ~Copyable {
    let listening: ListeningSocket
    /// It is in `Worker.accepting`.
    var isQueued = false
    /// Waiting for descriptors or memory.
    var isPaused = false
}

extension Worker {
    /// Connections accepted from one listener before the next one has its turn.
    private static let acceptsPerTurn = 64
    /// How long accepting rests when the host is out of descriptors or memory.
    private static let acceptPauseNanoseconds: Int64 = 100_000_000

    /// Starts to accept from a socket.
    mutating func listen(_ listening: consuming ListeningSocket) {
        let handle = listeners.insert(Listener(listening: listening))
        guard let listener = listeners.find(handle) else { return bug() }
        do throws(Errno) {
            let token = Token(.listener, handle).bits
            try poller.add(listener.value.listening.socket.descriptor, token: token, writing: false)
        } catch {
            _ = listeners.remove(handle)
            count(.bugs)
        }
    }

    /// An edge: there are connections to take. During a pause it is ignored: the pause's end looks anyway, and a flood of
    /// connections must not make every one of them an attempt that fails.
    mutating func listenerReady(_ handle: SlabHandle) {
        guard let listener = listeners.find(handle), !listener.value.isPaused, !listener.value.isQueued else { return }
        listener.value.isQueued = true
        accepting.append(handle)
    }

    /// The pause after a failed accept is over.
    mutating func acceptResumes(_ handle: SlabHandle) {
        listeners.find(handle)?.value.isPaused = false
        listenerReady(handle)
    }

    /// Accepts a bounded number from each listener that has connections; the rest waits for the next turn.
    mutating func acceptPending() {
        guard !accepting.isEmpty else { return }
        var again: [SlabHandle] = []
        for handle in accepting {
            guard let listener = listeners.find(handle) else { continue }
            listener.value.isQueued = accept(from: listener, handle, limit: Self.acceptsPerTurn)
            if listener.value.isQueued { again.append(handle) }
        }
        accepting = again
    }

    /// Returns whether there may be more.
    private mutating func accept(
        from listener: SlabReference<Listener>, _ handle: SlabHandle, limit: Int
    ) -> Bool {
        guard !listener.value.isPaused else { return false }
        for _ in 0..<limit {
            do throws(Errno) {
                guard let accepted = try listener.value.listening.socket.accept() else { return false }
                let (peer, spec) = (accepted.peer, listener.value.listening.spec)
                admit(accepted.take(), from: peer, spec)
            } catch {
                count(.acceptErrors)
                // Trying again at once would spin: a shortage holds for every connection in the queue, and a refusal by
                // a security module leaves the refused one at its head.
                listener.value.isPaused = true
                count(.acceptPauses)
                _ = timers.set(now + Self.acceptPauseNanoseconds, payload: Token(.acceptResume, handle).bits)
                return false
            }
        }
        return true
    }

    /// Takes what is queued and closes the listeners that `isClosing` names. Nothing that a client was told is
    /// established gets lost.
    mutating func closeListeners(where isClosing: (ListenerSpec) -> Bool) {
        for index in 0..<listeners.indexEnd {
            guard let handle = listeners.handle(at: index), let listener = listeners.find(handle),
                isClosing(listener.value.listening.spec)
            else { continue }
            // The last chance, so a pause does not count.
            listener.value.isPaused = false
            _ = accept(from: listener, handle, limit: Int(ListeningSocket.backlog))
            _ = listeners.remove(handle)
        }
    }
}
