import Foundation
import Glibc

/// Tells when a file may have changed: a thread of its own that waits on inotify and looks at the clock.
///
/// It watches directories, never the file: a rename over it, a deletion and the symlink swap of a mounted ConfigMap
/// (`apus.yaml -> ..data/apus.yaml`, `..data -> ..2024_05_01`) leave the old file as it was. Watched are the directory
/// of the file and that of every symbolic link on the way to it. What inotify misses (no watch left, a network file
/// system, a renamed directory further up) the poll finds.
struct FileWatcher {
    /// Why it is time to look at the file.
    enum Event: Sendable {
        /// Something changed in one of the directories.
        case changed
        /// `pollMilliseconds` passed without that.
        case poll
    }

    private static let pollMilliseconds: Int32 = 1000
    private static let linksMax = 40
    /// Not `IN_MODIFY`: a file that is still being written is not to be read.
    private static let mask = UInt32(
        IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_CLOSE_WRITE | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF)

    private let path: String
    private let inotify: Int32
    private var watches: Set<Int32> = []

    /// Starts a watcher for the file at `path`. It ends within a poll interval after the stream has.
    static func start(path: String, _ continuation: AsyncStream<Event>.Continuation) {
        // Before the caller goes on, so that no change after this call is missed.
        let watcher = FileWatcher(path: path)
        Thread.detachNewThread {
            var watcher = watcher
            watcher.run(continuation)
        }
    }

    private init(path: String) {
        self.path = URL(fileURLWithPath: path).path
        // -1 when the process or the user has no instance left: then the poll alone serves.
        inotify = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        watch()
    }

    private mutating func run(_ continuation: AsyncStream<Event>.Continuation) {
        var isWanted = true
        while isWanted {
            let isChanged = wait()
            // The way to the file may lead through other directories now.
            if isChanged { watch() }
            if case .terminated = continuation.yield(isChanged ? .changed : .poll) { isWanted = false }
        }
        if inotify >= 0 { close(inotify) }
    }

    /// Whether there were events within the poll interval; they are consumed.
    private func wait() -> Bool {
        var waiting = pollfd(fd: inotify, events: Int16(POLLIN), revents: 0)
        // Sound: one pollfd, alive during the call. A negative descriptor is ignored by the kernel: this just sleeps.
        guard unsafe poll(&waiting, 1, Self.pollMilliseconds) > 0 else { return false }
        var buffer = [UInt8](repeating: 0, count: 4096)
        // Sound: the array's own storage and length. What the events say is not looked at.
        while unsafe read(inotify, &buffer, buffer.count) > 0 {}
        return true
    }

    private mutating func watch() {
        guard inotify >= 0 else { return }
        // Sound: the kernel copies the path during the call.
        let added = directories().map { unsafe inotify_add_watch(inotify, $0, Self.mask | UInt32(IN_ONLYDIR)) }
        let current = Set(added.filter { $0 >= 0 })
        for stale in watches.subtracting(current) { inotify_rm_watch(inotify, stale) }
        watches = current
    }

    /// The directories in which a change can make the path lead to another file.
    private func directories() -> [String] {
        var result: [String] = []
        var current = "/"
        var remaining = Array(path.split(separator: "/").map(String.init).reversed())
        var links = 0
        while let component = remaining.popLast() {
            let candidate = current == "/" ? "/" + component : current + "/" + component
            if let target = try? FileManager.default.destinationOfSymbolicLink(atPath: candidate), links < Self.linksMax
            {
                links += 1
                result.append(current)
                if target.hasPrefix("/") { current = "/" }
                remaining += target.split(separator: "/").map(String.init).reversed()
            } else if remaining.isEmpty || !FileManager.default.fileExists(atPath: candidate) {
                return result + [current]
            } else {
                current = candidate
            }
        }
        return result
    }
}

/// What distinguishes one state of a file from the next without reading it.
struct FileIdentity: Equatable, Sendable {
    private let device: UInt64
    private let inode: UInt64
    private let size: Int64
    private let modified: Int64
    private let changed: Int64

    /// The file that `path` leads to now; nil when there is none.
    init?(path: String) {
        var status = stat()
        // Sound: the kernel copies the path and fills the struct in during the call.
        guard unsafe stat(path, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        size = Int64(status.st_size)
        modified = Int64(status.st_mtim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_mtim.tv_nsec)
        changed = Int64(status.st_ctim.tv_sec) &* 1_000_000_000 &+ Int64(status.st_ctim.tv_nsec)
    }
}
