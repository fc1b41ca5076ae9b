import CLab
import Glibc
import Model
import Synchronization

/// A listening TCP socket inside a namespace, for both families. Closed when released.
public final class LabListener: Sendable {
    /// The port it listens on.
    public let port: UInt16
    let descriptor: Int32
    private let isClosed = Atomic<Bool>(false)

    /// Listens on `port`, 0 for any free one.
    init(in namespace: Namespace, port: UInt16, receiveBuffer: Int? = nil) throws {
        descriptor = try namespace.enter { try checked(clab_stream_socket(1), "socket") }
        do {
            try checked(clab_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0), "IPV6_V6ONLY")
            try checked(clab_option(descriptor, SOL_SOCKET, SO_REUSEADDR, 1), "SO_REUSEADDR")
            if let receiveBuffer {
                try checked(clab_option(descriptor, SOL_SOCKET, SO_RCVBUF, Int32(receiveBuffer)), "SO_RCVBUF")
            }
            try checked(clab_bind(descriptor, 0, 0, port), "listen: port \(port) in \(namespace.name)")
            guard Glibc.listen(descriptor, 4096) == 0 else { throw LabError("listen: port \(port)", code: errno) }
            self.port = try LabSocket.name(descriptor, peer: false).port
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    deinit { close() }

    /// Waits for a connection.
    public func accept(timeout: Duration = .seconds(3)) throws(LabError) -> LabSocket {
        let milliseconds = timeout.components.seconds * 1000 + timeout.components.attoseconds / 1_000_000_000_000_000
        try checked(clab_timeouts(descriptor, max(1, milliseconds)), "accept timeout")
        let connection = try checked(clab_accept(descriptor, 0), "accept: port \(port)")
        return try LabSocket(owning: connection, timeout: timeout)
    }

    /// Stops listening: new connections are refused.
    public func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { Glibc.close(descriptor) }
    }
}
