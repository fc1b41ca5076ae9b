import FoundationEssentials
import Syscalls

/// `/run/apus/<netns inode>`: what is kept for a network namespace (several may share a file system), the locks of those
/// who work on it, and the guard's socket. Nobody but root gets in: who could hold a lock could keep everybody from the
/// rules.
public enum HostDirectory {
    private static let root = "/run/apus"

    /// The path of an entry, for the network namespace of this process.
    public static func path(_ name: String) throws(InterceptionError) -> String { try directory() + "/" + name }

    private static func directory() throws(InterceptionError) -> String {
        // The link reads `net:[4026531840]`.
        guard let link = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net") else {
            throw .refused(["/proc/self/ns/net: cannot be read: is /proc mounted?"])
        }
        return "\(root)/\(link.filter(\.isNumber))"
    }

    /// Makes the directory, or shuts out who could enter one that is there.
    public static func make() throws(InterceptionError) {
        let path = try directory()
        let manager = FileManager.default
        do {
            try manager.createDirectory(atPath: path, withIntermediateDirectories: true)
            try manager.setAttributes([.posixPermissions: 0o700], ofItemAtPath: path)
        } catch {
            throw .failed(step: "make \(path)", cause: "\(error)", leftBehind: [])
        }
    }

    /// The lock `name`; nil: another holds it.
    public static func lock(_ name: String) throws(InterceptionError) -> FileLock? {
        try make()
        let path = try path(name + ".lock")
        do throws(Errno) {
            return try FileLock(path: path)
        } catch {
            if error == .tryAgain { return nil }
            throw .failed(step: "lock \(path)", cause: "\(error)", leftBehind: [])
        }
    }

    /// Removes it when nothing is left but locks that nobody holds.
    static func removeIfUnused(holding own: String) throws(InterceptionError) {
        let path = try directory()
        let manager = FileManager.default
        let names = (try? manager.contentsOfDirectory(atPath: path)) ?? []
        for name in names where name.hasSuffix(".lock") && name != own + ".lock" {
            guard let lock = try? FileLock(path: "\(path)/\(name)") else { return }
            // What its last holder listened on.
            for left in [name, name.dropLast(".lock".count) + ".sock"] {
                try? manager.removeItem(atPath: "\(path)/\(left)")
            }
            withExtendedLifetime(lock) {}
        }
        let left = (try? manager.contentsOfDirectory(atPath: path)) ?? []
        guard left.allSatisfy({ $0.hasSuffix(".lock") }) else { return }
        try? manager.removeItem(atPath: "\(path)/\(own).lock")
        for directory in [path, root] {
            guard let names = try? manager.contentsOfDirectory(atPath: directory), names.isEmpty else { return }
            try? manager.removeItem(atPath: directory)
        }
    }
}
