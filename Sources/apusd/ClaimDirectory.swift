import Foundation
import Glibc

/// Where processes of one user find each other, and keep each other out: a directory for each network namespace, that
/// nobody else may write to. The kernel keeps other users from the ports.
///
/// root's is the one that the guard and the rules use, too. Whoever is not root has `$RUNTIME_DIRECTORY` (systemd), the
/// user's own below `/run/user`, or one in `/tmp`.
enum ClaimDirectory {
    /// No directory can be used.
    struct Unusable: Error, CustomStringConvertible {
        let path: String
        let cause: String

        var description: String { "\(path): \(cause)" }
    }

    /// Its path, after making it. The same for all processes of a user in a network namespace.
    static func make() throws -> String {
        // The link reads `net:[4026531840]`.
        let link = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
        let places = places(ProcessInfo.processInfo.environment["RUNTIME_DIRECTORY"], user: geteuid())
        var causes: [Unusable] = []
        for place in places {
            do throws(Unusable) {
                try make(place)
                let directory = "\(place)/\(link.filter(\.isNumber))"
                try make(directory)
                return directory
            } catch {
                causes.append(error)
            }
        }
        let words = causes.map { "\($0)" }.joined(separator: "; ")
        throw Unusable(path: "no directory of this user's own", cause: words)
    }

    private static func places(_ runtime: String?, user: UInt32) -> [String] {
        if let first = runtime?.split(separator: ":").first { return [String(first)] }
        // root of a user namespace may not be able to make the first one.
        return (user == 0 ? ["/run/apus"] : []) + ["/run/user/\(user)/apus", "/tmp/apus-\(user)"]
    }

    private static func make(_ path: String) throws(Unusable) {
        // Both only read the path, for the length of the call.
        if unsafe mkdir(path, 0o700) != 0, errno != EEXIST { throw Unusable(path: path, cause: words(errno)) }
        // systemd's may be a link of root's; in /tmp anybody could have put one.
        let noLink = path.hasPrefix("/tmp/") ? O_NOFOLLOW : 0
        // As above.
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | noLink)
        guard descriptor >= 0 else { throw Unusable(path: path, cause: words(errno)) }
        defer { close(descriptor) }
        var found = stat()
        // It is filled in, for the length of the call.
        guard unsafe fstat(descriptor, &found) == 0 else { throw Unusable(path: path, cause: words(errno)) }
        guard found.st_uid == geteuid(), found.st_mode & 0o022 == 0 else {
            throw Unusable(path: path, cause: "others may write to it: remove it")
        }
    }

    // The string is copied before anything else can change it.
    private static func words(_ code: Int32) -> String { unsafe String(cString: strerror(code)) }
}
