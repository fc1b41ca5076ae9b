import Synchronization
import Syscalls

/// A name this process holds: what keeps a second process with the same ports out, and where the next generation finds this
/// one. Two files of a directory that is the user's own: a lock, and the socket that its holder listens on.
public final class Claim: Sendable {
    /// `apusd admin: 127.0.0.1:15000`.
    public let name: String
    let lock: FileLock
    private let socketPath: String
    private let listener = Mutex<LocalListener?>(nil)

    /// Claims a name; `tryAgain` when a live process holds it.
    public init(_ name: String, in directory: String) throws(Errno) {
        self.name = name
        socketPath = Self.socketPath(name, in: directory)
        lock = try FileLock(path: Self.base(name, in: directory) + ".lock")
    }

    /// A claim that the generation before has passed on.
    init(_ name: String, in directory: String, taking descriptor: consuming Descriptor) {
        self.name = name
        socketPath = Self.socketPath(name, in: directory)
        lock = FileLock(taking: descriptor)
    }

    /// Lets the next generation find this process.
    func listen() throws(Errno) {
        try listener.withLock { listener throws(Errno) in listener = try LocalListener(path: socketPath) }
    }

    /// Waits for a process that connects, up to `milliseconds`; nil: none came.
    func accept(within milliseconds: Int64) throws(Errno) -> LocalSocket? {
        try listener.withLock { listener throws(Errno) -> LocalSocket? in
            switch listener {
            case .some(let listener): try listener.accept(within: milliseconds)
            case .none: nil
            }
        }
    }

    /// Where the holder of a name listens.
    static func socketPath(_ name: String, in directory: String) -> String { base(name, in: directory) + ".sock" }

    private static func base(_ name: String, in directory: String) -> String {
        let isPlain = { (byte: UInt8) in
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "."): true
            default: false
            }
        }
        let words = name.utf8.split { !isPlain($0) }.map { String(decoding: $0, as: UTF8.self) }
        return "\(directory)/\(words.joined(separator: "-"))"
    }
}
