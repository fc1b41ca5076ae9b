import Loopback
import Model

/// An address that answers no handshake: the queue of its listening socket is full.
final class BlackHole {
    private let acceptor: Acceptor
    private let first: Peer
    let address: SocketAddress

    init() throws {
        acceptor = try Acceptor(backlog: 0)
        address = acceptor.address
        // With a backlog of 0 one connection waits, and further SYNs are dropped.
        first = try Peer(to: address)
    }

    /// Makes room: handshakes are answered from now on, as clients repeat them.
    func open() throws { _ = try acceptor.accept() }
}
