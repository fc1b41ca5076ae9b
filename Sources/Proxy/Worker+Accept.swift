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
    /// Its last connections are being taken. A worker that has gone over to the next snapshot would not know it.
    var isClosing = false
}

extension Worker {
    /// How long a turn accepts: one to three connections with all that starting them costs. A flood of connections gets two
    /// fifths of the worker at most, and what is established waits no longer for it.
    ///
    /// While connections are left unserved, one: each that is accepted then waits too, and its server fills its receive
    /// buffer meanwhile, which no limit of memory sees.
    private static let acceptNanoseconds: Int64 = 100_000
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

    /// Accepts from the listeners that have connections, one of each in turn, until the share of time is used up; the rest
    /// waits for the next turn, which begins with the listener that would have been next.
    mutating func acceptPending() {
        // While a limit of memory is exceeded, first the resets: a few turns.
        guard !accepting.isEmpty, !isOverMemory else { return }
        var time = Clock.monotonic()
        let end = time + (ready.isEmpty ? Self.acceptNanoseconds : 1)
        while !accepting.isEmpty, time < end {
            // A handful at most: two for each family, and the explicit ones.
            let handle = accepting.removeFirst()
            guard let listener = listeners.find(handle) else { continue }
            let pod = accept(from: listener, handle)
            listener.value.isQueued = pod != nil
            guard let pod else { continue }
            accepting.append(handle)
            let before = time
            time = Clock.monotonic()
            spend(time - before, pod: pod)
        }
    }

    /// Accepts one connection and starts to connect it on. Returns the pod it costs (-1: none); nil when there is no
    /// connection to take now.
    private mutating func accept(from listener: SlabReference<Listener>, _ handle: SlabHandle) -> Int? {
        guard !listener.value.isPaused else { return nil }
        do throws(Errno) {
            guard let accepted = try listener.value.listening.socket.accept() else { return nil }
            let (peer, spec) = (accepted.peer, listener.value.listening.spec)
            let socket = accepted.take()
            guard socket.descriptor.number < context.settings.descriptorsEnd else {
                socket.resetOnClose()
                throw .processDescriptors
            }
            return welcome(socket, from: peer, spec, staysHere: listener.value.isClosing)
        } catch {
            count(.acceptErrors)
            // Trying again at once would spin: a shortage holds for every connection in the queue, and a refusal by
            // a security module leaves the refused one at its head.
            listener.value.isPaused = true
            count(.acceptPauses)
            _ = timers.set(now + Self.acceptPauseNanoseconds, payload: Token(.acceptResume, handle).bits)
            return nil
        }
    }

    /// Takes what is queued and closes the listener: a reload has taken it away. Nothing that a client was told is
    /// established gets lost.
    mutating func closeListener(_ spec: ListenerSpec) {
        for index in 0..<listeners.indexEnd {
            guard let handle = listeners.handle(at: index),
                listeners.find(handle)?.value.listening.spec == spec
            else { continue }
            _ = takeOut(handle)
        }
    }

    private mutating func takeOut(_ handle: SlabHandle) -> ListeningSocket? {
        guard let listener = listeners.find(handle) else { return nil }
        // The last chance, so a pause does not count.
        listener.value.isPaused = false
        listener.value.isClosing = true
        for _ in 0..<ListeningSocket.backlog where accept(from: listener, handle) == nil { break }
        guard let taken = listeners.remove(handle) else { return nil }
        return taken.listening
    }
}

// MARK: groups

extension Worker {
    /// Sends the new connections of every listener to one place of its SO_REUSEPORT group; nil: to all of them.
    func direct(to index: Int?) {
        for place in 0..<listeners.indexEnd {
            guard let handle = listeners.handle(at: place), let listener = listeners.find(handle) else { continue }
            guard let index else {
                listener.value.listening.socket.undirectGroup()
                continue
            }
            // Where the kernel will not, new connections spread over both processes until the old one closes.
            try? listener.value.listening.socket.directGroup(to: index)
        }
    }
}

// MARK: drain

extension Worker {
    /// New connections are kept away from now on. Handshakes under way have `grace` nanoseconds to end up in the queue.
    mutating func drain(after grace: Int64, _ closing: ClosingListeners) {
        guard !isDraining else { return closing.leave([], worker: context.index) }
        isDraining = true
        self.closing = closing
        for index in 0..<listeners.indexEnd {
            guard let handle = listeners.handle(at: index), let listener = listeners.find(handle),
                !listener.value.listening.spec.isTransparent
            else { continue }
            // Where the kernel will not have the filter, a SYN of this last second may be lost: no worse than closing.
            try? listener.value.listening.socket.dropHandshakes()
        }
        _ = timers.set(now + grace, payload: Token(.drainDue).bits)
        sweep = Sweep(.drain)
    }

    /// The grace is over: takes what has come meanwhile, and lets go of the sockets.
    mutating func leaveListeners() {
        guard let closing else { return }
        var sockets: [ListenerParcel] = []
        for index in 0..<listeners.indexEnd {
            guard let handle = listeners.handle(at: index), let socket = takeOut(handle) else { continue }
            poller.remove(socket.socket.descriptor)
            sockets.append(ListenerParcel(socket))
        }
        self.closing = nil
        closing.leave(sockets, worker: context.index)
        context.drained.store(true, ordering: .releasing)
    }
}
