import CLab
import Glibc
import Model

/// The body of an `EchoServer`'s thread. Level-triggered: a connection waits either to read or to write, never both.
struct EchoLoop {
    private(set) var connections: [Int32: Connection] = [:]
    private let poller: LabPoller

    struct Connection {
        /// Received and not yet sent back.
        var pending: [UInt8]
        var sent = 0
        /// The client has ended its direction.
        var ended = false
    }

    init(_ poller: LabPoller) { self.poller = poller }

    /// Waits for events, at most 20 ms, and serves them.
    mutating func turn() {
        for descriptor in poller.wait(milliseconds: 20) {
            if descriptor == poller.listener { acceptAll() } else { serve(descriptor) }
        }
    }

    private mutating func acceptAll() {
        while let (descriptor, greeting) = poller.accept() {
            connections[descriptor] = Connection(pending: Array("\(greeting)\n".utf8))
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

    private func flush(_ connection: inout Connection, _ descriptor: Int32) -> LabPoller.Outcome {
        let outcome = LabPoller.send(connection.pending, from: &connection.sent, to: descriptor)
        guard outcome == .done else { return outcome }
        connection.pending = []
        connection.sent = 0
        return .done
    }

    private func fill(_ connection: inout Connection, _ descriptor: Int32) -> LabPoller.Outcome {
        let (bytes, outcome) = LabPoller.receive(from: descriptor)
        connection.pending = bytes
        if outcome == .done, bytes.isEmpty { connection.ended = true }
        return outcome
    }

    private mutating func keep(_ connection: Connection, _ descriptor: Int32, _ events: UInt32) {
        connections[descriptor] = connection
        poller.change(descriptor, to: events)
    }

    private mutating func drop(_ descriptor: Int32) {
        connections[descriptor] = nil
        Glibc.close(descriptor)
    }

    /// Closes everything but the listener.
    mutating func close() {
        poller.close(connections.keys)
        connections = [:]
    }
}
