import CLinux
import Glibc

/// A system call's error number.
public struct Errno: Error, Equatable, Sendable, BitwiseCopyable {
    /// As in `errno.h`.
    public let code: Int32

    /// From `errno.h`.
    public init(code: Int32) { self.code = code }

    /// Turns a shim's result (the value, or -errno) into the value or a thrown error.
    @discardableResult
    static func check(_ result: Int32) throws(Errno) -> Int32 {
        guard result < 0 else { return result }
        throw Errno(code: -result)
    }

    /// The error numbers this project tells apart.
    public static let tryAgain = Errno(code: EAGAIN), interrupted = Errno(code: EINTR)
    /// Connect goes on in the background.
    public static let inProgress = Errno(code: EINPROGRESS)
    /// Out of descriptors: of this process, of the system.
    public static let processDescriptors = Errno(code: EMFILE), systemDescriptors = Errno(code: ENFILE)
    /// Out of memory: user, socket buffers.
    public static let memory = Errno(code: ENOMEM), buffers = Errno(code: ENOBUFS)
    /// A local address and port (with its peer) that is taken.
    public static let addressInUse = Errno(code: EADDRINUSE), addressNotAvailable = Errno(code: EADDRNOTAVAIL)
    /// The peer reset; the peer is gone for writing; a connection that died before it was accepted.
    public static let reset = Errno(code: ECONNRESET), brokenPipe = Errno(code: EPIPE)
    /// The kernel has no such call.
    public static let notImplemented = Errno(code: ENOSYS)
    /// A message carries too much.
    public static let messageSize = Errno(code: EMSGSIZE)
    /// A connection that died before it was accepted.
    public static let aborted = Errno(code: ECONNABORTED)
    /// Nobody listens there.
    public static let connectionRefused = Errno(code: ECONNREFUSED)
    /// The peer stopped answering.
    public static let timedOut = Errno(code: ETIMEDOUT)
    /// Not allowed.
    public static let notPermitted = Errno(code: EPERM), accessDenied = Errno(code: EACCES)
    /// There is no such file.
    public static let notFound = Errno(code: ENOENT)
    /// The address family is not there (IPv6 disabled).
    public static let familyNotSupported = Errno(code: EAFNOSUPPORT)

    /// The peer, or the way to it, is gone: the kernel gave up on keepalive probes or on unacknowledged data and says so
    /// with the last ICMP error it met, if there was one.
    public var isVanishedPeer: Bool {
        self == .timedOut || code == EHOSTUNREACH || code == ENETUNREACH || code == EHOSTDOWN
    }

    /// Out of descriptors or memory: trying again at once would spin.
    public var isResourceShortage: Bool {
        self == .processDescriptors || self == .systemDescriptors || self == .memory || self == .buffers
    }
}

extension Errno: CustomStringConvertible {
    /// The C library's text, lower case, with the number: `connection refused (111)`.
    public var description: String {
        // The C library returns a valid, terminated string for every number.
        let text = unsafe strerror(code).map { unsafe String(cString: $0) } ?? "unknown error"
        return "\(text.lowercased()) (\(code))"
    }
}
