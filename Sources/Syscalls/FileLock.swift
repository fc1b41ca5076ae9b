import CLinux

/// A file that one process at a time holds: given back with the process, whatever ends it. Nobody can hold it who may not
/// write to its directory.
public struct FileLock: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Takes the lock, and makes the file where it is missing; `tryAgain` when another holds it, this process included.
    public init(path: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe path.withCString { unsafe apus_lock_file($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }

    /// Goes on with a lock that another process has passed on: both hold it, until both have ended.
    public init(taking descriptor: consuming Descriptor) { self.descriptor = descriptor }

    /// Lends the descriptor's number, to pass the lock on.
    public func withDescriptor<Result>(_ body: (Int32) -> Result) -> Result { body(descriptor.number) }
}
