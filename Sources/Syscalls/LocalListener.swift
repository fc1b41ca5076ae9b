import CLinux

/// A Unix socket at a path, where other processes find this one. Whatever was there before is replaced, so the path has to
/// be in a directory of the process's own user, and its name this process's (`FileLock`). The file stays when the process
/// ends: then nobody listens there.
public struct LocalListener: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Listens at `path`, which has a hundred bytes at most.
    public init(path: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe path.withCString { unsafe apus_listen_path($0, 4) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// Waits for a process that connects, up to `milliseconds`; nil: none came.
    public func accept(within milliseconds: Int64) throws(Errno) -> LocalSocket? {
        try Errno.check(apus_timeouts(descriptor.number, max(1, milliseconds)))
        var peer = apus_address()
        // The shim fills the struct in when it succeeds.
        let result = unsafe apus_accept(descriptor.number, &peer)
        if result == -Errno.tryAgain.code || result == -Errno.interrupted.code { return nil }
        return LocalSocket(taking: Descriptor(taking: try Errno.check(result)))
    }
}
