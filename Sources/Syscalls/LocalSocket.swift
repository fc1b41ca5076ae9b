import CLinux
import Glibc

/// One end of a Unix stream socket between two processes: bytes, and descriptors beside them. Blocking, with a time
/// limit on every call; never used on a worker.
public struct LocalSocket: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Descriptors that one message may carry.
    public static let descriptorsMax = Int(APUS_DESCRIPTORS_MAX)

    init(taking descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Connects to the process that listens at `path`; `connectionRefused` when it does not any more, `notFound` when none
    /// ever did.
    public init(path: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe path.withCString { unsafe apus_connect_path($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// The user the other process ran as when it connected, or began to listen.
    public func peerUser() throws(Errno) -> UInt32 {
        var user: UInt32 = 0
        // The shim fills it in.
        try Errno.check(unsafe apus_peer_user(descriptor.number, &user))
        return user
    }

    /// How long each call may take from now on; then it throws `tryAgain`.
    public func setTimeouts(milliseconds: Int64) throws(Errno) {
        // The socket came out of accept4 of a blocking family, or of the shim: blocking calls with a limit.
        try Errno.check(apus_set_blocking(descriptor.number))
        try Errno.check(apus_timeouts(descriptor.number, max(1, milliseconds)))
    }

    /// Sends all of `bytes`, with copies of `descriptors` beside the first of them.
    public func send(_ bytes: [UInt8], descriptors: [Int32] = []) throws(Errno) {
        var sent = 0
        while sent < bytes.count {
            let beside = sent == 0 ? descriptors : []
            // Pointers and counts stay inside the arrays' storage for the call.
            let result = unsafe bytes.withUnsafeBytes { buffer in
                unsafe beside.withUnsafeBufferPointer { list in
                    unsafe apus_send_descriptors(
                        descriptor.number, buffer.baseAddress?.advanced(by: sent), buffer.count - sent,
                        list.baseAddress, Int32(list.count))
                }
            }
            if result == -Int(EINTR) { continue }
            guard result >= 0 else { throw Errno(code: Int32(-result)) }
            sent += result
        }
    }

    /// Receives exactly `count` bytes, and the descriptors that came beside them; nil when the other side has closed
    /// before the first byte. Closed in the middle: `reset`.
    public func receive(exactly count: Int, into descriptors: inout [Descriptor.Parcel]) throws(Errno) -> [UInt8]? {
        var bytes = [UInt8](repeating: 0, count: count)
        var received = 0
        var numbers = [Int32](repeating: -1, count: Self.descriptorsMax)
        while received < count {
            var numberCount: Int32 = 0
            // Pointers and counts stay inside the arrays' storage for the call.
            let result = unsafe bytes.withUnsafeMutableBytes { buffer in
                unsafe numbers.withUnsafeMutableBufferPointer { list in
                    unsafe apus_receive_descriptors(
                        descriptor.number, buffer.baseAddress?.advanced(by: received), count - received,
                        list.baseAddress, &numberCount)
                }
            }
            if result == -Int(EINTR) { continue }
            guard result >= 0 else { throw Errno(code: Int32(-result)) }
            for number in numbers.prefix(Int(numberCount)) {
                descriptors.append(Descriptor.Parcel(Descriptor(taking: number)))
            }
            // They come beside one byte: more of them are meant to use up ours.
            guard descriptors.count <= Self.descriptorsMax else { throw .messageSize }
            if result == 0 {
                guard received == 0 else { throw .reset }
                return nil
            }
            received += result
        }
        return bytes
    }

    /// Ends both directions: what the other side sends from now on fails there, what it has sent can still be received.
    public func shutdown() { _ = apus_shutdown_both(descriptor.number) }
}
