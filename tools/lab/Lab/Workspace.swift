import Foundation
import Glibc
import Synchronization

/// A lab's directory below `/run/apus-lab`: outputs, configuration files, and who owns the lab.
///
/// The owner is a pid with its start time (pids are reused), or nobody for a lab that stays up after its command.
/// `Lab.sweep` removes labs whose owner is gone.
public struct Workspace: Sendable {
    /// The lab's name.
    public let name: String
    /// The directory's path.
    public var path: String { Self.root + "/" + name }

    static let root = "/run/apus-lab"
    private static let counter = Atomic<Int>(0)

    /// A name that no other lab on this machine has: the process and a count.
    static func uniqueName() -> String {
        let count = counter.add(1, ordering: .relaxed).oldValue
        return "ap" + String(getpid(), radix: 36) + "x" + String(count, radix: 36)
    }

    /// Creates the directory, owned by this process or by nobody.
    static func create(name: String, owned: Bool) throws -> Workspace {
        let workspace = Workspace(name: name)
        let manager = FileManager.default
        try manager.createDirectory(atPath: root, withIntermediateDirectories: true)
        guard !manager.fileExists(atPath: workspace.path) else { throw LabError("lab \(name): exists already") }
        // The owner is written before the directory has its name, so that a sweep never meets one without.
        let draft = root + "/." + name
        try? manager.removeItem(atPath: draft)
        try manager.createDirectory(atPath: draft, withIntermediateDirectories: true)
        let owner = owned ? try "\(getpid()) \(require(startTime(of: getpid())))" : "nobody"
        try owner.write(toFile: draft + "/owner", atomically: false, encoding: .utf8)
        try manager.moveItem(atPath: draft, toPath: workspace.path)
        return workspace
    }

    private static func require(_ time: String?) throws -> String {
        guard let time else { throw LabError("/proc/self/stat: not readable") }
        return time
    }

    /// Every lab that left a directory.
    static func all() -> [Workspace] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root)) ?? []
        return names.filter { !$0.hasPrefix(".") }.sorted().map(Workspace.init(name:))
    }

    /// Whether the process that made the lab is gone. A lab without owner is never orphaned.
    var isOrphaned: Bool {
        guard let owner = try? String(contentsOfFile: path + "/owner", encoding: .utf8), owner != "nobody" else {
            return false
        }
        let fields = owner.split(separator: " ")
        guard fields.count == 2, let pid = Int32(fields[0]) else { return true }
        return Self.startTime(of: pid).map { $0 != fields[1] } ?? true
    }

    /// Writes a file in the directory, replacing it in one step; its path.
    @discardableResult
    public func write(_ text: String, to file: String) throws -> String {
        let target = path + "/" + file
        try text.write(toFile: target, atomically: true, encoding: .utf8)
        return target
    }

    func remove() {
        try? FileManager.default.removeItem(atPath: path)
    }

    /// Clock ticks since boot when the process started: field 22 of its stat, counted after the command's `)`.
    private static func startTime(of pid: Int32) -> String? {
        guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8),
            let end = stat.lastIndex(of: ")")
        else { return nil }
        let fields = stat[stat.index(after: end)...].split(separator: " ")
        return fields.count > 19 ? String(fields[19]) : nil
    }
}
