import CLab
import Foundation
import Glibc

/// A named network namespace, held open by a descriptor.
///
/// `enter` moves the *calling thread* there for the length of a closure. A socket stays in the namespace it was made in,
/// so only `socket()` and `/proc/sys` accesses need it; everything else happens outside.
public final class Namespace: Sendable {
    /// Its name, as `ip netns` lists it.
    public let name: String
    /// The inode that identifies it in the kernel.
    public let inode: UInt64
    private let descriptor: Int32

    /// Opens an existing namespace by name.
    public init(name: String) throws(LabError) {
        self.name = name
        let path = Self.directory + "/" + name
        // Sound: open only reads the path, for the length of the call.
        descriptor = unsafe Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw LabError("open namespace: \(path)", code: errno) }
        var status = stat()
        // Sound: `status` outlives the call, which only fills it.
        guard unsafe fstat(descriptor, &status) == 0 else { throw LabError("stat namespace: \(path)", code: errno) }
        inode = UInt64(status.st_ino)
    }

    deinit { close(descriptor) }

    /// Where `ip netns` keeps the names.
    static let directory = "/run/netns"

    /// Runs `body` on this thread inside the namespace and returns to the thread's own one.
    public func enter<Value>(_ body: () throws -> Value) throws -> Value {
        // Sound: open only reads the path, for the length of the call.
        let own = unsafe Glibc.open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)
        guard own >= 0 else { throw LabError("open the thread's own namespace", code: errno) }
        defer { close(own) }
        try checked(clab_enter_network(descriptor), "enter namespace: \(name)")
        defer {
            // A thread left behind in a pod would run someone else's code in the wrong network.
            precondition(clab_enter_network(own) == 0, "return from namespace \(name)")
        }
        return try body()
    }

    /// Sets sysctls given as `net/ipv4/ip_forward` -> `1`, in order, inside the namespace only.
    public func set(sysctls: [(String, String)]) throws {
        try enter {
            for (key, value) in sysctls {
                // Every lab sysctl is below net/, whose entries belong to the namespace of the thread that opens them.
                precondition(key.hasPrefix("net/"), "sysctl \(key) is not the namespace's own")
                try value.write(toFile: "/proc/sys/" + key, atomically: false, encoding: .utf8)
            }
        }
    }

    /// Reads one sysctl of the namespace.
    public func sysctl(_ key: String) throws -> String {
        try enter {
            try String(contentsOfFile: "/proc/sys/" + key, encoding: .utf8).trimmingCharacters(
                in: .whitespacesAndNewlines)
        }
    }

    /// Processes whose main thread is in the namespace, without this one.
    public func processes() -> [Int32] {
        let own = getpid()
        let entries = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return entries.compactMap { Int32($0) }.filter { pid in
            let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(pid)/ns/net")
            return pid != own && link == "net:[\(inode)]"
        }
    }
}
