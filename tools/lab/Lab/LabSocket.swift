import CLab
import Glibc
import Model
import Synchronization

/// A TCP socket inside a namespace; every call blocks for at most `timeout`. Calls may come from several threads, as with
/// a descriptor: one sends while another receives. Closed when released.
public final class LabSocket: Sendable {
    private let descriptor: Int32
    private let isClosed = Atomic<Bool>(false)

    /// Takes over a connected descriptor.
    init(owning descriptor: Int32, timeout: Duration) throws(LabError) {
        self.descriptor = descriptor
        try limit(to: timeout)
    }

    deinit { close() }

    /// Connects, from `source` if given (port 0: any).
    public static func connect(
        to destination: SocketAddress, in namespace: Namespace, from source: SocketAddress? = nil,
        timeout: Duration = .seconds(3)
    ) throws -> LabSocket {
        let descriptor = try namespace.enter {
            try checked(clab_stream_socket(destination.address.isV4 ? 0 : 1), "socket")
        }
        let socket = try LabSocket(owning: descriptor, timeout: timeout)
        if let source {
            try checked(clab_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1), "SO_REUSEADDR")
            try checked(clab_bind(descriptor, source.address.high, source.address.low, source.port), "bind: \(source)")
        }
        let address = destination.address
        try checked(clab_connect(descriptor, address.high, address.low, destination.port), "connect: \(destination)")
        return socket
    }

    /// The most a single call may take.
    public func limit(to timeout: Duration) throws(LabError) {
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        try checked(clab_timeouts(descriptor, max(1, milliseconds)), "socket timeout")
    }

    /// Makes the kernel's receive buffer small, so that a slow reader's window closes soon.
    public func setReceiveBuffer(_ bytes: Int) throws(LabError) {
        try checked(clab_option(descriptor, SOL_SOCKET, SO_RCVBUF, Int32(bytes)), "SO_RCVBUF")
    }

    /// The own address.
    public var localAddress: SocketAddress { get throws(LabError) { try Self.name(descriptor, peer: false) } }
    /// The other side's address.
    public var peerAddress: SocketAddress { get throws(LabError) { try Self.name(descriptor, peer: true) } }

    static func name(_ descriptor: Int32, peer: Bool) throws(LabError) -> SocketAddress {
        let name = clab_name(descriptor, peer ? 1 : 0)
        try checked(name.error, peer ? "peer address" : "local address")
        return SocketAddress(IPAddress(high: name.high, low: name.low), name.port)
    }

    /// Sends all of it.
    public func send(_ bytes: [UInt8]) throws(LabError) {
        var sent = 0
        while sent < bytes.count {
            // Sound: the pointer is used inside the closure only and the length is what lies behind `sent`.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                let rest = unsafe buffer.baseAddress?.advanced(by: sent)
                return unsafe Glibc.send(descriptor, rest, buffer.count - sent, Int32(MSG_NOSIGNAL))
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw LabError("send", code: errno) }
            sent += count
        }
    }

    /// Sends text.
    public func send(_ text: String) throws(LabError) { try send(Array(text.utf8)) }

    /// Receives at least one byte and at most `limit`; empty at the end of the stream.
    public func receive(atMost limit: Int = 65536) throws(LabError) -> [UInt8] {
        var failure: Int32 = 0
        // Sound: the kernel writes at most `limit` bytes into the buffer, and says how many.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            repeat {
                let received = unsafe recv(descriptor, buffer.baseAddress, limit, 0)
                failure = received < 0 ? errno : 0
                count = max(0, received)
            } while failure == EINTR
        }
        guard failure == 0 else { throw LabError("receive", code: failure) }
        return bytes
    }

    /// Ends the own direction: the peer sees the end of the stream and may go on sending.
    public func shutdownWrite() throws(LabError) {
        guard shutdown(descriptor, Int32(SHUT_WR)) == 0 else { throw LabError("shutdown", code: errno) }
    }

    /// Closes with a reset.
    public func reset() {
        if !isClosed.exchange(true, ordering: .relaxed) { clab_reset(descriptor) }
    }

    /// Closes; the peer sees the end of the stream.
    public func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { _ = Glibc.close(descriptor) }
    }
}
