import CLab
import Glibc
import Model

/// What the loops of the lab's servers have in common: one epoll, level-triggered, for a listener and its connections.
struct LabPoller {
    let listener: Int32
    private let name: String
    private let epoll: Int32
    /// Told of each connection before it is served.
    private let accepts: () -> Void

    /// The loop of a server called `name`. Takes over `epoll`, not the listener.
    init(name: String, epoll: Int32, listener: Int32, accepts: @escaping () -> Void) {
        self.accepts = accepts
        self.name = name
        self.epoll = epoll
        self.listener = listener
        _ = fcntl(listener, F_SETFL, O_NONBLOCK)
        _ = clab_epoll_set(epoll, CLAB_ADD, listener, CLAB_IN)
    }

    /// Waits for events, no longer than this. Returns whom they are for.
    func wait(milliseconds: Int32) -> [Int32] {
        var events = [clab_event](repeating: clab_event(), count: 256)
        // Sound: the shim writes at most `count` events into the array.
        let count = unsafe clab_epoll_wait(epoll, &events, Int32(events.count), milliseconds)
        return events[..<Int(max(0, count))].map(\.fd)
    }

    /// The next connection, with what is said to it; nil: there is none now. Its input is waited for.
    func accept() -> (descriptor: Int32, greeting: Greeting)? {
        while true {
            let descriptor = clab_accept(listener, Int32(SOCK_NONBLOCK.rawValue))
            guard descriptor >= 0 else { return nil }
            accepts()
            guard let peer = try? LabSocket.name(descriptor, peer: true),
                let local = try? LabSocket.name(descriptor, peer: false)
            else { Glibc.close(descriptor); continue }
            _ = clab_epoll_set(epoll, CLAB_ADD, descriptor, CLAB_IN)
            return (descriptor, Greeting(app: name, peer: peer, local: local))
        }
    }

    /// Waits for other events of a connection.
    func change(_ descriptor: Int32, to events: UInt32) { _ = clab_epoll_set(epoll, CLAB_CHANGE, descriptor, events) }

    enum Outcome { case done, blocked, failed }

    /// Sends what there is from `sent` on, which it moves, until all is gone or the kernel takes no more.
    static func send(_ bytes: [UInt8], from sent: inout Int, to descriptor: Int32) -> Outcome {
        while sent < bytes.count {
            let start = sent
            // Sound: pointer and length stay inside the array's storage for the call.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe buffer.baseAddress?.advanced(by: start)
                return unsafe Glibc.send(descriptor, rest, buffer.count - start, Int32(MSG_NOSIGNAL))
            }
            guard count >= 0 else { return errno == EAGAIN ? .blocked : .failed }
            sent += count
        }
        return .done
    }

    /// Receives once. Done without bytes: the end.
    static func receive(from descriptor: Int32) -> (bytes: [UInt8], outcome: Outcome) {
        var outcome = Outcome.done
        // Sound: the kernel writes at most the buffer's size and says how much.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            let received = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if received < 0 { outcome = errno == EAGAIN ? .blocked : .failed }
            count = max(0, received)
        }
        return (bytes, outcome)
    }

    /// Closes connections, and the epoll.
    func close(_ connections: some Sequence<Int32>) {
        for descriptor in connections { Glibc.close(descriptor) }
        Glibc.close(epoll)
    }
}
