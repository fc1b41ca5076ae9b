import CLab
import Glibc
import Model
import Synchronization

/// What a call on a test's socket failed with.
public struct PeerError: Error, Equatable, CustomStringConvertible {
    /// The call.
    public let call: String
    /// As in `errno.h`.
    public let code: Int32

    /// What a call of a test's own failed with.
    public init(call: String, code: Int32) {
        self.call = call
        self.code = code
    }

    /// `receive: errno 104`.
    public var description: String { "\(call): errno \(code)" }

    static func check(_ result: Int32, _ call: String) throws(PeerError) -> Int32 {
        guard result < 0 else { return result }
        throw PeerError(call: call, code: -result)
    }
}

/// One end of a TCP connection of a test. Calls block, for ten seconds at most (then they fail with EAGAIN), and may
/// come from two threads, one for each direction. Closed when released.
public final class Peer: Sendable {
    let descriptor: Int32
    private let isClosed = Atomic<Bool>(false)

    /// Takes over a connected descriptor.
    init(owning descriptor: Int32) throws(PeerError) {
        self.descriptor = descriptor
        _ = try PeerError.check(clab_timeouts(descriptor, 10_000), "timeouts")
    }

    deinit { close() }

    /// Connects. `receiveBuffer`: the kernel's, in bytes, so that a slow reader's window closes soon.
    public convenience init(to address: SocketAddress, receiveBuffer: Int32? = nil) throws(PeerError) {
        let descriptor = try PeerError.check(clab_stream_socket(address.address.isV4 ? 0 : 1), "socket")
        try self.init(owning: descriptor)
        if let receiveBuffer {
            _ = try PeerError.check(clab_option(descriptor, SOL_SOCKET, SO_RCVBUF, receiveBuffer), "SO_RCVBUF")
        }
        _ = try PeerError.check(
            clab_connect(descriptor, address.address.high, address.address.low, address.port), "connect")
    }

    /// The own address.
    public func localAddress() throws(PeerError) -> SocketAddress { try Self.name(descriptor, peer: false) }
    /// The other side's address.
    public func peerAddress() throws(PeerError) -> SocketAddress { try Self.name(descriptor, peer: true) }

    static func name(_ descriptor: Int32, peer: Bool) throws(PeerError) -> SocketAddress {
        let name = clab_name(descriptor, peer ? 1 : 0)
        _ = try PeerError.check(name.error, "address")
        return SocketAddress(IPAddress(high: name.high, low: name.low), name.port)
    }

    /// Sends all of it; `urgent`: as TCP urgent data.
    public func send(_ bytes: some Collection<UInt8>, urgent: Bool = false) throws(PeerError) {
        let bytes = Array(bytes)
        let flags = Int32(MSG_NOSIGNAL) | (urgent ? Int32(MSG_OOB) : 0)
        var sent = 0
        while sent < bytes.count {
            // Sound: pointer and length stay inside the array's storage for the call.
            let count = unsafe bytes.withUnsafeBytes { buffer in
                unsafe Glibc.send(descriptor, buffer.baseAddress?.advanced(by: sent), buffer.count - sent, flags)
            }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw PeerError(call: "send", code: errno) }
            sent += count
        }
    }

    /// Sends text.
    public func send(_ text: String) throws(PeerError) { try send(text.utf8) }

    /// Receives at least one byte; empty at the end of the stream.
    public func receive(atMost limit: Int = 65536) throws(PeerError) -> [UInt8] {
        var failure: Int32 = 0
        // Sound: the kernel writes at most `limit` bytes into the buffer, and says how many.
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: limit) { buffer, count in
            repeat {
                let received = unsafe recv(descriptor, buffer.baseAddress, limit, 0)
                failure = received < 0 ? errno : 0
                count = max(0, received)
            } while failure == EINTR
        }
        guard failure == 0 else { throw PeerError(call: "receive", code: failure) }
        return bytes
    }

    /// Receives exactly `count` bytes; fewer when the stream ends before.
    public func receive(exactly count: Int) throws(PeerError) -> [UInt8] {
        var bytes: [UInt8] = []
        while bytes.count < count {
            let more = try receive(atMost: count - bytes.count)
            if more.isEmpty { return bytes }
            bytes += more
        }
        return bytes
    }

    /// Receives text of exactly as many bytes as `text` has, to compare with it.
    public func receive(asLongAs text: String) throws(PeerError) -> String {
        String(decoding: try receive(exactly: text.utf8.count), as: UTF8.self)
    }

    /// Receives to the end of the stream.
    public func receiveAll() throws(PeerError) -> [UInt8] {
        var bytes: [UInt8] = []
        while true {
            let more = try receive()
            guard !more.isEmpty else { return bytes }
            bytes += more
        }
    }

    /// How the stream ends: nil with FIN, else with this error number. Drops what comes before.
    public func end() -> Int32? {
        do throws(PeerError) {
            _ = try receiveAll()
            return nil
        } catch {
            return error.code
        }
    }

    /// Ends the own direction: the other side sees the end of the stream and may go on sending.
    public func shutdownWrite() { shutdown(descriptor, Int32(SHUT_WR)) }

    /// Closes with a reset.
    public func reset() {
        if !isClosed.exchange(true, ordering: .relaxed) { clab_reset(descriptor) }
    }

    /// Closes; the other side sees the end of the stream (or a reset, when something was not read).
    public func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { Glibc.close(descriptor) }
    }
}
