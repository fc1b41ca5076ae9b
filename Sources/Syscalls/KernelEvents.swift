import CLinux
import Glibc

/// News of the kernel's rules and routes of this network namespace, as netlink messages. What `nft monitor` and
/// `ip monitor` print, without a process.
public struct KernelEvents: ~Copyable, Sendable {
    /// What is watched.
    public enum Subject: Sendable {
        /// nf_tables.
        case tables
        /// Links, routes, rules and next hops.
        case routing
    }

    /// One message.
    public struct Message: Sendable {
        /// `nlmsg_type`.
        public var type: UInt16
        /// What follows the header.
        public var payload: ArraySlice<UInt8>
    }

    /// What there was to read.
    public enum Batch: Sendable {
        /// These.
        case messages([Message])
        /// Some got lost: anything may have changed.
        case overrun
        /// Nothing more.
        case none
    }

    /// For registration with a poller.
    public let descriptor: Descriptor

    private static let bytesMax = 64 << 10
    private static let headerBytes = 16

    /// Begins to watch.
    public init(_ subject: Subject) throws(Errno) {
        let result = subject == .tables ? apus_watch_tables() : apus_watch_routing()
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// The next datagram.
    public func next() -> Batch {
        var bytes = [UInt8](repeating: 0, count: Self.bytesMax)
        // The kernel writes at most as many bytes as the array has.
        let count = unsafe bytes.withUnsafeMutableBytes { buffer in
            unsafe apus_receive(descriptor.number, buffer.baseAddress, buffer.count)
        }
        if count == -Int(ENOBUFS) { return .overrun }
        return count > 0 ? .messages(Self.messages(bytes[..<count])) : .none
    }

    /// Splits a datagram; what is cut off or says a wrong length ends it.
    static func messages(_ bytes: ArraySlice<UInt8>) -> [Message] {
        var rest = bytes
        var messages: [Message] = []
        while rest.count >= headerBytes {
            let start = rest.startIndex
            let length = (0..<4).reduce(0) { $0 | Int(rest[start + $1]) << (8 * $1) }
            guard length >= headerBytes, length <= rest.count else { break }
            let type = UInt16(rest[start + 4]) | UInt16(rest[start + 5]) << 8
            messages.append(Message(type: type, payload: rest[(start + headerBytes)..<(start + length)]))
            // Messages are aligned to four bytes; the last one may lack its padding.
            rest = rest.dropFirst(min(rest.count, (length + 3) & ~3))
        }
        return messages
    }
}
