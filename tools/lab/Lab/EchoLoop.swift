import CLab
import Glibc
import Model

/// The body of an `EchoServer`'s thread. Level-triggered: a connection waits either to read or to write, never both.
struct EchoLoop {
    private(set) var connections: [Int32: Connection] = [:]
    /// Told of each connection before it is served.
    private let accepts: () -> Void
    private let name: String
    private let epoll: Int32
    private let listener: Int32

    struct Connection {
        /// Received and not yet sent back.
        var pending: [UInt8]
        var sent = 0
        /// The client has ended its direction.
        var ended = false
    }

    init(name: String, epoll: Int32, listener: Int32, accepts: @escaping () -> Void) {
        self.accepts = accepts
        self.name = name
        self.epoll = epoll
        self.listener = listener
        _ = fcntl(listener, F_SETFL, O_NONBLOCK)
        _ = clab_epoll_set(epoll, CLAB_ADD, listener, CLAB_IN)
    }

    /// Waits for events, at most 20 ms, and serves them.
    mutating func turn() {
        var events = [clab_event](repeating: clab_event(), count: 256)
        // Sound: the shim writes at most `count` events into the array.
        let count = unsafe clab_epoll_wait(epoll, &events, Int32(events.count), 20)
        guard count > 0 else { return }
        for event in events[..<Int(count)] {
            if event.fd == listener { acceptAll() } else { serve(event.fd) }
        }
    }

    private mutating func acceptAll() {
        while true {
            let descriptor = clab_accept(listener, Int32(SOCK_NONBLOCK.rawValue))
            guard descriptor >= 0 else { return }
            accepts()
            guard let peer = try? LabSocket.name(descriptor, peer: true),
                let local = try? LabSocket.name(descriptor, peer: false)
            else { Glibc.close(descriptor); continue }
            let greeting = Greeting(app: name, peer: peer, local: local)
            connections[descriptor] = Connection(pending: Array("\(greeting)\n".utf8))
            _ = clab_epoll_set(epoll, CLAB_ADD, descriptor, CLAB_IN)
            serve(descriptor)
        }
    }

    /// Alternates writing what is pending and reading more, as long as both go without blocking.
    private mutating func serve(_ descriptor: Int32) {
        guard var connection = connections[descriptor] else { return }
        for _ in 0..<16 {
            switch flush(&connection, descriptor) {
            case .failed: return drop(descriptor)
            case .blocked: return keep(connection, descriptor, CLAB_OUT)
            case .done: break
            }
            // The end is answered when everything before it was sent back.
            if connection.ended { return drop(descriptor) }
            switch fill(&connection, descriptor) {
            case .failed: return drop(descriptor)
            case .blocked: return keep(connection, descriptor, CLAB_IN)
            case .done: break
            }
        }
        keep(connection, descriptor, connection.pending.isEmpty ? CLAB_IN : CLAB_OUT)
    }

    private enum Outcome { case done, blocked, failed }

    private func flush(_ connection: inout Connection, _ descriptor: Int32) -> Outcome {
        while connection.sent < connection.pending.count {
            let sent = connection.sent
            // Sound: pointer and length stay inside the array's storage for the call.
            let count = unsafe connection.pending.withUnsafeBytes { buffer in
                let rest = unsafe buffer.baseAddress?.advanced(by: sent)
                return unsafe send(descriptor, rest, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            guard count >= 0 else { return errno == EAGAIN ? .blocked : .failed }
            connection.sent += count
        }
        connection.pending = []
        connection.sent = 0
        return .done
    }

    private func fill(_ connection: inout Connection, _ descriptor: Int32) -> Outcome {
        var outcome = Outcome.done
        // Sound: the kernel writes at most the buffer's size and says how much.
        connection.pending = unsafe [UInt8](unsafeUninitializedCapacity: 65536) { buffer, count in
            let received = unsafe recv(descriptor, buffer.baseAddress, buffer.count, 0)
            if received < 0 { outcome = errno == EAGAIN ? .blocked : .failed }
            count = max(0, received)
        }
        if outcome == .done, connection.pending.isEmpty { connection.ended = true }
        return outcome
    }

    private mutating func keep(_ connection: Connection, _ descriptor: Int32, _ events: UInt32) {
        connections[descriptor] = connection
        _ = clab_epoll_set(epoll, CLAB_CHANGE, descriptor, events)
    }

    private mutating func drop(_ descriptor: Int32) {
        connections[descriptor] = nil
        Glibc.close(descriptor)
    }

    /// Closes everything but the listener.
    mutating func close() {
        for descriptor in connections.keys { Glibc.close(descriptor) }
        connections = [:]
        Glibc.close(epoll)
    }
}
