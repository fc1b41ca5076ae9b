import CLab
import Glibc
import Model

/// A UDP socket inside a namespace, for both families; every call blocks for at most three seconds. Closed when released.
public final class LabDatagram: Sendable {
    private let descriptor: Int32

    /// Opens a socket on `port`, 0 for any free one.
    public init(in node: Node, port: UInt16 = 0) throws {
        descriptor = try node.namespace.enter { try checked(clab_datagram_socket(1), "socket") }
        do {
            try checked(clab_option(descriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, 0), "IPV6_V6ONLY")
            try checked(clab_bind(descriptor, 0, 0, port), "bind: UDP port \(port) in \(node.namespace.name)")
            try checked(clab_timeouts(descriptor, 3000), "socket timeout")
        } catch {
            Glibc.close(descriptor)
            throw error
        }
    }

    deinit { Glibc.close(descriptor) }

    /// The port it is bound to.
    public var port: UInt16 { get throws(LabError) { try LabSocket.name(descriptor, peer: false).port } }

    /// Sends one datagram.
    public func send(_ text: String, to target: SocketAddress) throws(LabError) {
        let bytes = Array(text.utf8)
        let (high, low) = (target.address.high, target.address.low)
        // Sound: the bytes are read during the call only.
        let sent = unsafe clab_send_mapped(descriptor, bytes, bytes.count, high, low, target.port)
        guard sent >= 0 else { throw LabError("send: \(target)", code: Int32(-sent)) }
    }

    /// Receives one datagram and who sent it.
    public func receive() throws(LabError) -> (text: String, from: SocketAddress) {
        var buffer = [UInt8](repeating: 0, count: 2048)
        var from = clab_address()
        // Sound: the shim writes at most the array's length and one address.
        let count = unsafe clab_receive_from(descriptor, &buffer, buffer.count, &from)
        guard count >= 0 else { throw LabError("receive", code: Int32(-count)) }
        let address = SocketAddress(IPAddress(high: from.high, low: from.low), from.port)
        return (String(decoding: buffer[..<count], as: UTF8.self), address)
    }
}
