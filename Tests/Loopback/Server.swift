import Foundation
import Model
import Synchronization

/// A server of a test: a thread that accepts, and one for each connection that runs a handler and then closes it.
public final class Server: Sendable {
    private let acceptor: Acceptor
    private let count = Atomic<Int>(0)

    /// Where it listens.
    public var address: SocketAddress { acceptor.address }
    /// Connections accepted so far.
    public var accepted: Int { count.load(ordering: .relaxed) }

    /// Serves until released or stopped. What the handler throws ends its connection.
    public init(
        _ address: SocketAddress = SocketAddress(.loopbackV4, 0), receiveBuffer: Int32? = nil,
        _ handler: @escaping @Sendable (Peer) throws -> Void
    ) throws(PeerError) {
        acceptor = try Acceptor(address, receiveBuffer: receiveBuffer)
        Thread.detachNewThread { [weak self, acceptor] in
            while let peer = try? acceptor.accept(within: 600_000) {
                self?.count.add(1, ordering: .relaxed)
                Thread.detachNewThread {
                    try? handler(peer)
                    peer.close()
                }
            }
        }
    }

    deinit { stop() }

    /// Stops accepting.
    public func stop() { acceptor.close() }

    /// Sends back what it receives.
    public static func echo(_ address: SocketAddress = SocketAddress(.loopbackV4, 0)) throws(PeerError) -> Server {
        try Server(address) { peer in
            while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
    }

    /// Says `text` first, then echoes.
    public static func greeter(
        _ text: String, _ address: SocketAddress = SocketAddress(.loopbackV4, 0)
    ) throws(PeerError) -> Server {
        try Server(address) { peer in
            try peer.send(text)
            while case let bytes = try peer.receive(), !bytes.isEmpty { try peer.send(bytes) }
        }
    }
}
