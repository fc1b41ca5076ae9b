import EventLoop
import Model
import Syscalls

extension Worker {
    /// Obeys what has come, in order, up to what must wait until something before it has come to its end.
    mutating func obeyInbox() {
        var obeyed = 0
        while obeyed < inbox.count {
            let message = inbox[obeyed]
            if message.isAdoption && adoption != nil || message.isSweep && sweep != nil { break }
            obey(message)
            obeyed += 1
        }
        inbox.removeFirst(obeyed)
    }

    private mutating func obey(_ message: WorkerMessage) {
        switch message {
        case .adopt(let generation): adopt(generation)
        case .replaceEndpoints(let replacement): adopt(replacement)
        case .listen(let parcel):
            guard !isDraining, let listening = parcel.take() else { return }
            listen(listening)
        case .close(let spec): closeListener(spec)
        case .leave: announcesEnd = true
        case .drain(let grace, let closing): drain(after: grace, closing)
        case .admit(let fresh):
            guard let descriptor = fresh.socket.take() else { return }
            _ = admit(Socket(taking: descriptor), from: fresh.peer, fresh.spec, isCounted: true)
        case .depart(let limit, let done): depart(limit: limit, done)
        case .arrive(let parcel): arrive(parcel)
        case .yield(let slot): yield(clusterSlot: slot)
        case .inherit(let inheritance): inherit(inheritance)
        case .direct(let index): direct(to: index)
        case .resume: resume()
        case .list(let limit, let reply): sweep = Sweep(.list(limit: limit, reply: reply))
        case .recall(let destination, let reply): reply(protocols.learned(of: destination, now: now))
        case .exit: isRunning = false
        }
    }

    private mutating func resume() {
        // A grace not over yet would end with the sockets that are about to come.
        leaveListeners()
        isDraining = false
        announcesEnd = false
        context.drained.store(false, ordering: .releasing)
        sweep = Sweep(.stay)
    }
}
