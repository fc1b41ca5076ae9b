import CLinux

/// A file that one process at a time holds: given back with the process, whatever ends it. Unlike a `ClaimedName` nobody
/// can hold it who may not write to its directory.
public struct FileLock: ~Copyable, Sendable {
    private let descriptor: Descriptor

    /// Takes the lock, and makes the file where it is missing; `tryAgain` when another holds it, this process included.
    public init(path: String) throws(Errno) {
        // The string is terminated and lives for the call.
        let result = unsafe path.withCString { unsafe apus_lock_file($0) }
        descriptor = Descriptor(taking: try Errno.check(result))
    }
}
