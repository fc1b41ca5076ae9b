import SystemPackage

/// A file that lines are appended to. Blocks; used from the access log's own thread only.
struct LogFile: ~Copyable {
    private let descriptor: FileDescriptor
    /// Standard output and error are not ours to close.
    private let isOwned: Bool
    /// The last write failed in the middle of a line.
    private var endsInMidLine = false

    /// Opens or creates `path`. `/dev/stdout` and `/dev/stderr` mean the descriptors themselves: opening those paths
    /// fails when they are sockets, as under systemd.
    init(path: String) throws(Errno) {
        switch path {
        case "/dev/stdout": (descriptor, isOwned) = (.standardOutput, false)
        case "/dev/stderr": (descriptor, isOwned) = (.standardError, false)
        default:
            do {
                // O_NONBLOCK: opening a FIFO without a reader fails instead of hanging; regular files ignore it.
                descriptor = try FileDescriptor.open(
                    FilePath(path), .writeOnly, options: [.append, .create, .closeOnExec, .nonBlocking],
                    permissions: [.ownerReadWrite, .groupRead])
            } catch {
                throw error as? Errno ?? .ioError
            }
            isOwned = true
        }
    }

    deinit {
        if isOwned { try? descriptor.close() }
    }

    /// Writes all of `bytes`, which end with a line break. `pause` is called when a pipe is full, and says whether to
    /// go on trying.
    mutating func append(_ bytes: [UInt8], pause: () -> Bool) throws(Errno) {
        if endsInMidLine {
            try write([UInt8(ascii: "\n")][...], pause)
            endsInMidLine = false
        }
        try write(bytes[...], pause)
    }

    private mutating func write(_ bytes: ArraySlice<UInt8>, _ pause: () -> Bool) throws(Errno) {
        var rest = bytes
        while !rest.isEmpty {
            do {
                // The buffer is the slice's own memory, used within the call only.
                let count = try unsafe rest.withUnsafeBytes { try unsafe descriptor.write($0) }
                rest = rest.dropFirst(count)
            } catch Errno.resourceTemporarilyUnavailable where pause() {
                continue
            } catch {
                endsInMidLine = rest.count < bytes.count
                throw error as? Errno ?? .ioError
            }
        }
    }
}
