import CLinux
import Glibc
import Model

/// A network namespace. One without a name, made by this process, has nothing but a loopback device that is down; it goes,
/// with every device in it and the other ends of its veth pairs, when the value and the sockets made in it are gone, so
/// nothing has to be cleaned up after a crash.
///
/// Only the calling thread is moved, for the length of two or three system calls that wait for nothing. A socket stays in
/// the namespace it was made in.
public struct NetworkNamespace: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// A new one. Needs CAP_SYS_ADMIN.
    public init() throws(Errno) {
        descriptor = try Self.away { () throws(Errno) -> Descriptor in
            try Errno.check(apus_unshare_network())
            return try Self.current()
        }
    }

    /// An existing one, by a file such as `/run/netns/NAME` or `/proc/PID/ns/net`.
    public init(path: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe path.withCString { unsafe apus_open_file($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// Where other programs find it while this value lives.
    public var path: String { "/proc/\(getpid())/fd/\(descriptor.number)" }

    /// A new TCP socket in it.
    public func socket(family: IPAddress.Family) throws(Errno) -> Socket {
        try Self.away { () throws(Errno) -> Socket in
            try Errno.check(apus_enter_network(descriptor.number))
            return try Socket(family: family)
        }
    }

    private static func current() throws(Errno) -> Descriptor {
        Descriptor(taking: try Errno.check(apus_open_network()))
    }

    /// Runs `body`, which moves this thread elsewhere, and comes back.
    private static func away<Value: ~Copyable>(_ body: () throws(Errno) -> Value) throws(Errno) -> Value {
        let home = try current()
        defer {
            let result = apus_enter_network(home.number)
            // A thread left behind would run other code in the wrong network.
            precondition(result == 0, "a thread cannot return to its own network namespace")
        }
        return try body()
    }
}
