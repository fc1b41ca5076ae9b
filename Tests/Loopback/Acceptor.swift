import CLab
import Glibc
import Model
import Synchronization

/// A listening socket of a test, on a port of the kernel's choice. Closed when released.
public final class Acceptor: Sendable {
    /// Where it listens.
    public let address: SocketAddress
    private let descriptor: Int32
    private let isClosed = Atomic<Bool>(false)

    /// Listens on `address`. `backlog`: connections that may wait (one more fits). `receiveBuffer`: of the sockets it
    /// accepts, bytes. `isListening: false`: only takes the port, so that connections to it are refused.
    public init(
        _ address: SocketAddress = SocketAddress(.loopbackV4, 0), backlog: Int32 = 4096, receiveBuffer: Int32? = nil,
        isListening: Bool = true
    ) throws(PeerError) {
        descriptor = try PeerError.check(clab_stream_socket(address.address.isV4 ? 0 : 1), "socket")
        do throws(PeerError) {
            _ = try PeerError.check(clab_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1), "SO_REUSEADDR")
            if let receiveBuffer {
                _ = try PeerError.check(clab_option(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer), "SO_RCVBUF")
            }
            _ = try PeerError.check(
                clab_bind(descriptor, address.address.high, address.address.low, address.port), "bind")
            if isListening { _ = try PeerError.check(Glibc.listen(descriptor, backlog) < 0 ? -errno : 0, "listen") }
            self.address = try Peer.name(descriptor, peer: false)
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    deinit { close() }

    /// Waits for a connection, ten seconds at most.
    public func accept(within milliseconds: Int64 = 10_000) throws(PeerError) -> Peer {
        _ = try PeerError.check(clab_timeouts(descriptor, milliseconds), "timeouts")
        return try Peer(owning: try PeerError.check(clab_accept(descriptor, 0), "accept"))
    }

    /// Stops listening: connections are refused from now on.
    public func close() {
        guard !isClosed.exchange(true, ordering: .relaxed) else { return }
        // Wakes a thread that waits in `accept`.
        shutdown(descriptor, Int32(SHUT_RDWR))
        Glibc.close(descriptor)
    }
}
